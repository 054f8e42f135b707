"""The candles of one symbol in memory: time never goes back, and nothing that came late undoes what is newer."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from opensqt_core.market import INTERVAL_MS, Candle


class CandleRing:
    """The last `limit` candles, the running one last."""

    def __init__(self, interval: str, limit: int) -> None:
        self._step_ms = INTERVAL_MS[interval]
        self._limit = limit
        self._candles: list[Candle] = []
        self._volume_read: Decimal | None = None
        """What the last reading knew of the running candle: an update with less of it was on its way before."""

    def __len__(self) -> int:
        return len(self._candles)

    @property
    def all(self) -> Sequence[Candle]:
        """Oldest first."""
        return self._candles

    @property
    def last(self) -> Candle | None:
        """The running candle, or the last one that closed; None before the first reading."""
        return self._candles[-1] if self._candles else None

    @property
    def end_ms(self) -> int | None:
        """When the last candle closes."""
        return self._candles[-1].open_time_ms + self._step_ms if self._candles else None

    def follows(self, candle: Candle) -> bool:
        """Return whether nothing is missing between the last candle and this one."""
        last = self.last
        if last is None or candle.open_time_ms <= last.open_time_ms:
            return last is not None
        return last.closed and candle.open_time_ms == last.open_time_ms + self._step_ms

    def update(self, candle: Candle) -> bool:
        """Take a candle of the stream. Returns whether it is news."""
        last = self.last
        if last is None or candle.open_time_ms > last.open_time_ms:
            self._candles.append(candle)
            self._volume_read = None
            del self._candles[: -self._limit]
            return True
        if candle.open_time_ms < last.open_time_ms or candle == last or (last.closed and not candle.closed):
            return False
        if self._volume_read is not None and not candle.closed and candle.volume < self._volume_read:
            return False
        self._candles[-1] = candle
        return True

    def merge(self, read: Sequence[Candle]) -> list[Candle] | None:
        """Take candles read from the venue, oldest first.

        Returns those from the last known one onwards that are news; None if the past before it is another one now, or
        was not known. Whatever was known before a hole that the reading did not fill is dropped.
        """
        if not read:
            return []
        known = {candle.open_time_ms: candle for candle in self._candles}
        last = self.last
        merged = {**known}
        for candle in read:
            before = known.get(candle.open_time_ms)
            merged[candle.open_time_ms] = candle if before is None else _fuller(before, candle)
        ordered = [merged[time_ms] for time_ms in sorted(merged)]
        self._candles = self._unbroken(ordered, read[0].open_time_ms)[-self._limit :]
        newest = self._candles[-1]
        self._volume_read = None if newest.closed else newest.volume
        if last is None or self._candles[0].open_time_ms > last.open_time_ms:
            return None
        news = [candle for candle in self._candles if candle != known.get(candle.open_time_ms)]
        rewritten = bool(news) and news[0].open_time_ms < last.open_time_ms
        return None if rewritten else news

    def _unbroken(self, ordered: list[Candle], read_from_ms: int) -> list[Candle]:
        """Return what is left without candles from before a hole that the reading did not fill."""
        for older, newer in pairwise(ordered):
            if newer.open_time_ms == read_from_ms and older.open_time_ms + self._step_ms < read_from_ms:
                return [candle for candle in ordered if candle.open_time_ms >= read_from_ms]
        return ordered


def _fuller(known: Candle, read: Candle) -> Candle:
    """Return the later state of one candle: REST may lag behind the stream."""
    if read.closed or known.closed:
        return read if read.closed else known
    return read if read.volume >= known.volume else known
