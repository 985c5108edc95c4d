-- One exchange of one process on one table: the algorithm of `write` in protocol.py, and the changes since the cursor.
-- KEYS: values (hash), changes (sorted set), mark (hash), of one slot. ARGV: generation, cursor, size, grace, ttl, most bytes, page, writers,
-- origin, then for each write: key, base, sequence, writers, value.
local int = function(number) return string.format("%.0f", number) end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local cursor, size, grace, ttl, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local page, remembered, origin = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]

-- whether the data are complete: after a restart or a flush change numbers start above all earlier ones
local run = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local mark = redis.call("HMGET", KEYS[3], "run", "since", "change", "bytes")
local since, change, bytes = tonumber(mark[2] or "0"), tonumber(mark[3] or "0"), tonumber(mark[4] or "0")
if mark[1] ~= run then
  since, change = now, math.max(change + 1, now * 1000)
  redis.call("HSET", KEYS[3], "run", run, "since", int(since), "change", int(change), "bytes", int(bytes))
end
local generation, listening = run .. "-" .. int(since), now - since < grace
if ARGV[1] ~= generation then cursor = 0 end

local function entry(blob)
  if not blob then return 0, "", "" end
  local stamp, writers, at = string.match(blob, "^(%d+) %d+ ([^\n]*)\n()")
  return tonumber(stamp), writers, string.sub(blob, at)
end
local function sequence_of(writers)
  for who, number in string.gmatch(writers, "([^,:]+):(%d+)") do if who == origin then return tonumber(number) end end
  return 0
end
local function with_mine(writers, sequence)
  local words = {origin .. ":" .. sequence}
  for who, number in string.gmatch(writers, "([^,:]+):(%d+)") do
    if who ~= origin and #words < remembered then words[#words + 1] = who .. ":" .. number end
  end
  return table.concat(words, ",")
end
local function drop(key)
  bytes = bytes - #key - redis.call("HSTRLEN", KEYS[1], key)
  redis.call("HDEL", KEYS[1], key)
  redis.call("ZREM", KEYS[2], key)
end

local answers, mine = {}, {}
if ARGV[1] == generation and not (listening and #ARGV > 9 and tonumber(ARGV[12]) > 0) then
  for i = 10, #ARGV, 5 do
    local key, base, sequence, writers, value = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
    local blob = redis.call("HGET", KEYS[1], key)
    local stamp, had, old = entry(blob)
    local made
    if sequence > 0 then
      made = sequence_of(had) < sequence and (stamp == 0 or stamp == base)
      if made then writers = with_mine(had, int(sequence)) end
    else
      made = stamp < base
    end
    if made then
      change = change + 1
      stamp = sequence > 0 and change or base
      local new = int(stamp) .. " " .. int(now) .. " " .. writers .. "\n" .. value
      redis.call("HSET", KEYS[1], key, new)
      redis.call("ZADD", KEYS[2], int(change), key)
      bytes = bytes + #key + #new - (blob and #key + #blob or 0)
      mine[key] = true
      answers[#answers + 1] = {"1", int(stamp), writers, ""}
    else
      answers[#answers + 1] = {"0", int(stamp), had, old}
    end
  end
  if next(mine) then
    for _, key in ipairs(redis.call("ZRANGE", KEYS[2], 0, 19)) do
      local at = tonumber(string.match(redis.call("HGET", KEYS[1], key) or "0 0", "^%d+ (%d+)"))
      if ttl == 0 or now - at < ttl then break end
      drop(key)
    end
    local over = redis.call("ZCARD", KEYS[2]) - size
    if over > 0 then for _, key in ipairs(redis.call("ZRANGE", KEYS[2], 0, math.min(over, 1000) - 1)) do drop(key) end end
    while bytes > most do
      local oldest = redis.call("ZRANGE", KEYS[2], 0, 0)[1]
      if not oldest then break end
      drop(oldest)
    end
    redis.call("HSET", KEYS[3], "change", int(change), "bytes", int(bytes))
    if ttl > 0 then for _, name in ipairs(KEYS) do redis.call("PEXPIRE", name, ttl + 86400000) end end
  end
end

local reply = {generation, int(change), "0", listening and "1" or "0", int(#answers)}
for _, answer in ipairs(answers) do for _, word in ipairs(answer) do reply[#reply + 1] = word end end
if change > cursor then
  local found = redis.call("ZRANGEBYSCORE", KEYS[2], "(" .. int(cursor), "+inf", "WITHSCORES", "LIMIT", 0, page)
  for i = 1, #found, 2 do
    local key = found[i]
    local stamp, writers, value = entry(redis.call("HGET", KEYS[1], key))
    if not mine[key] then
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3], reply[#reply + 4] = key, int(stamp), writers, value
    end
    if #found == 2 * page then reply[2], reply[3] = int(tonumber(found[i + 1])), "1" end
  end
end
return reply
