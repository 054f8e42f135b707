"""Everything that is asked of a venue before the first order, and the checks it must pass."""

import difflib
from collections.abc import Sequence
from decimal import Decimal

import attrs
import structlog
import trio

from opensqt_core.clock import Clock
from opensqt_core.errors import AuthFailed, ExchangeError, Unavailable
from opensqt_core.exchange import AccountData, Exchange, Trading
from opensqt_core.instrument import Instrument
from opensqt_mm.exits import ExitStatus, StartRefused
from opensqt_mm.loading import Loaded
from opensqt_mm.preflight import Facts, Finding, preflight
from opensqt_mm.state import State

_log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class Prepared:
    """A venue that may be traded on."""

    instrument: Instrument
    account: AccountData
    trading: Trading
    facts: Facts
    findings: Sequence[Finding]


async def prepare(loaded: Loaded, exchange: Exchange, state: State, clock: Clock, *, wait: bool) -> Prepared:
    """Read what the checks need.

    With `wait` (a restart with orders to look after) an unreachable venue is asked until it answers.

    Raises `StartRefused` in words for the user.
    """
    name = exchange.name
    if exchange.account is None or exchange.trading is None:
        raise StartRefused(
            ExitStatus.USER_MISTAKE, f"{loaded.path}: {name}.api_key: expected a key and its secret, got none"
        )
    pause = 1.0
    while True:
        try:
            return await _read(loaded, exchange, (exchange.account, exchange.trading), state, clock)
        except AuthFailed as error:
            raise StartRefused(
                ExitStatus.USER_MISTAKE,
                f"{loaded.path}: {name}: the exchange does not accept the key: {error}; "
                "check the key, its secret and its permissions",
            ) from error
        except ExchangeError as error:
            if not wait:
                raise StartRefused(ExitStatus.USER_MISTAKE, _unreachable(loaded, name, error)) from error
            _log.warning("the exchange can't be read, trying again", error=str(error), pause_s=pause)
        await trio.sleep(pause)
        pause = min(2 * pause, 30.0)


def _unreachable(loaded: Loaded, name: str, error: ExchangeError) -> str:
    if isinstance(error, Unavailable):
        return f"{loaded.path}: {name}: the exchange can't be reached: {error}; check rest_url and the network"
    return f"{loaded.path}: {name}: the exchange can't be read: {error}"


async def _read(
    loaded: Loaded, exchange: Exchange, private: tuple[AccountData, Trading], state: State, clock: Clock
) -> Prepared:
    account, trading = private
    settings = loaded.settings.trading
    instrument = find_instrument(await exchange.market.instruments(), settings.symbol, loaded)
    before_ms = clock.now_ms()
    server_ms = await exchange.market.server_time_ms()
    offset_ms = server_ms - (before_ms + clock.now_ms()) // 2
    book = await exchange.market.top_of_book(settings.symbol)
    symbol_settings = await account.symbol_settings(settings.symbol)
    fees = await account.fee_rates(settings.symbol)
    balances = await account.balances()
    position = (await account.positions(settings.symbol))[0]
    margin = next((balance.wallet for balance in balances if balance.asset == instrument.quote), Decimal(0))
    facts = Facts(
        instrument=instrument,
        price=book.mid,
        settings=symbol_settings,
        fees=fees,
        margin=margin,
        position=position,
        clock_offset_ms=offset_ms,
        anchor=state.created.anchor if state.created else None,
    )
    findings = preflight(facts, settings, loaded.settings.limits)
    return Prepared(instrument=instrument, account=account, trading=trading, facts=facts, findings=findings)


def find_instrument(instruments: Sequence[Instrument], symbol: str, loaded: Loaded) -> Instrument:
    """Return the instrument of a symbol. Raises `StartRefused` naming the nearest ones."""
    for instrument in instruments:
        if instrument.symbol == symbol:
            return instrument
    names = sorted(instrument.symbol for instrument in instruments)
    near = difflib.get_close_matches(symbol, names, n=3) or names[:3]
    raise StartRefused(
        ExitStatus.USER_MISTAKE,
        f"{loaded.path}: trading.symbol: expected a symbol of {loaded.driver.title}, got {symbol!r}"
        f" (there are {len(names)}, for example {', '.join(near)})",
    )
