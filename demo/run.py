"""`make demo`: a simulated exchange, the market maker trading on it and the live daemon showing it, as three processes.

Prints the page's address once all are healthy, then follows their logs; Ctrl-C ends all three. Everything they write is
in `.demo/`.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
HOME = ROOT / ".demo"
PORT = 8081
START_WITHIN_S = 30.0
STOP_WITHIN_S = 4.0
LOGS = ("exchange", "market-maker", "live")

EXCHANGE_BLOCK = """\
[exchange]
name = "{venue}"

[{venue}]
api_key = "{api_key}"
secret_key = "{secret_key}"
rest_url = "{rest}"
ws_url = "{ws}"
"""

MARKET_MAKER = """
[trading]
symbol = "{symbol}"
price_interval = 2
order_quantity = 300

[state]
journal = "mm.sqlite"
"""

LIVE = """
[trading]
symbol = "{symbol}"

[server]
port = {port}
"""


class Stopped(Exception):
    """One of the processes ended by itself, or did not become healthy."""


def main() -> int:
    """Start everything, follow it until Ctrl-C, end everything; return the exit status."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    status = 0
    with contextlib.ExitStack() as stack:
        try:
            run(stack)
        except KeyboardInterrupt:
            print("\nending", flush=True)
        except Stopped as stopped:
            print(stopped, file=sys.stderr)
            status = 1
        # A second Ctrl-C during the clean-up would leave processes behind; each one's end is bounded instead.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def run(stack: contextlib.ExitStack) -> None:
    """Start the three in order and follow them until one ends or Ctrl-C comes."""
    processes = {"exchange": start_exchange(stack)}
    port = free_port()
    facts = json.loads((HOME / "exchange.json").read_text())
    facts["symbol"] = facts["symbols"][0]
    block = EXCHANGE_BLOCK.format(**facts)
    (HOME / "market_maker.toml").write_text(block + MARKET_MAKER.format(**facts))
    (HOME / "live_server.toml").write_text(block + LIVE.format(**facts, port=port))
    for name, program, settings in (
        ("market-maker", "opensqt-mm", "market_maker.toml"),
        ("live", "opensqt-live", "live_server.toml"),
    ):
        processes[name] = stack.enter_context(child(name, program, "run", "--config", settings))
    page = f"http://127.0.0.1:{port}/"
    wait("the market maker", processes, (HOME / "mm.sqlite.sock").exists)
    wait("the live daemon", processes, lambda: answers(page + "health"))
    print(f"trading; the page is at {page} (the ladder in a terminal: make status; the end: Ctrl-C)", flush=True)
    for name in LOGS:
        threading.Thread(target=follow, args=(name,), daemon=True).start()
    while all(process.poll() is None for process in processes.values()):
        time.sleep(0.2)
    raise Stopped(f"{ended(processes)} ended by itself; its log is in .demo/")


def start_exchange(stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    """Start the simulated exchange and keep its first line, which says how to reach it."""
    arguments = ("opensqt-sim", "serve", "--venue", "binance", "--symbol", "ETHUSDT", "--seed", "1")
    exchange = stack.enter_context(child("exchange", *arguments, stdout=subprocess.PIPE))
    if exchange.stdout is None:
        raise AssertionError("the exchange was started with a pipe")
    line = exchange.stdout.readline()
    if not line:
        raise Stopped(f"the simulated exchange did not start:\n{(HOME / 'exchange.log').read_text()}")
    (HOME / "exchange.json").write_bytes(line)
    return exchange


@contextlib.contextmanager
def child(name: str, *arguments: str, stdout: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the demo with its log in `.demo/NAME.log`; it is ended when the block is left.

    It has a process group of its own, so that Ctrl-C reaches it once and in order: through us.
    """
    with (HOME / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(BIN / arguments[0]), *arguments[1:]],
            cwd=HOME,
            stdout=stdout if stdout is not None else log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and insist if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def wait(what: str, processes: dict[str, subprocess.Popen[bytes]], healthy: Callable[[], bool]) -> None:
    """Return when `healthy` says so. Raises `Stopped` when a process ends first or time runs out."""
    deadline = time.monotonic() + START_WITHIN_S
    while not healthy():
        name = ended(processes)
        if name is not None:
            raise Stopped(f"{name} did not start:\n{(HOME / f'{name}.log').read_text()}")
        if time.monotonic() > deadline:
            raise Stopped(f"{what} was not healthy within {START_WITHIN_S:g} s; the logs are in .demo/")
        time.sleep(0.1)


def ended(processes: dict[str, subprocess.Popen[bytes]]) -> str | None:
    """Return the name of a process that has ended, if any has."""
    return next((name for name, process in processes.items() if process.poll() is not None), None)


def answers(url: str) -> bool:
    """Whether an address answers with a success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own address
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """Return the usual port, or any free one if somebody has it."""
    for port in (PORT, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            address: tuple[Any, int] = probe.getsockname()
            return address[1]
    raise Stopped("no free port on 127.0.0.1")


def follow(name: str) -> None:
    """Copy a growing log to standard output, each line with the process's name."""
    with (HOME / f"{name}.log").open() as log:
        while True:
            line = log.readline()
            if line:
                print(f"{name:<12} | {line.rstrip()}", flush=True)
            else:
                time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
