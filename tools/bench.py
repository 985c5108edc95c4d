"""Cost of routing: time of a decision and of the import, memory; with PEERS=1 also decisions of other routers.

    make bench          PEERS=1 make bench

Compare the figures of one run with each other, not with those of another day.
"""

from __future__ import annotations

import gc
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

from bench_quality import learnt
from conversations import SIZES, conversation
from interleaved import verdict

from switchwise import Capabilities, Needs, Pool, Price, Reply, Router, Scope, Target, Turn, Usage, View, drive
from switchwise.adapting.views import Caller, ViewBuilder
from switchwise.reading import token_estimate as tokens
from switchwise.reading.message_signals import read_message
from switchwise.reading.reader import ConversationReader

HERE = Path(__file__).parent
POOL = Pool(
    [
        Target("opus", "anthropic", "claude-opus-5-5", Price(4, 20, 0.2, 5), Capabilities(1_000_000, 64_000, True, True)),
        Target("sol", "openai", "gpt-6.1-sol", Price(2, 10, 0.1, 2.5), Capabilities(1_050_000, 128_000, True, True)),
        Target("luna", "openai", "gpt-6-luna", Price(0.1, 0.5, 0.01, 0.125), Capabilities(1_050_000, 128_000, True, True)),
        Target(
            "haiku", "anthropic", "claude-haiku-5-5", Price(0.1, 0.5, 0.01, 0.125), Capabilities(200_000, 64_000, True, True)
        ),
    ]
)

TOOLS = ["search"]
CONTENT = attrgetter(*[field.name for field in fields(Turn)])


class Bench:
    """Decisions of the default chain over 4 targets at one length of the conversation.

    Parameters:
        size: messages that the thread has when a block begins.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.router = Router.default(POOL)
        self.builder: ViewBuilder[Turn, str] = ViewBuilder(lambda turn: turn, measure=len, identity=str, size=1)
        self.deciding: list[float] = []
        self.reading: list[float] = []
        self.learning: list[float] = []

    def block(self, session: str, steps: int = 40) -> None:
        """A thread seen before; then each step is one model call of an agent. Times in microseconds.

        A model is called when the last message is a tool result or a user's: the assistant's tool call and its result arrive together.
        The text of the new messages is read once more, alone (digest, tokens, signals): a decision counts without it.
        """
        begun = self.size - 1  # ends with a tool result
        turns = conversation(begun + 2 * steps)
        messages = turns[:begun]
        caller = Caller(session)
        self.builder.view(messages, caller, tools=TOOLS)
        for call, result in zip(turns[begun::2], turns[begun + 1 :: 2], strict=True):
            messages += call, result
            begin = time.perf_counter()
            view = self.builder.view(messages, caller, tools=TOOLS)
            run = self.router.start(view)
            decided = time.perf_counter()
            run.ended(Reply("done", usage=Usage(view.tokens, 100, max(0, view.tokens - 300), 300)))
            del run, view  # as at the end of a step; else the next decision would release them
            learnt = time.perf_counter()
            for turn in (call, result):
                hash(CONTENT(turn)), tokens.of(turn), read_message(turn)
            read = time.perf_counter() - learnt
            self.deciding.append((decided - begin) * 1e6)
            self.reading.append(read * 1e6)
            self.learning.append((learnt - decided) * 1e6)


def decisions(blocks: int = 40) -> None:
    """Time a decision at four lengths of the conversation, in turn, so that other load affects all alike."""
    print(f"Python {sys.version}")
    benches = [Bench(size) for size in SIZES]
    for number in range(blocks):
        for bench in benches:
            bench.block(f"s{number}")
    print(f"\nOne decision, default chain, {len(POOL)} targets, a thread seen before and one new tool result (microseconds)")
    print(
        f"{'messages':>10} {'median':>8} {'p95':>8} {'min':>8}   {'reading the new text':>20} {'learning from the answer':>26}"
    )
    medians = []
    for bench in benches:
        read, learnt = statistics.median(bench.reading), statistics.median(bench.learning)
        taken = sorted(each - read for each in bench.deciding)
        median, high, low = statistics.median(taken), taken[len(taken) * 95 // 100], taken[0]
        medians.append(median)
        print(f"{bench.size:>10,} {median:>8.1f} {high:>8.1f} {low:>8.1f}   {read:>20.1f} {learnt:>26.1f}")
    for bench, median in zip(benches[:-1], medians, strict=False):
        verdict(f"a decision at {bench.size:,} messages, without reading the new text", median, 50)
    verdict(f"the same at {SIZES[-1]:,} messages, over that at {SIZES[0]}", medians[-1] / medians[0], 1.3, "x", 2)


def peers() -> None:
    """Time decisions of other routers over the same conversations, each in its own environment."""
    print("\nDecisions of other routers on the same conversations (microseconds, median)")
    for name, packages in (
        ("switchyard", ["nemo-switchyard==0.3.0"]),
        ("litellm", ["litellm==1.106.2"]),
        ("langchain-router", ["langchain-router==0.1.4"]),
    ):
        asked = [f"--with={package}" for package in packages]
        uv = os.environ.get("UV", "uv")
        command = [uv, "run", "--quiet", "--no-project", "--isolated", *asked, "python", str(HERE / "bench_peers.py"), name]
        done = subprocess.run(command, check=False, text=True, capture_output=True, timeout=600)
        print(
            done.stdout.rstrip() if done.returncode == 0 else f"{name}: it did not run: {done.stderr.strip().splitlines()[-1]}"
        )


def imports(repeats: int = 7) -> None:
    """Compare the CPU time of `import switchwise` and `import pydantic`, in turn, both compiled as by an installer."""
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}

        def cpu(statement: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        rounds = [(cpu("pass"), cpu("import pydantic"), cpu("import switchwise")) for _ in range(repeats + 1)]
    bare, theirs, ours = (min(times) for times in zip(*rounds[1:], strict=True))
    print("\nImport, CPU time above a bare interpreter")
    verdict(
        f"import switchwise, {ours - bare:.3f} s, over import pydantic, {theirs - bare:.3f} s",
        (ours - bare) / (theirs - bare),
        1.5,
        "x",
        2,
    )


def memory(calls: int = 20_000, sessions: int = 2_000) -> None:
    """Resident memory before and after `calls` calls over `sessions` sessions."""
    router, threads, rng = Router.default(POOL), ConversationReader(lambda turn: turn, clock=time.monotonic), random.Random(1)

    def serve(count: int) -> None:
        for step in range(count):
            session = f"s{rng.randrange(sessions)}"
            reading = threads.read(session, conversation(rng.randrange(2, 40)))
            run = router.start(View(Scope(session, step=step), reading.tokens, Needs(tools=True), reading.signals))
            for _ in drive(run, lambda call: iter([Reply("done", usage=Usage(call.view.tokens, 100))])):
                pass

    serve(calls)  # fills every bounded table once
    before = resident()
    serve(calls)
    after = resident()
    print(
        f"\nMemory: {before:.1f} MB resident after {calls:,} calls over {sessions:,} sessions, {after:.1f} MB after as many again"
    )


def resident() -> float:
    """Resident memory of this process in MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def adapters() -> None:
    """Time that the adapters add to the native models' calls."""
    for script in ("bench_langchain.py", "bench_llamaindex.py", "bench_clients.py"):
        sys.stdout.flush()
        subprocess.run([sys.executable, str(HERE / script)], check=True)


def main(parts: list[Callable[[], None]]) -> None:
    """Run the parts in order."""
    for part in parts:
        part()


if __name__ == "__main__":
    main([decisions, *([peers] if os.environ.get("PEERS") else []), learnt, imports, memory, adapters])
