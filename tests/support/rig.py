"""Real processes for end-to-end tests: a simulated venue, a market maker, and the comparison of their books."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0
"""For things that happen in a moment: long enough for a busy machine, short enough to end a hanging test."""


def data_file(name: str) -> Path | None:
    """Return a recording, or None where there are none (`OPENSQT_DATA` names their folder)."""
    root = os.environ.get("OPENSQT_DATA")
    path = Path(root) / name if root else None
    return path if path is not None and path.exists() else None


def wait_until(what: str, condition: Callable[[], Any], within: float = PATIENCE_S, every: float = 0.05) -> Any:
    """Return the first true value of `condition`; fail with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within} s for: {what}")
        time.sleep(every)


class Process:
    """A child process whose output goes to a file, ended by pid whatever happens."""

    def __init__(self, name: str, arguments: list[str], directory: Path, *, stdout: Any = None) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._log_file = self.log.open("ab")
        env = {**os.environ, "PYTHONSAFEPATH": "1"}
        self.popen = subprocess.Popen(
            arguments, stdout=stdout or self._log_file, stderr=self._log_file, cwd=directory, env=env
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        self._log_file.close()

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """End it as a crash would: no clean-up at all."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, within: float = 20.0) -> int:
        """Ask it to end and return its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=within)

    def text(self) -> str:
        """Everything it has written to its log."""
        return self.log.read_text(errors="replace")


class Venue(Process):
    """A simulated venue of its own."""

    def __init__(self, directory: Path, *arguments: str, venue: str = "binance", symbol: str = "ETHUSDT") -> None:
        command = [str(BIN / "opensqt-sim"), "serve", "--venue", venue, "--symbol", symbol, *arguments]
        super().__init__("sim", command, directory, stdout=subprocess.PIPE)
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise AssertionError(f"the simulator did not start: {self.text()}")
        self.facts: dict[str, Any] = json.loads(line)
        self.symbol = symbol

    def control(self, method: str, path: str, **arguments: Any) -> Any:
        reply = httpx.request(method, self.facts["control"] + path, timeout=30, **arguments)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def ledger(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.control("GET", "/ledger", params={"symbol": self.symbol})
        return answer

    def fault(self, fault: str, **keys: Any) -> Any:
        return self.control("POST", "/faults", json={"fault": fault, **keys})

    def end_fault(self, number: Any) -> None:
        self.control("DELETE", f"/faults/{number}")

    @property
    def market(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.ledger()["market"]
        return answer


def write_settings(directory: Path, venue: Venue, **changes: Mapping[str, Any]) -> Path:
    """Write a market maker's settings for a venue; `changes` are sections with keys that differ."""
    facts = venue.facts
    name = facts["venue"]
    sections: dict[str, dict[str, Any]] = {
        "exchange": {"name": name},
        name: {
            "api_key": facts["api_key"],
            "secret_key": facts["secret_key"],
            "rest_url": facts["rest"],
            "ws_url": facts["ws"],
            "stale_after": 1,
        },
        "trading": {"symbol": venue.symbol, "price_interval": 1.0, "order_quantity": 300},
        "supervision": {"order_stream_ack": 1, "order_stream_idle": 1},
        "state": {"journal": str(directory / "mm.sqlite")},
        "logging": {"level": "info", "format": "json"},
    }
    return _write_sections(directory / "market_maker.toml", sections, changes)


def _write_sections(path: Path, sections: dict[str, dict[str, Any]], changes: Mapping[str, Mapping[str, Any]]) -> Path:
    for section, keys in changes.items():
        sections.setdefault(section, {}).update(keys)
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


class MarketMaker(Process):
    """`opensqt-mm run`."""

    def __init__(self, config: Path, *arguments: str) -> None:
        super().__init__("mm", [str(BIN / "opensqt-mm"), "run", "--config", str(config), *arguments], config.parent)
        self.config = config


class Live(Process):
    """`opensqt-live run`, on any free port if none is given, once it listens."""

    def __init__(self, config: Path, port: int = 0) -> None:
        command = [str(BIN / "opensqt-live"), "run", "--config", str(config), "--port", f":{port}"]
        log = config.parent / "live.log"
        self._before = len(log.read_text(errors="replace")) if log.exists() else 0
        super().__init__("live", command, config.parent)
        self.url: str = wait_until("the live daemon listens", self._listening)
        self.ws = self.url.replace("http", "ws", 1) + "/ws"

    def _listening(self) -> str | None:
        assert self.running, self.text()
        for line in self.text()[self._before :].splitlines(keepends=True):
            told = json.loads(line) if line.endswith("\n") else {}
            if told.get("event") == "listening":
                return str(told["urls"][0])
        return None

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of `/health`."""
        reply = httpx.get(f"{self.url}/health", timeout=30)
        return reply.status_code, reply.json()


def write_live_settings(directory: Path, venue: Venue, **changes: Mapping[str, Any]) -> Path:
    """Write the live daemon's settings for a venue; `changes` are sections with keys that differ."""
    facts = venue.facts
    name = facts["venue"]
    sections: dict[str, dict[str, Any]] = {
        "exchange": {"name": name},
        name: {
            "api_key": facts["api_key"],
            "secret_key": facts["secret_key"],
            "rest_url": facts["rest"],
            "ws_url": facts["ws"],
            "stale_after": 1,
        },
        "trading": {"symbol": venue.symbol},
        "limits": {
            "connections_per_address": 1000,
            "new_connections_per_second": 1000,
            "new_connections_burst": 1000,
        },
        "supervision": {"account_idle": 1},
        "logging": {"level": "info", "format": "json"},
    }
    return _write_sections(directory / "live_server.toml", sections, changes)


def mm(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run another command of the market maker to its end."""
    command = [str(BIN / "opensqt-mm"), *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=config.parent)


def report(config: Path) -> dict[str, Any]:
    """Return `opensqt-mm report --json`."""
    done = mm(config, "report", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def trading(config: Path, *arguments: str) -> Iterator[MarketMaker]:
    """A market maker, started and certain to be gone afterwards."""
    with MarketMaker(config, *arguments) as process:
        yield process


def differences(ledger: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """Return where a report differs from the venue's ledger, as spec'd: to the last digit; empty when equal."""
    found: list[str] = []

    def compare(what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            found.append(f"{what}: report has {ours}, ledger has {theirs}")

    our_fills = {fill["trade_id"]: _fill(fill) for fill in told["fills"]}
    venue_fills = {fill["trade_id"]: _fill(fill) for fill in ledger["fills"]}
    compare("number of fills", len(told["fills"]), len(ledger["fills"]))
    for trade_id in sorted(our_fills.keys() | venue_fills.keys()):
        compare(f"fill {trade_id}", our_fills.get(trade_id), venue_fills.get(trade_id))
    our_orders = {order["client_order_id"]: order["status"] for order in told["orders"]}
    venue_orders = {order["client_order_id"]: order["status"] for order in ledger["orders"]}
    compare("number of orders", len(told["orders"]), len(ledger["orders"]))
    for cid in sorted(our_orders.keys() | venue_orders.keys()):
        compare(f"order {cid}", our_orders.get(cid), venue_orders.get(cid))
    fees: dict[str, Decimal] = {}
    for fill in ledger["fills"]:
        fees[fill["fee_asset"]] = fees.get(fill["fee_asset"], Decimal(0)) + Decimal(fill["fee"])
    compare("fees", _amounts(told["fees"]), _amounts(fees))
    compare(
        "funding", Decimal(told["funding"]), sum((Decimal(each["amount"]) for each in ledger["funding"]), Decimal(0))
    )
    position = sum((Decimal(each["quantity"]) for each in ledger["positions"]), Decimal(0))
    compare("position", Decimal(told["position"]), position)
    compare("cash flow", _amounts(told["cash_flow"]), _amounts(ledger["cash_flow"]))
    return found


def _fill(fill: Mapping[str, Any]) -> tuple[Any, ...]:
    numbers = tuple(Decimal(fill[key]) for key in ("price", "quantity", "fee"))
    return (fill["client_order_id"], fill["side"], *numbers, fill["fee_asset"], fill["maker"])


def _amounts(amounts: Mapping[str, Any]) -> dict[str, Decimal]:
    return {asset: Decimal(amount) for asset, amount in amounts.items() if Decimal(amount) != 0}


TOLERATED = {"-5022", "-2011", "-2013"}
"""Refusals that no care can avoid: a post-only order that would take, cancels and look-ups of finished orders."""


def intolerable(ledger: Mapping[str, Any]) -> list[Any]:
    """Return the refused requests that a careful client would not have sent."""
    return [each for each in ledger["refused"] if str(each["code"]) not in TOLERATED]
