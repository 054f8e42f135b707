"""The daemon in this process, on a fake venue: what starts, what is shown, how it ends."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import trio
from live_fakes import FakeDriver, FakeSettings, FakeVenue, balance, candle

from opensqt_core.errors import AuthFailed, Rejected, Unavailable
from opensqt_live import daemon, preparation
from opensqt_live.check_settings import check_settings
from opensqt_live.exits import ExitStatus, StartRefused
from opensqt_live.loading import Loaded
from opensqt_live.settings import ExchangeSettings, ServerSettings, Settings, TradingSettings

PATIENCE = 10.0


def loaded(driver: FakeDriver, *symbols: str, **server: Any) -> Loaded:
    first, *more = symbols or ("ETHUSDT",)
    settings = Settings(
        exchange=ExchangeSettings(name="fake"),
        venue=FakeSettings(),
        trading=TradingSettings(symbol=first, more_symbols=tuple(more)),
        server=ServerSettings(port=0, **server),
    )
    return Loaded(settings, driver, Path("live.toml"))


def venue() -> FakeVenue:
    return FakeVenue(history=[candle(0, closed=True), candle(1)], balance_list=[balance("1000")])


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def run_until(given: Loaded, act: Callable[[str], Any]) -> tuple[ExitStatus | None, list[Any]]:
    """Run the daemon, act on its address, and return how it ended and what it logged."""
    ended: list[ExitStatus] = []
    with structlog.testing.capture_logs() as logs, trio.fail_after(2 * PATIENCE):
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                ended.append(await daemon.run(given))

            nursery.start_soon(run)
            # The log is what people wait for, too.
            while not (found := [each for each in logs if each["event"] == "listening"]):  # noqa: ASYNC110
                await trio.sleep(0.01)
            await act(found[0]["urls"][0])
            stop()
    return ended[0], list(logs)


async def test_it_shows_what_the_venue_says_and_ends_at_a_signal() -> None:
    driver = FakeDriver(venue())

    async def act(url: str) -> None:
        async with httpx.AsyncClient() as client:
            health = (await client.get(f"{url}/health")).json()
            assert health["status"] == "ok"
            assert list(health["streams"]) == ["candle ETHUSDT 1m", "account"]
            assert len((await client.get(f"{url}/api/history")).json()) == 2
            assert "opensqt_live_clients 0.0" in (await client.get(f"{url}/metrics")).text

    status, logs = await run_until(loaded(driver, allowed_origins=("*",)), act)
    assert status is ExitStatus.FINE
    assert any(each["event"] == "pages of every origin may connect" for each in logs)
    assert driver.venue.calls["instruments"] == 1


async def test_without_a_key_there_are_candles_only() -> None:
    driver = FakeDriver(venue(), with_key=False)

    async def act(url: str) -> None:
        async with httpx.AsyncClient() as client:
            health = (await client.get(f"{url}/health")).json()
            assert list(health["streams"]) == ["candle ETHUSDT 1m"]
            assert health["status"] == "ok"

    assert (await run_until(loaded(driver), act))[0] is ExitStatus.FINE
    assert set(driver.venue.calls) == {"instruments", "candle_stream", "candles"}


async def test_one_stream_that_fails_leaves_the_others() -> None:
    driver = FakeDriver(venue())

    async def act(url: str) -> None:
        driver.venue.candle_streams[0].end()
        driver.venue.failures["candle_stream"].extend(ZeroDivisionError() for _ in range(9))
        async with httpx.AsyncClient() as client:
            while (answer := await client.get(f"{url}/health")).status_code == 200:  # noqa: ASYNC110
                await trio.sleep(0.01)
        streams = answer.json()["streams"]
        assert streams["candle ETHUSDT 1m"]["state"] != "live"
        assert streams["account"]["state"] == "live"

    assert (await run_until(loaded(driver), act))[0] is ExitStatus.FINE


@pytest.mark.parametrize("where", ["instruments", "candles"])
async def test_a_signal_also_ends_the_start(where: str) -> None:
    driver = FakeDriver(venue())
    driver.venue.holds[where] = trio.Event()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                assert await daemon.run(loaded(driver)) is ExitStatus.FINE

            nursery.start_soon(run)
            while not driver.venue.calls[where]:  # noqa: ASYNC110
                await trio.sleep(0.01)
            stop()


async def refusal(driver: FakeDriver, *symbols: str) -> str:
    with pytest.raises(StartRefused) as caught:
        await daemon.run(loaded(driver, *symbols))
    (line,) = caught.value.lines
    return line


async def test_an_unknown_symbol_is_refused_with_the_nearest() -> None:
    driver = FakeDriver(FakeVenue(symbols=("BTCUSDT", "ETHUSDT", "XRPUSDT")))
    line = await refusal(driver, "ETHUDST")
    assert line.startswith("live.toml: trading.symbol: expected a symbol of Fake futures, got 'ETHUDST'")
    assert "ETHUSDT" in line
    assert "trading.more_symbols[0]" in await refusal(driver, "ETHUSDT", "NOPE")


@pytest.mark.parametrize(
    ("where", "error", "words"),
    [
        ("instruments", Unavailable("connection refused"), "can't be reached: connection refused"),
        ("symbol_settings", AuthFailed("signature", code="-1022"), "does not accept the key"),
        ("instruments", Rejected("region"), "can't be read: region"),
    ],
)
async def test_a_fresh_start_refuses_what_the_venue_refuses(where: str, error: Exception, words: str) -> None:
    driver = FakeDriver(venue())
    driver.venue.failures[where].append(error)
    assert words in await refusal(driver)


async def test_a_venue_that_never_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "ANSWER_WITHIN", 0.05)
    driver = FakeDriver(venue())
    driver.venue.holds["instruments"] = trio.Event()
    assert "no answer within 0.05 s" in await refusal(driver)


async def test_check_starts_nothing() -> None:
    driver = FakeDriver(venue())
    findings = await check_settings(loaded(driver, "ETHUSDT"))
    assert [each.rule for each in findings] == ["settings", "exchange", "symbol", "key"]
    assert findings[-1].text == "accepted"
    keyless = await check_settings(loaded(FakeDriver(venue(), with_key=False)))
    assert keyless[-1].text.startswith("none: candles only")
    assert not driver.venue.candle_streams
