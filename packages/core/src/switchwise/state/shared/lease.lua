-- One report of one holder on one account: the algorithm of `report` in account.py.
-- KEYS: account hash, boot hash (of one slot). ARGV: holder, totals, want, need, limit, window, term, divisor, grace, ttl, ask, lost,
-- then pairs of (holder, totals) that the reporter knows. All numbers are whole and below 2^53.
local PIECES, FOREVER, SHORT, FOLD, WAITED = 60, 4503599627370496, 500, 32, 60000
local ALERTS = {50, 80, 95, 100}
local int = function(number) return string.format("%.0f", number) end
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local me, want, need = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, window, term = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local divisor, grace, ttl, ask = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == "1"
local lost = ARGV[12] == "1"

local function piece_of(at)
  if window == 0 then return 0 end
  return math.floor(at * PIECES / window)
end
local function parse(text)
  local numbers, used, at = {}, {}, 0
  for word in string.gmatch(text, "%S+") do
    local piece, amount = string.match(word, "^(%-?%d+):(%d+)$")
    if piece then used[piece] = tonumber(amount) else at = at + 1; numbers[at] = tonumber(word) end
  end
  return {granted = numbers[1], returned = numbers[2], spent = numbers[3], til = numbers[4], seen = numbers[5], closed = numbers[6] == 1, used = used}
end
local function text(h)
  local words = {int(h.granted), int(h.returned), int(h.spent), int(h.til), int(h.seen), h.closed and "1" or "0"}
  for piece, amount in pairs(h.used) do words[#words + 1] = piece .. ":" .. int(amount) end
  return table.concat(words, " ")
end
local function merge(h, other)
  h.granted, h.returned = math.max(h.granted, other.granted), math.max(h.returned, other.returned)
  h.spent, h.til = math.max(h.spent, other.spent), math.max(h.til, other.til)
  h.closed = h.closed or other.closed
  for piece, amount in pairs(other.used) do h.used[piece] = math.max(h.used[piece] or 0, amount) end
end
local function open(h) return math.max(0, h.granted - h.returned - h.spent) end
local function counts(h)
  if window == 0 then return h.spent + open(h) end
  local oldest, used = piece_of(now - window), 0
  for piece, amount in pairs(h.used) do if tonumber(piece) >= oldest then used = used + amount end end
  if now < h.til + window then used = used + open(h) end
  return used
end
local function none() return {granted = 0, returned = 0, spent = 0, til = 0, seen = 0, closed = false, used = {}} end

-- whether the data are complete
local run = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
local since = now
if redis.call("HGET", KEYS[2], "run") == run then
  since = tonumber(redis.call("HGET", KEYS[2], "since"))
else
  redis.call("HSET", KEYS[2], "run", run, "since", int(now))
end

-- the account
local fields, holders, account, gone = redis.call("HGETALL", KEYS[1]), {}, {}, {}
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == "h:" then holders[string.sub(fields[i], 3)] = parse(fields[i + 1]) else account[fields[i]] = fields[i + 1] end
end
for id in string.gmatch(account.gone or "", "%S+") do gone[id] = true end
local folded = {}
for piece, amount in string.gmatch(account.folded or "", "(%-?%d+):(%d+)") do folded[piece] = tonumber(amount) end
local short, alerted = tonumber(account.short or "0"), tonumber(account.alerted or "0")
local lost_at, vouched_at = string.match(account.doubt or "0 0", "(%d+) (%d+)")
lost_at, vouched_at = tonumber(lost_at), tonumber(vouched_at)
if lost then lost_at = now end
if #ARGV > 12 then vouched_at = now end
local over, over_until = string.match(account.over or "0 0", "(%d+) (%d+)")
if now < tonumber(over_until) then limit = tonumber(over) end

-- merge
local changed = {}
local own = holders[me]
local fenced = gone[me] or (own ~= nil and own.closed)
for i = 13, #ARGV, 2 do
  local name = ARGV[i]
  if name ~= me and not gone[name] then
    holders[name] = holders[name] or none()
    merge(holders[name], parse(ARGV[i + 1]))
    changed[name] = true
  end
end
local heard = parse(ARGV[2])
if not gone[me] then
  own = own or none()
  holders[me] = own
  merge(own, heard)
  own.seen = now
  changed[me] = true
end

-- remove what has left the window, add up holders that closed long ago
if window > 0 then
  local oldest = piece_of(now - window)
  for name, h in pairs(holders) do
    for piece, _ in pairs(h.used) do if tonumber(piece) < oldest then h.used[piece] = nil; changed[name] = true end end
  end
  for piece, _ in pairs(folded) do if tonumber(piece) < oldest then folded[piece] = nil end end
  for name, h in pairs(holders) do
    if next(h.used) == nil and now >= math.max(h.til, since + term) + window and name ~= me then
      holders[name], changed[name] = nil, nil
      redis.call("HDEL", KEYS[1], "h:" .. name)
    end
  end
end
local closed = {}
for name, h in pairs(holders) do if h.closed and open(h) == 0 then closed[#closed + 1] = name end end
table.sort(closed, function(a, b)
  if holders[a].seen == holders[b].seen then return a < b end
  return holders[a].seen < holders[b].seen
end)
for i = 1, #closed - FOLD do
  local h = holders[closed[i]]
  if window == 0 then folded["0"] = (folded["0"] or 0) + h.spent
  else for piece, amount in pairs(h.used) do folded[piece] = (folded[piece] or 0) + amount end end
  holders[closed[i]], gone[closed[i]], changed[closed[i]] = nil, true, nil
  redis.call("HDEL", KEYS[1], "h:" .. closed[i])
end

-- whether it may grant
local rest = since + grace - now
if window > 0 and window <= WAITED then
  local unheard = false
  for _, h in pairs(holders) do if not h.closed and h.seen < since then unheard = true end end
  if unheard or (lost_at >= since and since > vouched_at) then rest = math.max(rest, since + window + term - now) end
end
local recovering = math.max(0, rest)

-- grant
if own and not own.closed then own.til = window > 0 and now + term or FOREVER end
local free, living, oldest = limit, 0, piece_of(now - window)
for piece, amount in pairs(folded) do if window == 0 or tonumber(piece) >= oldest then free = free - amount end end
for _, h in pairs(holders) do
  free = free - counts(h)
  if not h.closed then living = living + 1 end
end
if own and not own.closed and recovering == 0 then
  local give = math.min(math.max(0, want - own.granted), math.max(math.floor(free / (divisor * math.max(1, living))), need))
  if give > free then give = need <= free and need or 0 end
  give = math.max(0, give)
  if need > 0 and give < need then short = now end
  own.granted = own.granted + give
  free = free - give
end
local spent = limit - free
for _, h in pairs(holders) do if window == 0 or now < h.til + window then spent = spent - open(h) end end
local alert = 0
if limit > 0 then for _, step in ipairs(ALERTS) do if spent * 100 >= step * limit then alert = step end end end
local news = alert > alerted and alert or 0
alerted = math.max(alerted, alert)

-- write
local write = {"HSET", KEYS[1], "short", int(short), "alerted", int(alerted), "doubt", int(lost_at) .. " " .. int(vouched_at)}
local sums = {}
for piece, amount in pairs(folded) do sums[#sums + 1] = piece .. ":" .. int(amount) end
if #sums > 0 or account.folded then write[#write + 1] = "folded"; write[#write + 1] = table.concat(sums, " ") end
local ids = {}
for id, _ in pairs(gone) do ids[#ids + 1] = id end
if #ids > 0 then write[#write + 1] = "gone"; write[#write + 1] = table.concat(ids, " ") end
for name, _ in pairs(changed) do write[#write + 1] = "h:" .. name; write[#write + 1] = text(holders[name]) end
redis.call(unpack(write))
if ttl > 0 then redis.call("PEXPIRE", KEYS[1], ttl) end

local reply = {
  int(own and own.granted or heard.granted), int(math.max(0, free)), int(math.max(1, living)), (short > 0 and now - short < SHORT) and 1 or 0,
  int(recovering), fenced and 1 or 0, int(now), int(limit), int(math.max(0, spent)), int(news), run,
}
if ask then
  for name, h in pairs(holders) do reply[#reply + 1] = name; reply[#reply + 1] = text(h) end
end
return reply
