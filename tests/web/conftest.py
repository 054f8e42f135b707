"""A fake daemon, for tests of the page alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import v1_server
from fake_live import FakeLive, serve
from tests.web import market


@pytest.fixture
def live(built: Path) -> Iterator[FakeLive]:
    """A fake daemon that serves the page and a flat market of 100 candles."""
    scripted = FakeLive({"/": built})
    scripted.snapshot = market.snapshot(market.candles(100), market.grid("3012.00", 3))
    with serve(scripted):
        yield scripted


@pytest.fixture
def v1_live() -> Iterator[FakeLive]:
    """A fake daemon beside a page that follows v1 of the contract and nothing more."""
    scripted = v1_server()
    scripted.snapshot = market.snapshot(market.candles(100), market.grid("3012.00", 3), amount="0.5")
    with serve(scripted):
        yield scripted
