"""How long after a venue's event do browsers have the frame, and what does a frame cost the live daemon?

    OPENSQT_DATA=FOLDER python tests/bench/bench_live.py [--viewers 100] [--runs 3]

Plays recorded trades with a market maker on them and viewers on the live daemon; all clocks are this machine's. A
venue's event is what its ledger (orders, fills) or the candle frame says it happened at, in whole milliseconds; arrival
is when a viewer's socket was read. Exit status 1 if the 99th percentile of the best run is not under the target.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from rig import Live, MarketMaker, Venue, data_file, wait_until, write_live_settings, write_settings
from viewers import Crowd, Viewer

Key = tuple[Any, ...]

TARGET_MS = 50.0
RECORDINGS = ("binance-um-ETHUSDT-2024-07-18_19.csv.gz", "binance-um-ETHUSDT-2024-08-08.csv.gz")
SPEED = "20"
KINDS = ("orders", "trade_event", "kline")
FLOOR = "venue's own frames"
"""Event to arrival at a client that reads the venue directly: what no live daemon could be faster than."""
DAEMON = "daemon's share"
"""From the arrival of the venue's frame at that client to the arrival of ours at a viewer."""
FILL: Key = ("trade_event",)
BURST_MS = 100
SNAPSHOT_FRAMES = 4
CANDLE = ("o", "h", "l", "c", "v")


@attrs.define
class Arrivals:
    """What one kind of viewer was sent, undecoded: decoding would delay the reading of the next."""

    frames: defaultdict[Viewer, list[tuple[int, bytes]]] = attrs.field(factory=lambda: defaultdict(list))

    def take(self, viewer: Viewer, payload: bytes, received_ns: int) -> None:
        self.frames[viewer].append((received_ns, payload))

    def told(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """Yield when each frame arrived, milliseconds UTC, and what it says."""
        for frames in self.frames.values():
            for received_ns, payload in frames:
                yield received_ns / 1e6, json.loads(payload)


@attrs.frozen
class Run:
    """One measured run."""

    late_ms: Mapping[str, Sequence[float]]
    """By type of frame, over all viewers."""
    fills: int
    seconds: float
    frames: int
    """Delivered after trading began, of every type."""
    cpu_s: float
    """Of the live daemon, in the same time."""
    burst: int
    """Most frames to one viewer within `BURST_MS`."""

    @property
    def all_ms(self) -> list[float]:
        return sorted(late for kind in KINDS for late in self.late_ms[kind])


def play(recording: str, viewers: int, directory: Path) -> Run:
    """Play one recording to its end."""
    trades, quotes = data_file(f"trades/{recording}"), data_file(f"bbo/{recording}")
    if trades is None or quotes is None:
        raise SystemExit("bench_live: recordings are found through the environment variable OPENSQT_DATA")
    source = ["--trades", str(trades), "--bbo", str(quotes), "--speed", SPEED, "--start-on-subscribe"]
    heard, from_venue = Arrivals(), Arrivals()
    with ExitStack() as stack:
        venue = stack.enter_context(Venue(directory, *source, "--maker-fee", "0"))
        live = stack.enter_context(Live(write_live_settings(directory, venue)))
        for address in streams_of(venue):
            stack.enter_context(Crowd(address, from_venue.take)).join()
        with Crowd(live.ws, heard.take) as crowd:
            crowd.join(viewers)
            config = write_settings(directory, venue, trading={"price_interval": 0.5, "order_quantity": 300})
            with MarketMaker(config) as market_maker:
                wait_until("trading", lambda: venue.market["events"])
                began, began_ns, cpu_s = time.monotonic(), time.time_ns(), cpu_seconds(live.popen.pid)
                wait_until("the recording ends", lambda: venue.market["finished"], within=120, every=1.0)
                seconds, cpu_s = time.monotonic() - began, cpu_seconds(live.popen.pid) - cpu_s
                ended_ns = time.time_ns()
                if market_maker.stop() != 0:
                    raise SystemExit(f"bench_live: the market maker failed: {market_maker.text()[-2000:]}")
            ledger = venue.ledger()
            crowd.check()
    frames = sum(1 for each in heard.frames.values() for at_ns, _ in each if began_ns <= at_ns <= ended_ns)
    late = lateness(heard, events_of(ledger, from_venue))
    of_daemon = lateness(heard, arrivals_of(from_venue))
    late[DAEMON] = [each for kind in KINDS for each in of_daemon[kind]]
    late[FLOOR] = [at_ms - told["E"] for at_ms, told in from_venue.told()]
    return Run(late, len(ledger["fills"]), seconds, frames, cpu_s, largest_burst(heard))


def streams_of(venue: Venue) -> tuple[str, str]:
    """Return the venue's own streams, of candles and of the account, for a client that does nothing but read."""
    headers = {"X-MBX-APIKEY": venue.facts["api_key"]}
    key = httpx.post(f"{venue.facts['rest']}/fapi/v1/listenKey", headers=headers).json()["listenKey"]
    ws, candles = venue.facts["ws"], f"{venue.symbol.lower()}@kline_1m"
    return f"{ws}/market/ws/{candles}", f"{ws}/private/ws?listenKey={key}"


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def events_of(ledger: dict[str, Any], from_venue: Arrivals) -> dict[Key, list[float]]:
    """Return when the venue says that things happened: milliseconds, in order, by what a frame shows of them."""
    happened: defaultdict[Key, list[float]] = defaultdict(list)
    for order in ledger["orders"]:
        for line in order["history"]:
            happened["orders", order["order_id"], line["status"]].append(line["ms"])
    for fill in ledger["fills"]:
        happened[FILL].append(fill["ms"])
    for _, told in from_venue.told():
        if told["e"] == "kline":
            key = candle_of(told["k"])
            happened[key] = happened[key] or [told["E"]]
    return happened


def arrivals_of(from_venue: Arrivals) -> dict[Key, list[float]]:
    """Return when the venue's own frames of the same things arrived at the client that does nothing but read."""
    arrived: defaultdict[Key, list[float]] = defaultdict(list)
    for at_ms, told in from_venue.told():
        if told["e"] == "kline":
            key = candle_of(told["k"])
            arrived[key] = arrived[key] or [at_ms]
        elif told["e"] == "ORDER_TRADE_UPDATE":
            arrived["orders", str(told["o"]["i"]), told["o"]["X"]].append(at_ms)
            if told["o"]["x"] == "TRADE":
                arrived[FILL].append(at_ms)
    return arrived


def candle_of(candle: dict[str, Any]) -> Key:
    """Return the key of a candle in the venue's words."""
    return "kline", candle["t"] // 1000, *(float(candle[each]) for each in CANDLE)


def lateness(heard: Arrivals, happened: Mapping[Key, list[float]]) -> dict[str, list[float]]:
    """Return how late each live frame was at each viewer, milliseconds, by type."""
    late: dict[str, list[float]] = {kind: [] for kind in KINDS}
    keys: dict[bytes, Key | None] = {}
    for frames in heard.frames.values():
        left = {key: deque(times) for key, times in happened.items()}
        for received_ns, payload in frames:
            if payload not in keys:
                keys[payload] = key_of(payload)
            key = keys[payload]
            if key is None:
                continue
            times = left.get(key)
            if times:
                late[key[0]].append(received_ns / 1e6 - times.popleft())
    return late


def largest_burst(heard: Arrivals) -> int:
    """Return the most frames that one viewer was sent within `BURST_MS`, the snapshot aside."""
    most = 0
    for frames in heard.frames.values():
        times = deque[int]()
        for received_ns, _ in frames[SNAPSHOT_FRAMES:]:
            times.append(received_ns)
            while times[0] < received_ns - BURST_MS * 1_000_000:
                times.popleft()
            most = max(most, len(times))
    return most


def key_of(payload: bytes) -> Key | None:
    """Return what a live frame is about; None for what belongs to the snapshot or has no time of its own."""
    frame = json.loads(payload)
    data = frame["data"]
    match frame["type"]:
        case "orders" if not isinstance(data, list):
            return "orders", data["id"], data["status"]
        case "trade_event":
            return FILL
        case "kline":
            return "kline", data["time"], *(float(data[each]) for each in ("open", "high", "low", "close", "volume"))
    return None


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def show(number: int, run: Run) -> None:
    """Print one run as rows of the table."""
    for kind in (*KINDS, "all", FLOOR, DAEMON):
        late = run.all_ms if kind == "all" else sorted(run.late_ms[kind])
        if late:
            p50, p99 = quantile(late, 0.5), quantile(late, 0.99)
            print(f"| {number} | {kind} | {len(late):,} | {p50:.1f} | {p99:.1f} | {late[-1]:.1f} |")


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    runs: list[Run] = []
    print("| run | frames | delivered | p50 ms | p99 ms | max ms |\n| --- | --- | --- | --- | --- | --- |")
    for number in range(arguments.runs):
        with tempfile.TemporaryDirectory() as directory:
            run = play(RECORDINGS[number % len(RECORDINGS)], arguments.viewers, Path(directory))
        runs.append(run)
        show(number + 1, run)
    print()
    for number, run in enumerate(runs):
        each_us = run.cpu_s / run.frames * 1e6
        print(
            f"run {number + 1}: {run.fills} fills, {run.frames:,} frames in {run.seconds:.0f} s to {arguments.viewers}"
            f" viewers; the daemon used {run.cpu_s / run.seconds:.0%} of a core, {each_us:.0f} us per delivered frame;"
            f" at most {run.burst} frames within {BURST_MS} ms"
        )
    best = min(quantile(run.all_ms, 0.99) for run in runs)
    verdict = "met" if best < TARGET_MS else "MISSED"
    print(f"p99 of the best of {len(runs)} runs: {best:.1f} ms; target under {TARGET_MS:g} ms: {verdict}")
    return 0 if best < TARGET_MS else 1


if __name__ == "__main__":
    sys.exit(main())
