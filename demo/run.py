"""`make demo`: a simulated exchange and the market maker trading on it, as two processes with their logs followed.

Ctrl-C ends both. Everything it writes is in `.demo/`.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
HOME = ROOT / ".demo"
START_WITHIN_S = 30.0
STOP_WITHIN_S = 4.0

SETTINGS = """\
[exchange]
name = "{venue}"

[{venue}]
api_key = "{api_key}"
secret_key = "{secret_key}"
rest_url = "{rest}"
ws_url = "{ws}"

[trading]
symbol = "{symbol}"
price_interval = 2
order_quantity = 300

[state]
journal = "mm.sqlite"
"""


def main() -> int:
    """Start everything, show the status table until Ctrl-C, end everything; return the exit status."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
        venue = start_venue(stack)
        market_maker = stack.enter_context(child("market-maker", "opensqt-mm", "run", "--config", "market_maker.toml"))
        wait_for_status(market_maker)
        show(venue, market_maker)
    print("demo ended; its logs and journal are in .demo/", flush=True)
    return 0


def start_venue(stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    """Start the simulated exchange and write the market maker's settings for it."""
    arguments = ("opensqt-sim", "serve", "--venue", "binance", "--symbol", "ETHUSDT", "--seed", "1")
    venue = stack.enter_context(child("exchange", *arguments, stdout=subprocess.PIPE))
    if venue.stdout is None:
        raise AssertionError("the exchange was started with a pipe")
    line = venue.stdout.readline()
    if not line:
        raise SystemExit(f"the simulated exchange did not start:\n{(HOME / 'exchange.log').read_text()}")
    facts = json.loads(line)
    settings = SETTINGS.format(symbol=facts["symbols"][0], **{key: facts[key] for key in facts if key != "symbols"})
    (HOME / "market_maker.toml").write_text(settings)
    return venue


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


def wait_for_status(market_maker: subprocess.Popen[bytes]) -> None:
    """Return when the market maker answers."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if market_maker.poll() is not None:
            raise SystemExit(f"the market maker did not start:\n{(HOME / 'market-maker.log').read_text()}")
        if (HOME / "mm.sqlite.sock").exists():
            return
        time.sleep(0.1)
    raise SystemExit("the market maker did not answer in time; see .demo/market-maker.log")


def show(venue: subprocess.Popen[bytes], market_maker: subprocess.Popen[bytes]) -> None:
    """Show the moving status table on a terminal, or follow the market maker's log elsewhere, until something ends."""
    if sys.stdout.isatty():
        command = [str(BIN / "opensqt-mm"), "status", "--watch", "--config", "market_maker.toml"]
        table = subprocess.Popen(command, cwd=HOME)
        try:
            table.wait()
        finally:
            end(table)
        return
    print("trading on a simulated exchange; Ctrl-C ends the demo", flush=True)
    log = (HOME / "market-maker.log").open("rb")
    threading.Thread(target=follow, args=(log,), daemon=True).start()
    while venue.poll() is None and market_maker.poll() is None:
        time.sleep(0.2)


def follow(log: IO[bytes]) -> None:
    """Copy a growing file to standard output."""
    while True:
        chunk = log.read()
        if chunk:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
