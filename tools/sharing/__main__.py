"""Trials of shared state: a budget of $1.00 or a rate, through the real router and clients against the loopback provider.

    python tools/sharing [--store redis|valkey|sqlite] [--unit usd|requests|tokens] [--kill | --replace] [--restart empty|kept] [--processes 8] [--threads 4]

--kill: one process is killed with -9 half-way; --replace: all are, and as many new ones begin. --restart: the server is killed and started again then, with nothing kept or with an
append-only file. A third of the requests fail. Exits with 1 if more than the limit was used, by the provider's own count, in all or in any
window; or if less than 97 % of a budget was billed.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from servers import Server
from trial import CLEAN, run


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="several processes, one budget")
    parser.add_argument("--store", choices=["redis", "valkey", "sqlite"], default="redis")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--replace", action="store_true")
    parser.add_argument("--restart", choices=["empty", "kept"])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--unit", choices=["usd", "requests", "tokens"], default="usd")
    parser.add_argument("--limit", type=float, help="USD (1), requests (300) or tokens (30,000) in a window")
    parser.add_argument("--window", type=float, default=10.0, help="of a rate, in seconds")
    parser.add_argument("--seconds", type=float, help="120 at most for a budget; how long a rate is tried (4 windows)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.limit = options.limit or {"usd": 1.0, "requests": 300.0, "tokens": 30_000.0}[options.unit]
    options.seconds = options.seconds or (120.0 if options.unit == "usd" else 4 * options.window)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = None if options.store == "sqlite" else Server(f"{options.store}-server", folder, options.restart == "kept")
        if server is not None:
            server.start()
        try:
            return _run(options, folder, server)
        finally:
            if server is not None:
                server.kill()


def _run(options: argparse.Namespace, folder: Path, server: Server | None) -> int:
    def half_way(processes: list[subprocess.Popen[bytes]]) -> None:
        if options.replace:
            for process in processes:
                process.send_signal(signal.SIGKILL)
        elif options.kill:
            processes[len(processes) // 2].send_signal(signal.SIGKILL)
        if options.restart and server is not None:
            server.kill()
            server.start()

    result = run(
        server.url if server is not None else str(folder / "leases.db"),
        folder,
        limit=options.limit,
        processes=options.processes,
        threads=options.threads,
        seed=options.seed,
        half_way=half_way if options.kill or options.replace or options.restart else None,
        later=options.processes if options.replace else 0,
        faults=CLEAN,
        unit=options.unit,
        window=0.0 if options.unit == "usd" else options.window,
        seconds=options.seconds,
    )
    if options.unit != "usd":
        tokens = options.unit == "tokens"
        most = result.most(options.window, tokens)
        print(
            f"{options.store}: at most {most:,} of {options.limit:,.0f} {options.unit} in any {options.window:g} s, "
            f"{result.share(options.limit, options.window, tokens):.0%} used in {result.seconds:.0f} s; {len(result.moments)} requests, "
            f"{result.failed} failed; processes ended with {sorted(result.codes)}"
        )
        return 0 if most <= options.limit else 1
    print(
        f"{options.store}: billed ${result.billed:.4f} of ${options.limit:.2f} by {result.calls} calls, {result.failed} requests failed, "
        f"{result.seconds:.0f} s; processes ended with {sorted(result.codes)}"
    )
    return 0 if 0.97 * options.limit <= result.billed <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
