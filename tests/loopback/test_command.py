"""`switchwise-loopback` in a process of its own, called by the official SDKs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

from switchwise_loopback.command import main

COMMAND = [sys.executable, "-m", "switchwise_loopback"]
ASK = """
import openai
client = openai.OpenAI(max_retries=0)
print(client.chat.completions.create(model="gpt-6-luna", messages=[{"role": "user", "content": "Hi"}]).choices[0].message.content)
"""


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    process = subprocess.Popen(
        [*COMMAND, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["environment"]
    finally:
        process.kill()
        process.communicate()


def ask_openai(variables: dict[str, str], model: str = "gpt-6-luna") -> Any:
    client = openai.OpenAI(base_url=variables["OPENAI_BASE_URL"], api_key=variables["OPENAI_API_KEY"], max_retries=0)
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])


def ask_anthropic(variables: dict[str, str], model: str = "claude-haiku-5-5") -> Any:
    client = anthropic.Anthropic(
        base_url=variables["ANTHROPIC_BASE_URL"], api_key=variables["ANTHROPIC_API_KEY"], max_retries=0
    )
    return client.messages.create(model=model, max_tokens=20, messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_both_providers_until_it_is_asked_to_stop(stop: signal.Signals) -> None:
    with running() as (process, variables):
        assert "Hi" in ask_openai(variables).choices[0].message.content
        assert "Hi" in ask_anthropic(variables).content[0].text
        process.send_signal(stop)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "")
    assert [line.split()[:4] for line in err.splitlines()] == [
        ["openai", "chat", "gpt-6-luna", "200"],
        ["anthropic", "messages", "claude-haiku-5-5", "200"],
    ]


def test_it_prints_lines_that_a_shell_takes() -> None:
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        shell = subprocess.run(
            ["sh", "-c", "".join(lines) + 'echo "$OPENAI_BASE_URL $ANTHROPIC_BASE_URL $OPENAI_API_KEY $ANTHROPIC_API_KEY"'],
            capture_output=True,
            text=True,
            check=True,
        )
        openai_url, anthropic_url, *keys = shell.stdout.split()
        assert keys == ["local", "local"]
        assert openai_url == f"{anthropic_url}/v1"
        assert "Hi" in ask_openai({"OPENAI_BASE_URL": openai_url, "OPENAI_API_KEY": "local"}).choices[0].message.content
    finally:
        process.kill()
        process.communicate()


def test_models_and_faults_are_options() -> None:
    options = ["--model", "gpt-6-luna", "--model", "claude-haiku-5-5"]
    faults = ["--fault", "rate_limit:model=gpt-6-luna,times=1,retry_after=2", "--fault", "overloaded:provider=anthropic"]
    with running(*options, *faults) as (_, variables):
        with pytest.raises(openai.RateLimitError) as limited:
            ask_openai(variables)
        assert limited.value.response.headers["retry-after"] == "2"
        assert ask_openai(variables).model == "gpt-6-luna"
        with pytest.raises(openai.NotFoundError):
            ask_openai(variables, "gpt-6-sol")
        for _ in range(2):  # without `times` it does not end
            with pytest.raises(anthropic.APIStatusError) as overloaded:
                ask_anthropic(variables)
            assert overloaded.value.status_code == 529


def test_latency_is_for_all_models_or_for_one() -> None:
    with running("--latency", "0.3", "--latency", "gpt-6-luna=0") as (_, variables):
        ask_openai(variables)  # the first call of a client pays for the connection
        before = time.perf_counter()
        ask_openai(variables, "gpt-6-sol")
        assert time.perf_counter() - before >= 0.3
        fastest = min(_timed(lambda: ask_openai(variables)) for _ in range(5))
        assert fastest < 0.3


def _timed(call: Any) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def test_a_seed_gives_the_same_ids_again() -> None:
    def first(seed: str) -> str:
        with running("--seed", seed) as (_, variables):
            return ask_openai(variables).id

    one, other = first("1"), first("2")
    assert one == first("1")
    assert one != other


def test_a_program_runs_against_it_and_gives_the_exit_status() -> None:
    program = [sys.executable, "-c", f"{ASK}\nraise SystemExit(7)"]
    done = subprocess.run([*COMMAND, "--quiet", "--", *program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.startswith("You said: Hi")


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run([*COMMAND, "--", "no-such-program"], capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "no-such-program: No such file" in done.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"--port {port}: Address already in use: choose another, or 0 for a free one" in done.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--fault", "ratelimit"], "'ratelimit' is not a fault; did you mean rate_limit?"),
        (["--fault", "quota:who=me"], "'who=me' in 'quota:who=me': give KEY=VALUE with a key of model, provider, times"),
        (["--fault", "quota:times=0"], "'0': give times from 1 to"),
        (["--fault", "quota:provider=mistral"], "provider=mistral: give openai or anthropic"),
        (["--fault", "stall:seconds=soon"], "'seconds=soon': give seconds from 0 to 3600"),
        (["--latency", "fast"], "'fast': give seconds from 0 to 3600, such as 0.4"),
        (["--window", "gpt-6-luna"], "'gpt-6-luna': give a model and its tokens, such as gpt-6-luna=128000"),
        (["--port", "70000"], "'70000': give a port from 0 to 65535"),
    ],
)
def test_an_option_that_will_not_do_is_refused_with_the_remedy(
    options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(options)
    assert done.value.code == 2
    assert expected in capsys.readouterr().err


def test_faults_windows_and_latencies_reach_the_program_that_is_run(capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--window", "gpt-6-luna=20", "--latency", "0", "--fault", "quota:provider=openai,times=1,after=1"]
    program = "import json, os, urllib.error, urllib.request\n" + textwrap.dedent("""
        def ask(words):
            body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": words}]}
            url, headers = os.environ["OPENAI_BASE_URL"] + "/chat/completions", {"Authorization": "Bearer local"}
            try:
                urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
                return "fine"
            except urllib.error.HTTPError as error:
                return json.load(error)["error"]["code"]
        print(ask("Hi"), ask("word " * 99), ask("Hi"))
    """)
    assert main([*options, "--", sys.executable, "-S", "-c", program]) == 0
    said = capfd.readouterr()
    assert said.out.split() == ["insufficient_quota", "context_length_exceeded", "fine"]
    assert said.err.splitlines()[0] == "openai chat gpt-6-luna 429 QUOTA"
