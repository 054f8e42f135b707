"""`opensqt-mm run`: the nesting of everything that lives while the market maker trades.

From outside to inside: signals, locks and journal, the venue, streams and their readers, and the trading scope. The
first signal cancels the innermost alone, so that orders are cancelled while streams and venue still work; a second one
ends the clean-up too.
"""

import signal
from contextlib import ExitStack
from typing import TypeVar

import structlog
import trio

from opensqt_core.clock import Clock, SystemClock
from opensqt_core.journal.schema import JournalError
from opensqt_mm.exits import ExitStatus, StartRefused
from opensqt_mm.journal import open_journal
from opensqt_mm.loading import Loaded
from opensqt_mm.locks import Locked, hold, journal_lock, market_lock
from opensqt_mm.preflight import refused
from opensqt_mm.preparation import Prepared, prepare
from opensqt_mm.resync import OtherInstance
from opensqt_mm.session import Options, Session
from opensqt_mm.state import State
from opensqt_mm.stop import Stop

E = TypeVar("E", bound=BaseException)

_log = structlog.get_logger(__name__)


async def run(loaded: Loaded, options: Options, clock: Clock | None = None) -> ExitStatus:
    """Trade until a signal comes.

    Returns `FINE`, or `UNCONFIRMED` when orders may still rest. Raises `StartRefused` with a line for each reason.
    """
    stop = Stop()
    status, failure = ExitStatus.FINE, None
    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stop.obey, signals)
                status = await _with_journal(loaded, options, stop, clock or SystemClock())
                nursery.cancel_scope.cancel(reason="done")
    except* StartRefused as group:
        failure = _first(group)
    except* OtherInstance as group:
        lines = str(_first(group)), "stop it, or start with --take-over to cancel its orders"
        failure = StartRefused(ExitStatus.OTHER_INSTANCE, *lines)
    except* Locked as group:
        failure = StartRefused(ExitStatus.OTHER_INSTANCE, str(_first(group)))
    except* JournalError as group:
        failure = StartRefused(ExitStatus.USER_MISTAKE, str(_first(group)))
    if failure is not None:
        raise failure
    return status


def _first(group: BaseExceptionGroup[E]) -> E:
    """Return the first of a group's leaves."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


async def _with_journal(loaded: Loaded, options: Options, stop: Stop, clock: Clock) -> ExitStatus:
    settings = loaded.settings
    path = settings.state.journal
    with ExitStack() as stack:
        stack.enter_context(hold(journal_lock(path), f"journal {path}"))
        file = stack.enter_context(open_journal(path, settings.state.durability))
        state = file.load()
        async with loaded.driver.open(settings.venue) as exchange:
            with stop.trading():
                wait = bool(state.orders) or state.position != 0
                prepared = await prepare(loaded, exchange, state, clock, wait=wait)
                lock = market_lock(exchange.name, prepared.account.fingerprint, settings.trading.symbol)
                stack.enter_context(hold(lock, f"{settings.trading.symbol} of this account at {exchange.name}"))
                _refuse(loaded, prepared, state, options)
            if stop.requested:
                return ExitStatus.FINE
            return await Session(
                loaded, options, stop, clock=clock, exchange=exchange, prepared=prepared, file=file, state=state
            ).run()


def _refuse(loaded: Loaded, prepared: Prepared, state: State, options: Options) -> None:
    """Raise `StartRefused` for what forbids trading with these settings on this account with this journal."""
    created = state.created
    instrument = prepared.instrument
    if created is not None:
        wanted = {
            "venue": instrument.venue,
            "account": prepared.account.fingerprint,
            "symbol": instrument.symbol,
            "tick_size": instrument.tick_size,
            "price_interval": loaded.settings.trading.price_interval,
        }
        differ = [
            f"{loaded.settings.state.journal}: it has {name} {getattr(created, name)}, the settings say {value}"
            for name, value in wanted.items()
            if getattr(created, name) != value
        ]
        if differ:
            mend = "use another [state] journal for another grid"
            raise StartRefused(ExitStatus.USER_MISTAKE, *(f"{line}; {mend}" for line in differ))
    position = prepared.facts.position.quantity
    if created is None and position != 0 and not options.adopt_position:
        raise StartRefused(
            ExitStatus.USER_MISTAKE,
            f"the account holds {position} {instrument.symbol} and there is no journal of it: close the position, name "
            "its journal in [state] journal, or start with --adopt-position to have the grid sell it",
        )
    for finding in prepared.findings:
        if not finding.passed and finding.warning:
            _log.warning("preflight", rule=finding.rule, finding=finding.text)
    forbidden = refused(list(prepared.findings))
    if forbidden:
        raise StartRefused(ExitStatus.PREFLIGHT_REFUSED, *(f"{each.rule}: {each.text}" for each in forbidden))
