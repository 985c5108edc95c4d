"""Other people's tests, unmodified, bare and through switchwise: `make peers`, `make peers SUITES=anthropic`.

LangChain's tests are in its source distributions, with the recordings that they replay: only the download uses the
network, and no key is needed. LlamaIndex's tests are only in its repository; see docs/design/peers.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from environment import BUILD, HERE, PYTHON, checked_out, environment, published, version, version_of_tests
from explained import EXPLAINED
from suites import LLAMA_INDEX, SUITES, Suite
from verdict import Outcomes, Verdict, compare, table

PLAIN = (
    "-q",
    "-o",
    "addopts=",
    "-p",
    "no:cacheprovider",
    "-p",
    "outcomes",
    "-c",
    "pyproject.toml",
    "--rootdir=.",
    "--tb=short",
)
OFFLINE = ("--block-network", "--allowed-hosts=127.0.0.1,localhost,::1")
HOW = """\
LlamaIndex's tests are not here, so they did not run. They are published in its repository alone:
    git clone --depth 1 --filter=blob:none --sparse --branch v{version} https://github.com/run-llama/llama_index {folder}
    git -C {folder} sparse-checkout set llama-index-core/tests"""


def main(words: list[str]) -> int:
    """Run the suites whose name or package holds one of the words, all without any; 1 where a difference is unexplained."""
    chosen = [
        suite for suite in SUITES if not words or any(word.lower() in f"{suite.package} {suite.name}".lower() for word in words)
    ]
    environment()
    verdicts: list[Verdict] = []
    remarks: list[str] = []
    for suite in chosen:
        folder = checked_out(os.environ.get("LLAMA_INDEX", "")) if suite.package == LLAMA_INDEX else published(suite.package)
        if folder is None:
            continue
        runs = [run(suite, folder, plugins) for plugins in ((), (suite.plugin,))]
        verdicts.append(compare(suite, runs[0], runs[1], EXPLAINED.get(suite.name, ())))
    if any(suite.package == LLAMA_INDEX for suite in chosen):
        remarks = about_llama_index(any(each.suite.package == LLAMA_INDEX for each in verdicts))
    print("\n".join(["", table(verdicts), *remarks]))
    return int(any(each.problems for each in verdicts))


def run(suite: Suite, folder: Path, plugins: tuple[str, ...]) -> Outcomes:
    """Run one suite; return the outcome of each test.

    Raises:
        SystemExit: pytest did not finish; its output is shown.
    """
    label = "through" if plugins else "bare"
    name = re.sub(r"\W+", "-", f"{suite.package} {suite.name} {label}".lower())
    outcomes, log = BUILD / "results" / f"{name}.json", BUILD / "results" / f"{name}.txt"
    outcomes.parent.mkdir(exist_ok=True)
    outcomes.unlink(missing_ok=True)
    command = [str(PYTHON), "-m", "pytest", *PLAIN, *OFFLINE]
    command += [word for plugin in plugins for word in ("-p", plugin)] + [*suite.options, *suite.tests]
    print(f"{suite.package}: {suite.name}, {label} ...", flush=True)
    with log.open("w") as out:
        code = subprocess.run(command, check=False, cwd=folder, env=bare_environment(suite, outcomes), stdout=out, stderr=out)
    if code.returncode not in (0, 1) or not outcomes.exists():  # 1: tests failed, which is for the comparison to judge
        sys.exit(
            f"{log.read_text()[-4000:]}\n{suite.name}, {label}: pytest did not get to the end ({code.returncode}); see {log}"
        )
    found: Outcomes = json.loads(outcomes.read_text())
    return found


def bare_environment(suite: Suite, outcomes: Path) -> dict[str, str]:
    """The environment without the user's keys and endpoints: no test may reach a provider in their name."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.search(r"_API_KEY$|_BASE_URL$|_API_BASE$|^LANGSMITH_|^PYTEST_", name)
    }
    keys = {"OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"} if suite.replays else {}
    return {**kept, **keys, "PEERS_OUTCOMES": str(outcomes), "PYTHONPATH": str(HERE / "plugins")}


def about_llama_index(ran: bool) -> list[str]:
    """Remarks on LlamaIndex's tests: how to get them if they are missing, or a difference of versions."""
    core = version(LLAMA_INDEX)
    if not ran:
        return [HOW.format(version=core, folder=BUILD / "llama_index")]
    tests = version_of_tests()
    return (
        []
        if tests == core
        else [f"note: the tests are LlamaIndex {tests}'s, the core is {core}: the bare run fails where they differ"]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
