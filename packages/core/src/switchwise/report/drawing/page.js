"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (n) => data.texts[n];
  document.documentElement.classList.add("scripted");

  const make = (tag, attributes = {}, ...content) => {
    const svg = ["svg", "g", "rect", "line", "text", "title", "path"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) made.setAttribute(name, value);
    made.append(...content.filter((each) => each !== null && each !== ""));
    return made;
  };
  const usd = (x) => x === null ? "?" : "$" + (x === 0 || x >= 1 ? x.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : x >= 0.0001 ? x.toPrecision(3) : x.toExponential(2));
  const count = (x) => x >= 1e6 ? (x / 1e6).toPrecision(3) + " M" : x.toLocaleString("en");
  const seconds = (s) => s < 1 ? Math.round(s * 1000) + " ms" : s < 60 ? s.toFixed(1) + " s" : Math.floor(s / 60) < 60 ? Math.floor(s / 60) + " min " + Math.round(s % 60) + " s" : (s / 3600).toFixed(1) + " h";
  const many = (n, one, more) => n.toLocaleString("en") + " " + (n === 1 ? one : more || one + "s");
  const colour = (name) => { const at = data.targets.indexOf(name); return "c" + (at < 0 ? 7 : at % 8); };
  const target = (name) => make("span", { class: "target" }, make("i", { class: "dot " + colour(name) }), name);

  // Tables: the rest of the rows on demand.
  for (const rest of document.querySelectorAll("tbody.rest")) {
    rest.hidden = true;
    const more = make("button", { type: "button", class: "more" }, "Show " + rest.dataset.rest + " more");
    more.addEventListener("click", () => { rest.hidden = false; more.remove(); });
    rest.closest("table").after(more);
  }

  // Tabs, by the pattern of the ARIA Authoring Practices: arrows move, Home and End jump.
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const show = (chosen, focus) => {
      for (const tab of tabs) {
        const own = tab === chosen;
        tab.setAttribute("aria-selected", own);
        tab.tabIndex = own ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !own;
      }
      if (focus) chosen.focus();
    };
    list.hidden = false;
    tabs.forEach((tab, at) => {
      tab.addEventListener("click", () => show(tab, false));
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        show(tabs[(to + tabs.length) % tabs.length], true);
      });
    });
    if (tabs.length) show(tabs.find((tab) => tab.textContent === "Agent") || tabs[0], false);
  }

  // Sessions.
  const list = document.getElementById("list"), panel = document.getElementById("session"), find = document.getElementById("find");
  const buttons = data.sessions.map((session, at) => {
    const [name, began, spend, steps] = session;
    const when = new Date(began * 1000).toLocaleString("en", { timeZone: "UTC", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false });
    const fallbacks = steps.filter(fell).length;
    const small = many(steps.length, "step") + (fallbacks ? " · " + many(fallbacks, "fallback") : "") + " · " + when;
    const button = make("button", { type: "button" }, make("b", {}, name), make("span", {}, usd(spend[1])), make("small", {}, small));
    button.addEventListener("click", () => choose(at, true));
    list.append(make("li", {}, button));
    return button;
  });
  find.addEventListener("input", () => {
    const word = find.value.trim().toLowerCase();
    buttons.forEach((button, at) => { button.parentElement.hidden = !data.sessions[at][0].toLowerCase().includes(word); });
  });
  list.addEventListener("keydown", (event) => {
    const shown = buttons.filter((button) => !button.parentElement.hidden), at = shown.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || at < 0 || !shown[to]) return;
    event.preventDefault();
    shown[to].focus();
  });

  function tries(step) { return step[9].filter((each) => text(each[1]) === "answer"); }
  function last(step) { const own = tries(step); return own.findLast((each) => text(each[2]) === "accepted") || own[own.length - 1] || step[9][step[9].length - 1]; }
  function fell(step) { const own = tries(step); return own.length > 1 && text(last(step)[2]) === "accepted" && own[0][0] !== last(step)[0]; }

  function choose(at, move) {
    buttons.forEach((button, each) => button.setAttribute("aria-current", each === at));
    const own = buttons[at].parentElement, from = own.offsetTop;
    if (from < list.scrollTop || from + own.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = from - 60;
    const [name, , spend, steps] = data.sessions[at];
    const agents = new Set(steps.map((step) => step[1])).size;
    const length = steps[steps.length - 1][0];
    const hit = spend[3] ? Math.round(100 * spend[4] / spend[3]) + " % of the prompt tokens from caches" : "";
    const facts = [usd(spend[1]), many(steps.length, "step"), many(agents, "agent"), length ? "over " + seconds(length) : "", hit].filter(Boolean).join(" · ");
    const rows = [];
    const overview = make("div", { class: "panel" }, make("h3", {}, name), make("p", {}, facts), chart(steps, rows), make("h4", {}, "Spend by agent, task, phase and target"), tree(spend));
    const box = make("div", { class: "panel" }, make("h3", {}, "Step by step"), make("p", {}, "Open a step for all opinions and attempts."));
    const lines = make("div", { class: "steplist" });
    steps.forEach((step, n) => { rows.push(line(step, n)); lines.append(rows[n]); });
    box.append(lines);
    panel.replaceChildren(overview, box);
    if (move) panel.focus({ preventScroll: !matchMedia("(max-width: 760px)").matches });
  }

  // Two charts over the same steps: what each cost, and how long its prompt was, the cached part pale.
  function chart(steps, rows) {
    const width = Math.max(panel.clientWidth - 48, 260), left = 58, tall = 90, low = 70, gap = (width - left) / steps.length < 5 ? 0 : 2;
    const each = (width - left) / steps.length;
    const dearest = Math.max(...steps.map((step) => step[8] || 0)) || 1, longest = Math.max(...steps.map((step) => step[5] || 0)) || 1;
    const label = "Cost and prompt length of each step. The dearest step costs " + usd(dearest) + ", the longest prompt has " + count(longest) + " tokens.";
    const svg = make("svg", { class: "steps", viewBox: `0 0 ${width} ${tall + low + 52}`, role: "img", "aria-label": label });
    const base = tall + 16, floor = base + low + 28;
    svg.append(make("text", { x: 0, y: 12 }, "Cost"), make("text", { x: 0, y: 26 }, usd(dearest)), make("text", { x: 0, y: base + 22 }, "Prompt"), make("text", { x: 0, y: base + 36 }, count(longest)));
    steps.forEach((step, n) => {
      const x = left + n * each, size = Math.max(each - gap, 1), done = last(step), name = text(done[0]), fill = `fill:var(--c)`;
      const g = make("g", { class: "step " + colour(name) });
      g.append(make("title", {}, `${n + 1}. ${text(step[1])}: ${name}, ${usd(step[8])}, ${step[5] === null ? "?" : count(step[5])} prompt tokens, ${count(step[6])} cached`));
      g.append(make("rect", { class: "back", x, y: 0, width: each, height: floor }));
      const high = (step[8] || 0) / dearest * tall;
      g.append(make("rect", { x, y: base - high, width: size, height: Math.max(high, 1), rx: 1.5, style: fill }));
      const full = (step[5] || 0) / longest * low, cached = step[6] / longest * low;
      g.append(make("rect", { x, y: floor - full, width: size, height: full - cached, style: fill }));
      g.append(make("rect", { x, y: floor - cached, width: size, height: cached, style: fill, opacity: 0.35 }));
      if (tries(step).length > 1) g.append(make("text", { x: x + size / 2, y: base - high - 4, "text-anchor": "middle", style: "fill:var(--bad)" }, "×"));
      g.addEventListener("click", () => { rows[n].open = true; rows[n].scrollIntoView({ block: "center" }); rows[n].firstElementChild.focus({ preventScroll: true }); });
      svg.append(g);
    });
    svg.append(make("line", { class: "axis-line", x1: left, x2: width, y1: base, y2: base }), make("line", { class: "axis-line", x1: left, x2: width, y1: floor, y2: floor }));
    svg.append(make("text", { x: left, y: floor + 16 }, "Steps in order. Pale: read from a cache. ×: more than one attempt."));
    return svg;
  }

  function tree(spend) {
    const whole = spend[1] || 1;
    const node = ([name, cost, calls, , , failed, parts]) => {
      const trail = [text(name)];
      while (parts.length === 1) {  // one way on: the same bill, in the same row
        const next = text(parts[0][0]);
        if (next !== trail[trail.length - 1] && next !== "(none)") trail.push(next);
        parts = parts[0][6];
      }
      const end = trail[trail.length - 1], known = data.targets.includes(end) && !parts.length;
      const words = make("span", {}, known ? trail.slice(0, -1).map((word) => word + " → ").join("") : trail.join(" → "), known ? target(end) : "");
      words.append(make("small", {}, " " + many(calls, "answer") + (failed ? ", " + failed + " failed" : "")));
      const bar = make("span", { class: "bar " + (known ? colour(end) : "plain"), style: `width:${Math.max(cost / whole * 100, 1)}%` });
      return make("li", {}, make("div", { class: "row" }, words, bar, make("span", {}, usd(cost))), parts.length ? make("ul", {}, ...parts.map(node)) : null);
    };
    return make("ul", { class: "tree" }, ...spend[6].map(node));
  }

  function line(step, n) {
    const done = last(step), number = tries(step).length, answered = text(done[2]) === "accepted";
    const agent = text(step[1]);
    const why = make("span", { class: "why" }, make("span", { class: "badge" }, agent), " ", make("b", {}, text(done[6])), " " + text(done[7]));
    if (number > 1) why.append(" ", make("span", { class: "badge bad" }, many(number, "attempt")));
    if (!answered) why.append(" ", make("span", { class: "badge bad" }, text(done[2]).replaceAll("_", " ")));
    const tokens = step[5] === null ? "" : count(step[5]) + " tok";
    const summary = make("summary", {}, make("span", { class: "n" }, String(n + 1)), target(text(done[0])), why, make("span", { class: "num tok" }, tokens), make("span", { class: "num" }, usd(step[8])));
    const row = make("details", {}, summary);
    row.addEventListener("toggle", () => { if (row.open && row.children.length === 1) row.append(reasons(step)); });
    return row;
  }

  function reasons(step) {
    const [at, , task, phase, kind, prompt, cached, output] = step;
    const where = [text(task), text(phase) !== text(task) ? text(phase) : "", text(kind).replaceAll("_", " "), at ? seconds(at) + " into the session" : "the first step"].filter(Boolean).join(" · ");
    const tokens = prompt === null ? "" : `${count(prompt)} prompt tokens, ${count(cached)} of them from a cache; ${count(output || 0)} answered.`;
    const box = make("div", { class: "reasons" }, make("p", {}, [where, tokens].filter(Boolean).join(" · ")));
    step[9].forEach((each, n) => {
      const [name, purpose, result, latency, cost, level, policy, because, opinions, candidates] = each;
      const asked = text(purpose) === "ask", said = text(result).replaceAll("_", " ");
      const head = make("p", {}, target(text(name)), ` ${asked ? "was asked a question" : "attempt " + (n + 1)}: `, make("b", { class: said === "accepted" ? "good" : "bad" }, said), ` after ${seconds(latency)}` + (cost === null ? "" : ", " + usd(cost)) + `. Decided by ${text(policy)} per ${text(level)}: ${text(because)}.`);
      const items = make("ol", {});
      for (const number of opinions) items.append(opinion(data.opinions[number], text(name)));
      box.append(head, opinions.length ? items : "", candidates.length > 1 ? make("p", {}, "In order: " + candidates.map(text).join(", ")) : "");
    });
    return box;
  }

  function opinion([policy, level, because, out, lead, wants], chosen) {
    const item = make("li", {}, make("b", {}, text(policy)), ` per ${text(level)}: ${text(because)}. `);
    const names = (list) => list.map(text).join(", ");
    if (out.length) item.append(make("span", { class: "bad" }, "Rules out " + names(out) + "."));
    else if (wants.length && !wants.map(text).includes(chosen)) item.append(make("span", { class: "overruled" }, "Wants " + names(wants) + ": overruled."));
    else if (lead.length) item.append("In front: " + names(lead) + ".");
    return item;
  }

  // A table that is wider than the screen can be scrolled from the keyboard.
  for (const box of document.querySelectorAll(".scroll")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;

  let wide = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === wide) return;
    wide = innerWidth;
    const at = buttons.findIndex((button) => button.getAttribute("aria-current") === "true");
    if (at >= 0) panel.querySelector("svg").replaceWith(chart(data.sessions[at][3], [...panel.querySelectorAll("details")]));
  });

  if (data.sessions.length) choose(0, false);
})();
