"""The command `switchwise-loopback`: the provider in a separate process.

Exit status: 0 stopped by Ctrl-C or SIGTERM; 2 wrong arguments; 1 the port is taken. With `-- command`: that of the command.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .nouns.types import Seen
from .provider import LoopbackProvider
from .serving.faults import Fault

KEY = "local"
_MODELS = ("gpt-6-luna", "claude-haiku-5-5")
_EXAMPLES = """\
examples:
  switchwise-loopback                                        print the variables, serve until Ctrl-C
  switchwise-loopback -- python my_agent.py                  run a program against it, then stop
  switchwise-loopback --latency 0.4 --latency gpt-6-luna=0.1 slow models
  switchwise-loopback --fault rate_limit:model=gpt-6-luna,times=3,retry_after=2
  switchwise-loopback --fault overloaded:provider=anthropic  an outage

faults:
"""


def main(arguments: Sequence[str] | None = None, prog: str = "switchwise-loopback") -> int:
    """Serve until Ctrl-C or SIGTERM, or while a given command runs; return the exit status.

    Parameters:
        arguments: those of the command line; None: of this process.
        prog: the name that the help shows.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    command = given[cut + 1 :]
    options = _parser(prog).parse_args(given[:cut])
    provider = LoopbackProvider(
        seed=options.seed,
        models=options.model or None,
        windows=dict(options.window),
        latency=dict(options.latency),
        batch_time=dict(options.batch_time),
        strict=options.strict,
        chunk_tokens=options.chunk_tokens,
        port=options.port,
        keep=0,
        observe=None if options.quiet else _log,
    )
    for fault in options.fault:
        provider.inject(fault.fault, **fault.limits)
    try:
        provider.start()
    except OSError as error:
        sys.stderr.write(f"{prog}: --port {options.port}: {error.strerror or error}: choose another, or 0 for a free one\n")
        return 1
    try:
        return _run(command, environment(provider)) if command else _serve(provider, options)
    finally:
        provider.stop()


def environment(provider: LoopbackProvider) -> dict[str, str]:
    """Environment variables that point the SDKs of OpenAI and Anthropic, and frameworks, to a running provider."""
    return {
        "OPENAI_BASE_URL": provider.openai_url,
        "OPENAI_API_BASE": provider.openai_url,  # what LlamaIndex reads
        "ANTHROPIC_BASE_URL": provider.anthropic_url,
        "OPENAI_API_KEY": KEY,
        "ANTHROPIC_API_KEY": KEY,
    }


def _serve(provider: LoopbackProvider, options: argparse.Namespace) -> int:
    variables = environment(provider)
    if options.json:
        sys.stdout.write(json.dumps({"environment": variables, "models": options.model or None}) + "\n")
    else:
        sys.stdout.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        models = ", ".join(options.model) if options.model else f"any, such as {' and '.join(_MODELS)}"
        sys.stdout.write(f"# Paste these lines into the shell of your program. Models: {models}. Stop with Ctrl-C.\n")
    sys.stdout.flush()
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env={**os.environ, **variables})  # noqa: S603  the user's own command
    except OSError as error:
        sys.stderr.write(f"switchwise-loopback: {shlex.join(command)}: {error.strerror or error}\n")
        return 127
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                status = child.wait()
                return status if status >= 0 else 128 - status
            except KeyboardInterrupt:  # the child had it too, from the same terminal: it decides when it ends
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _log(seen: Seen) -> None:
    """Log one line per request to standard error."""
    usage = seen.usage
    tokens = f" {usage.input_tokens} in ({usage.cache_read} cached), {usage.output_tokens} out" if usage else ""
    what = f" {seen.fault or seen.error}" if seen.fault or seen.error else ""
    sys.stderr.write(f"{seen.provider} {seen.api} {seen.model or '-'} {seen.status or 'reset'}{tokens}{what}\n")


# -- arguments ---------------------------------------------------------------------------------------------------------


def _parser(prog: str) -> argparse.ArgumentParser:
    faults = textwrap.fill(", ".join(fault.value for fault in Fault), 100, initial_indent="  ", subsequent_indent="  ")
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} [options] [-- command ...]",
        description="A model provider on 127.0.0.1 that the SDKs of OpenAI and Anthropic take for the real one. No key, no cost.",
        epilog=_EXAMPLES + faults,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_whole("a port", 0, 65_535), default=0, help="where to listen (0: a free port)")
    add(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="a model that exists, repeatable; others get 404 (all exist)",
    )
    add(
        "--latency",
        action="append",
        type=_latency,
        default=[],
        metavar="[MODEL=]SECONDS",
        help="time before a response begins; repeatable",
    )
    add(
        "--batch-time",
        action="append",
        type=_batch_time,
        default=[],
        metavar="[MODEL=]SECONDS",
        help="time that a batch takes, 86400 or more: it expires; repeatable",
    )
    add("--window", action="append", type=_window, default=[], metavar="MODEL=TOKENS", help="context window; repeatable")
    add("--fault", action="append", type=_fault, default=[], metavar="NAME[:KEY=VALUE,...]", help=_FAULT_HELP)
    add("--seed", type=int, default=0, help="varies ids and free texts (0)")
    add("--chunk-tokens", type=_whole("tokens", 1, 10_000), default=4, metavar="N", help="tokens in a piece of a stream (4)")
    add("--no-strict", dest="strict", action="store_false", help="take requests that the real APIs refuse")
    add("--quiet", action="store_true", help="no line per request on the error stream")
    add("--json", action="store_true", help="print the variables as one JSON object")
    return parser


_FAULT_HELP = (
    "let requests fail; repeatable. Keys: model, provider (openai or anthropic), times (without it: for ever), "
    "retry_after and seconds, after (pieces of a stream that pass first)"
)


@dataclass(frozen=True)
class _Given:
    """A fault as given on the command line: what `LoopbackProvider.inject` takes."""

    fault: Fault
    limits: Mapping[str, Any]


def _latency(word: str) -> tuple[str, float]:
    model, _, seconds = word.rpartition("=")
    return model or "*", _seconds(word, seconds)


def _batch_time(word: str) -> tuple[str, float]:
    model, _, seconds = word.rpartition("=")
    return model or "*", _seconds(word, seconds, 1_000_000)


def _seconds(word: str, given: str, most: int = 3600) -> float:
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"{word!r}: give seconds from 0 to {most}, such as 0.4")
    return value


def _window(word: str) -> tuple[str, int]:
    model, equals, tokens = word.rpartition("=")
    if not (model and equals and tokens.isdecimal() and int(tokens)):
        raise argparse.ArgumentTypeError(f"{word!r}: give a model and its tokens, such as gpt-6-luna=128000")
    return model, int(tokens)


def _whole(what: str, least: int, most: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not (word.isdecimal() and least <= int(word) <= most):
            raise argparse.ArgumentTypeError(f"{word!r}: give {what} from {least} to {most}")
        return int(word)

    return read


def _fault(word: str) -> _Given:
    name, _, rest = word.partition(":")
    try:
        fault = Fault(name.lower())
    except ValueError:
        near = difflib.get_close_matches(name.lower(), [each.value for each in Fault], 1)
        hint = f"; did you mean {near[0]}?" if near else ";"
        raise argparse.ArgumentTypeError(f"{name!r} is not a fault{hint} --help lists them") from None
    limits: dict[str, Any] = {"times": None}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in _KEYS:
            raise argparse.ArgumentTypeError(f"{part!r} in {word!r}: give KEY=VALUE with a key of {', '.join(_KEYS)}")
        limits[key] = _KEYS[key](value)
    return _Given(fault, limits)


def _provider(word: str) -> str:
    if word not in ("openai", "anthropic"):
        raise argparse.ArgumentTypeError(f"provider={word}: give openai or anthropic")
    return word


_KEYS: Mapping[str, Callable[[str], Any]] = {
    "model": str,
    "provider": _provider,
    "times": _whole("times", 1, 10**9),
    "retry_after": lambda word: _seconds(f"retry_after={word}", word),
    "seconds": lambda word: _seconds(f"seconds={word}", word),
    "after": _whole("pieces", 0, 10**9),
}
