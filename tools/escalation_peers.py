"""When a run moves to the stronger model: `Escalate`, NeMo Switchyard's stage router and langchain-router on the same recorded steps.

    UV=.tools/bin/uv .venv/bin/python tools/escalation_peers.py [../shared/data]

The peers run as they are published, each in an environment of its own, and are shown every run message by message. What counts is the first
step after which their next call goes to the stronger model; a user's turn, which both send there or not by other rules, does not count. Of runs
that are recorded as numbers the messages are made from these: the kind of command, its return code, whether a traceback or words of error
stood in its output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from switchwise.evaluation.outcomes.runs import RecordedRun

HERE = Path(__file__).parent
PEERS = {"switchyard": "nemo-switchyard==0.3.0", "langchain-router": "langchain-router==0.1.4"}
COMMANDS = {
    "read": ("read_file", "cat setup.py"),
    "search": ("grep", "grep -rn name ."),
    "edit": ("edit_file", "sed -i s/a/b/ module.py"),
}


def main(data: Path, samples: int = 300) -> None:
    """Print the tables."""
    from switchwise.evaluation.outcomes.runs import read_runs
    from switchwise.evaluation.trials.escalation import escalations, text

    for path in (data / "agent_outcomes" / "miniswe_gemini3pro.jsonl.gz", data / "airline_conversations"):
        for name, runs in read_runs(path).items():
            transcripts = list(_transcripts(path) if runs[0].talk else _made(path))
            steps = {peer: _decisions(peer, package, transcripts) for peer, package in PEERS.items()}
            names = [run.name for run in runs]
            rules = {peer: _looked_up(dict(zip(names, found, strict=True))) for peer, found in steps.items()}
            print(text([escalations(name, runs, samples, more=rules)]), end="\n\n", flush=True)


def _looked_up(found: Mapping[str, int | None]) -> Callable[[Any, RecordedRun], int | None]:
    return lambda _, run: found[run.name]


def _transcripts(path: Path) -> Iterator[list[dict[str, Any]]]:
    from switchwise.evaluation.outcomes.read import files_of, rows_of

    for file in files_of(path):
        for row in rows_of(file, strict=False):
            yield row.get("traj") or row["messages"]


def _made(path: Path) -> Iterator[list[dict[str, Any]]]:
    from switchwise.evaluation.outcomes.read import rows_of

    sessions: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(path, strict=True):
        sessions.setdefault(str(row["session"]), []).append(row)
    for rows in sessions.values():
        messages: list[dict[str, Any]] = [{"role": "user", "content": "Please fix the issue that is described in ISSUE.md."}]
        for at, row in enumerate(rows):
            name, command = COMMANDS.get(row["kind"], ("bash", "python script.py"))
            if row["test"]:
                name, command = "bash", "python -m pytest"
            call = {
                "id": f"c{at}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps({"command": f"{command} # {at - row['repeat']}"})},
            }
            code = row["returncode"]
            said = "Traceback (most recent call last):\n  File 'x.py', line 1\n" * row["tb"] + "error " * min(
                row["err_words"], 3
            )
            head = "" if code is None else f"<returncode>{code}</returncode>\n"
            output = f"{head}<output>\n{said}{'The command timed out.' * row['timeout']}\nline {at}\n</output>"
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": call["id"], "name": name, "content": output},
            ]
        yield messages


def _decisions(peer: str, package: str, transcripts: list[list[dict[str, Any]]]) -> list[int | None]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(transcripts, file)
        file.flush()
        command = [os.environ.get("UV", "uv"), "run", "--quiet", "--no-project", "--isolated", f"--with={package}"]
        done = subprocess.run(
            [*command, "python", __file__, "--peer", peer, file.name], check=False, text=True, capture_output=True, timeout=900
        )
    if done.returncode:
        raise SystemExit(f"{peer}: it did not run ({done.returncode}): {done.stderr.strip()[-300:]}")
    found: list[int | None] = json.loads(done.stdout)
    return found


def decide(peer: str, path: str) -> None:
    """In the peer's environment: the first step of each run after which it takes the stronger model, as JSON."""
    strong, shaped = {"switchyard": _switchyard, "langchain-router": _langchain_router}[peer]()
    found: list[int | None] = []
    for messages in json.loads(Path(path).read_text()):
        shown: list[Any] = []
        step, first, waiting = 0, None, False
        for at, message in enumerate(messages):
            if message["role"] == "assistant" and waiting and shown and messages[at - 1]["role"] == "tool":
                step += 1
                if strong(shown):
                    first = step
                    break
            waiting = waiting or bool(message.get("tool_calls"))
            shown.append(shaped(message))
        found.append(first)
    print(json.dumps(found))


def _switchyard() -> tuple[Callable[[list[Any]], bool], Callable[[dict[str, Any]], Any]]:
    import asyncio

    from switchyard.libsy import Step
    from switchyard.libsy.algorithms import stage_router

    algorithm = stage_router(picker="efficient_first", confidence_threshold=0.5)
    models = {"efficient": ["fast"], "capable": ["strong"], "any": ["strong", "fast"]}
    loop = asyncio.new_event_loop()

    async def chosen(messages: list[Any]) -> str:
        async for step in algorithm.run_stream({"model": "auto", "messages": messages}, models):
            if isinstance(step, Step.Done):
                return str(step.outcome.selected_model_ids[0])
        raise SystemExit("it asked for a model call")

    def shaped(message: dict[str, Any]) -> Any:
        text = {"type": "text", "text": message.get("content") or ""}
        if message["role"] == "tool":
            content: list[Any] = [{"type": "tool_result", "tool_call_id": message["tool_call_id"], "content": [text]}]
        else:
            content = [text] if text["text"] else []
            for call in message.get("tool_calls") or ():
                own = call["function"]
                arguments = json.loads(own["arguments"] or "{}")
                content.append({"type": "tool_call", "id": call["id"], "name": own["name"], "arguments": arguments})
        return {"role": message["role"], "content": content}

    return lambda messages: loop.run_until_complete(chosen(messages)) == "strong", shaped


def _langchain_router() -> tuple[Callable[[list[Any]], bool], Callable[[dict[str, Any]], Any]]:
    from types import SimpleNamespace

    from langchain_core.language_models import FakeListChatModel
    from langchain_core.messages import convert_to_messages
    from langchain_router import RouterMiddleware

    middleware = RouterMiddleware(fast=FakeListChatModel(responses=["x"]))

    def strong(messages: list[Any]) -> bool:
        request = SimpleNamespace(messages=messages, model=None)
        request.override = lambda **changes: SimpleNamespace(**{**vars(request), **changes})
        return middleware.wrap_model_call(request, lambda chosen: chosen).model is None  # type: ignore[arg-type, return-value]

    return strong, lambda message: convert_to_messages([message])[0]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peer"]:
        decide(*sys.argv[2:4])
    else:
        main(Path(sys.argv[1] if sys.argv[1:] else "../shared/data"))
