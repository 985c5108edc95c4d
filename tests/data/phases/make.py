"""Make `tuned_on.jsonl` and `held_out.jsonl` from the sources named in `README.md` and the labels in `labels.py`.

    python tests/data/phases/make.py DATA

DATA holds `airline_conversations`, `agent_sessions` and `provider_traffic`.
The detector is not imported here: labels never come from it.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import pathlib
import runpy
import sys
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
HERE = pathlib.Path(__file__).parent
LABELS = runpy.run_path(str(HERE / "labels.py"))
PHASES = {"P": "planning", "I": "implementing", "D": "debugging", "T": "testing", "W": "documenting", "S": "summarising"}
HEAD, TAIL = 300, 200


def short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n...\n{text[-TAIL:]}"


def step(last: Row, failed: bool, calls: bool) -> str:
    """What the call had to do, from what came last and from what it then did."""
    if last["role"] == "user":
        return "user_turn"
    return "failure" if failed else "tool_result" if calls else "final_answer"


def lines(path: pathlib.Path) -> list[Row]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def airline(data: pathlib.Path, part: str) -> Iterator[Row]:
    runs = {(run["task_id"], run["trial"]): run for run in lines(data / "airline_conversations/trajectories.jsonl.gz")}
    for (task, trial), phases in LABELS["AIRLINE"][part].items():
        turns: list[Row] = []
        labels: list[Any] = []
        for message in runs[task, trial]["traj"][1:]:
            calls = message.get("tool_calls") or []
            if message["role"] == "assistant":
                failed = turns[-1]["text"].startswith("Error: ")  # all failures in this set begin so: read
                labels.append((len(turns), PHASES[phases[len(labels)]], step(turns[-1], failed, bool(calls))))
            turn: Row = {"role": message["role"], "text": short(message["content"])}
            if calls:
                turn["calls"] = [call["function"]["name"] for call in calls]
                turn["arguments"] = short(calls[0]["function"]["arguments"])
            if message["role"] == "tool":
                turn["tool"] = message["name"]
            turns.append(turn)
        assert len(labels) == len(phases), (task, trial, len(labels), len(phases))
        yield {"id": f"airline {task}/{trial}", "kind": "service", "turns": turns, "labels": labels}


def sessions(data: pathlib.Path, part: str) -> Iterator[Row]:
    calls = lines(data / "agent_sessions/calls.jsonl.gz")
    threads = {key: list(rows) for key, rows in itertools.groupby(calls, key=lambda c: (c["session"], c["agent"]))}
    for (session, start), phases in LABELS["SESSIONS"][part].items():
        turns: list[Row] = []
        labels: list[Any] = []
        pending: list[str] = []
        for number, call in enumerate(threads[session, None][: start + len(phases)]):
            errors = call["tool_errors"]
            if call["trigger"] == "tool" or errors:
                for place, tool in enumerate(pending):
                    turns.append({"role": "tool", "tool": tool, "failed": len(pending) - place <= errors})
            if call["trigger"] != "tool":
                turns.append({"role": "user"})
            if number >= start:
                what = step(turns[-1], errors > 0, bool(call["tools"]))
                labels.append((len(turns), PHASES[phases[number - start]], what))
            pending = call["tools"]
            turns.append({"role": "assistant", "calls": pending} if pending else {"role": "assistant", "text": "..."})
        yield {"id": f"session {session} from {start}", "kind": "coding, names only", "turns": turns, "labels": labels}


def text_of(content: Any) -> str:
    if isinstance(content, list):
        texts = [
            part.get("text") for part in content if isinstance(part, dict) and not part.get("type", "").endswith("_result")
        ]
        return "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def media_of(content: Any) -> list[str]:
    kinds = [part.get("type", "") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return ["image" for kind in kinds if "image" in kind]


def turns_of(body: Row) -> list[Row]:
    """The messages of a chat, messages or responses request."""
    turns: list[Row] = []
    names: dict[str, str] = {}
    for item in body.get("messages") or body["input"]:
        role, kind, content = item.get("role"), item.get("type") or "", item.get("content")
        if role == "assistant":
            calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in item.get("tool_calls") or []]
            blocks = content if isinstance(content, list) else []
            calls += [(b["id"], b["name"], json.dumps(b["input"])) for b in blocks if b.get("type") == "tool_use"]
            names |= {identity: name for identity, name, _ in calls}
            turn: Row = {"role": "assistant", "text": short(text_of(content))}
            if calls:
                turn |= {"calls": [name for _, name, _ in calls], "arguments": short("\n".join(a for _, _, a in calls))}
            turns.append(turn)
        elif role in ("system", "developer"):
            continue
        elif role == "tool":
            turns.append({"role": "tool", "text": short(text_of(content)), "tool": names.get(item.get("tool_call_id"), "")})
        elif role == "user":
            results = [b for b in content if b.get("type", "").endswith("tool_result")] if isinstance(content, list) else []
            for block in results:
                turn = {
                    "role": "tool",
                    "text": short(text_of(block.get("content"))),
                    "tool": names.get(block["tool_use_id"], ""),
                }
                turns.append(turn | ({"failed": True} if block.get("is_error") else {}))
            if not results or text_of(content).strip():
                turns.append({"role": "user", "text": short(text_of(content)), "media": media_of(content)})
        elif kind in ("function_call", "custom_tool_call", "tool_search_call", "apply_patch_call", "computer_call"):
            name = item.get("name") or kind.removesuffix("_call")
            names[item.get("call_id")] = name
            arguments = str(item.get("arguments") or item.get("operation") or "")
            if turns and turns[-1]["role"] == "assistant" and "calls" in turns[-1]:
                turns[-1]["calls"].append(name)
            else:
                turns.append({"role": "assistant", "calls": [name], "arguments": short(arguments)})
        elif kind.endswith("_output"):
            output = item.get("output")
            text = output if isinstance(output, str) else text_of(output) or json.dumps(output or item.get("tools"))
            turns.append({"role": "tool", "text": short(text), "tool": names.get(item.get("call_id"), "")})
    return turns


def answer_calls(body: str) -> bool:
    """The recorded answer calls a tool that the caller has to run."""
    tight = body.replace(" ", "").replace("\n", "")
    if '"tool_calls":null' in tight and '"tool_calls":[' not in tight:
        return False
    names = (
        '"type":"tool_use"',
        '"tool_calls":[',
        '"type":"function_call"',
        '"type":"custom_tool_call"',
        '"type":"apply_patch_call"',
    )
    return any(name in tight for name in (*names, '"type":"tool_search_call"', '"type":"computer_call"'))


def traffic(data: pathlib.Path, part: str) -> Iterator[Row]:
    seen: set[str] = set()
    number = -1
    phases, steps = LABELS["TRAFFIC"][part]
    for path in sorted((data / "provider_traffic").glob("*/*.json")):
        even = int(hashlib.sha256(path.parent.name.encode()).hexdigest(), 16) % 2 == 0
        if even is (part == "held_out"):
            continue
        for place, interaction in enumerate(json.loads(path.read_text())["interactions"]):
            request, response = interaction["request"], interaction["response"]
            if response["status"]["code"] != 200 or not (request["body"] or "").startswith("{"):
                continue
            body = json.loads(request["body"])
            if not body.get("tools") or not isinstance(body.get("messages") or body.get("input"), list):
                continue
            turns = turns_of(body)
            if (key := json.dumps(turns)) in seen or not turns:
                continue
            seen.add(key)
            number += 1
            what = steps.get(number) or step(turns[-1], False, answer_calls(response["body"]["string"]))
            label = (len(turns), PHASES[phases.get(number, "P")], what)
            name = f"{path.parent.name} {path.stem[:80]} [{place}]"
            yield {"id": name, "kind": "single requests", "turns": turns, "labels": [label], "number": number}


def main(data: pathlib.Path) -> None:
    for part in ("tuned_on", "held_out"):
        rows = itertools.chain(airline(data, part), sessions(data, part), traffic(data, part))
        with (HERE / f"{part}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
