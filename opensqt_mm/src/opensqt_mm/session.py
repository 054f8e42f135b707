"""One process's turn at a journal: streams, their readers, the trading scope, and the clean-up."""

import gc
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
import structlog
import trio

import opensqt_mm
from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError
from opensqt_core.exchange import AccountEvent, Exchange
from opensqt_core.journal import events as ev
from opensqt_core.market import TopOfBook
from opensqt_core.streams import Stream
from opensqt_mm import client_ids
from opensqt_mm.adoption import adopt
from opensqt_mm.control import Handler, serve_control, socket_path
from opensqt_mm.engine import Engine
from opensqt_mm.executor import Executor
from opensqt_mm.exits import ExitStatus, StartRefused
from opensqt_mm.feeds import AccountFeed, follow_price
from opensqt_mm.fees import FeeConverter
from opensqt_mm.journal import JournalFile, ThreadJournal
from opensqt_mm.ladder import Ladder
from opensqt_mm.loading import Loaded, settings_hash
from opensqt_mm.preparation import Prepared
from opensqt_mm.resync import crash_doubts
from opensqt_mm.settler import Settler
from opensqt_mm.state import State
from opensqt_mm.stop import Stop
from opensqt_mm.table import StatusView

CLOSE_WITHIN_S = 4.0
"""For cancelling and confirming every order at the end."""
_LAST_READ_WITHIN_S = 2.0
_PATIENCE_S = 5.0

_log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class Options:
    """What a user may allow for one start."""

    adopt_position: bool = False
    take_over: bool = False


class Session:
    """From the first streamed price to the last confirmed cancel."""

    def __init__(
        self,
        loaded: Loaded,
        options: Options,
        stop: Stop,
        *,
        clock: Clock,
        exchange: Exchange,
        prepared: Prepared,
        file: JournalFile,
        state: State,
    ) -> None:
        self._loaded = loaded
        self._options = options
        self._stop = stop
        self._clock = clock
        self._exchange = exchange
        self._prepared = prepared
        instrument = prepared.instrument
        self._engine = Engine(
            state=state,
            journal=ThreadJournal(file),
            instrument=instrument,
            settings=loaded.settings.trading,
            clock=clock,
        )
        self._unconfirmed: tuple[str, ...] = ()
        self._executor: Executor | None = None
        self._fees = FeeConverter(exchange.market, clock, base=instrument.base, quote=instrument.quote)

    async def run(self) -> ExitStatus:
        """Trade until stopped; return `FINE` or `UNCONFIRMED`."""
        symbol = self._prepared.instrument.symbol
        async with (
            self._prepared.account.account_stream() as private,
            self._exchange.market.top_of_book_stream(symbol) as price,
            trio.open_nursery() as services,
        ):
            status = await self._trade(private, price, services)
            services.cancel_scope.cancel(reason="session over")
        return status

    async def _trade(
        self, private: Stream[AccountEvent], price: Stream[TopOfBook], services: trio.Nursery
    ) -> ExitStatus:
        engine, account, capabilities = self._engine, self._prepared.account, self._exchange.capabilities
        feed = AccountFeed(
            engine,
            private,
            account=account,
            trading=self._prepared.trading,
            fees=self._fees,
            clock=self._clock,
            supervision=self._loaded.settings.supervision,
        )
        executor = Executor(
            self._prepared.trading,
            capabilities,
            clock=self._clock,
            nursery=services,
            post=feed.post,
            symbol=self._prepared.instrument.symbol,
        )
        self._executor = executor
        services.start_soon(follow_price, engine, price)
        services.start_soon(feed.follow, services)
        services.start_soon(Settler(engine, account, capabilities, fees=self._fees, clock=self._clock).run)
        services.start_soon(feed.watch)
        services.start_soon(feed.collect_funding)
        services.start_soon(serve_control, socket_path(self._loaded.settings.state.journal), self._handlers())
        try:
            with self._stop.trading():
                await self._begin(private, price)
                async with trio.open_nursery() as trading:
                    trading.start_soon(engine.run, executor)
                    await feed.start(take_over=self._options.take_over)
                    self._announce()
        finally:
            # Every step inside has a bound of its own; this one is for the sum of them.
            with trio.move_on_after(CLOSE_WITHIN_S + 2 * _LAST_READ_WITHIN_S, shield=True):
                await self._end(executor, feed)
        return ExitStatus.UNCONFIRMED if self._unconfirmed else ExitStatus.FINE

    async def _begin(self, private: Stream[AccountEvent], price: Stream[TopOfBook]) -> None:
        """Wait for both streams, then open the journal's next session. No order leaves before this has returned."""
        if self._engine.state.created is not None:
            await self._take_over_journal()
        await _patiently(private)
        await _patiently(price)
        while self._engine.price.book is None:
            with trio.move_on_after(_PATIENCE_S) as late:
                await self._engine.inbox.wait()
            if late.cancelled_caught:
                _log.warning("no price yet", stream=price.status.name, state=price.status.state.value)
            await self._engine.absorb()
        if self._engine.state.created is None:
            await self._engine.commit(self._creation(self._engine.price.book, self._clock.now_ms()))
            await self._take_over_journal()
        gc.collect()
        gc.freeze()

    async def _take_over_journal(self) -> None:
        """The journal is ours from here on; what was in flight before is in doubt until the venue has been asked."""
        now_ms = self._clock.now_ms()
        started = ev.SessionStarted(
            ms=now_ms, version=opensqt_mm.__version__, settings=settings_hash(self._loaded.settings)
        )
        await self._engine.commit([started, *crash_doubts(self._engine.state, now_ms)])

    def _creation(self, book: TopOfBook, now_ms: int) -> list[ev.Event]:
        instrument, position = self._prepared.instrument, self._prepared.facts.position
        trading = self._loaded.settings.trading
        anchor = instrument.round_price(book.mid)
        events: list[ev.Event] = [
            ev.JournalCreated(
                ms=now_ms,
                instance=client_ids.new_instance(),
                venue=instrument.venue,
                account=self._prepared.account.fingerprint,
                symbol=instrument.symbol,
                base=instrument.base,
                quote=instrument.quote,
                tick_size=instrument.tick_size,
                lot_size=instrument.lot_size,
                anchor=anchor,
                price_interval=trading.price_interval,
            )
        ]
        if position.quantity != 0:
            ladder = Ladder(anchor, trading.price_interval, instrument.tick_size)
            try:
                slots = adopt(
                    position.quantity,
                    position.entry_price,
                    book.mid,
                    ladder=ladder,
                    instrument=instrument,
                    settings=trading,
                )
            except ValueError as error:
                raise StartRefused(ExitStatus.USER_MISTAKE, str(error)) from error
            events += [
                ev.PositionAdopted(ms=now_ms, level=slot.level, quantity=slot.quantity, price=position.entry_price)
                for slot in slots
            ]
        return events

    def _announce(self) -> None:
        created = self._engine.state.created
        if created is not None:
            _log.info("trading", symbol=created.symbol, anchor=str(created.anchor), instance=created.instance)

    async def _end(self, executor: Executor, feed: AccountFeed) -> None:
        """Cancel what the settings say, wait for the venue's word, read the last fills, close the session."""
        engine, policy = self._engine, self._loaded.settings.system.exit_cancels
        if engine.state.created is None:
            return
        with self._stop.closing as closing:
            closing.relative_deadline = CLOSE_WITHIN_S
            await engine.close(executor, policy)
        with trio.move_on_after(_LAST_READ_WITHIN_S, shield=True):
            await self._read_once_more(feed)
        self._unconfirmed = engine.unconfirmed(policy)
        await engine.absorb()
        await engine.commit(
            [ev.SessionStopped(ms=self._clock.now_ms(), reason="signal", unconfirmed=self._unconfirmed)]
        )
        if self._unconfirmed:
            _log.error("stopped with orders unconfirmed", client_order_ids=list(self._unconfirmed))

    async def _read_once_more(self, feed: AccountFeed) -> None:
        try:
            await feed.read()
        except ExchangeError as error:
            _log.warning("the last reading of the venue failed; the next start makes up for it", error=str(error))

    def _handlers(self) -> Mapping[str, Handler]:
        return {"status": self._status, "idle": self._idle}

    async def _idle(self, _: Mapping[str, Any]) -> Any:
        """Say whether there is anything left to do about the price last seen: for venues that are stepped."""
        await trio.lowlevel.checkpoint()
        engine = self._engine
        state, book = engine.state, engine.price.book
        locked = any(slot.state.locked for slot in state.slots.values())
        return {
            "idle": engine.order_stream_ready and engine.settled and self._executor_idle() and not locked,
            "bid": str(book.bid) if book else None,
            "ask": str(book.ask) if book else None,
            "position": str(state.position + state.external),
            "open_orders": len(state.orders),
        }

    def _executor_idle(self) -> bool:
        return self._executor is not None and self._executor.idle

    async def _status(self, _: Mapping[str, Any]) -> Any:
        await trio.lowlevel.checkpoint()
        engine = self._engine
        view = StatusView.from_state(
            engine.state,
            decisions=engine.decisions,
            book=engine.price.book,
            streams=self._exchange.streams,
            now_ms=self._clock.now_ms(),
        )
        return msgspec.to_builtins(view, str_keys=True)


async def _patiently(stream: Stream[Any]) -> None:
    """Wait until a stream is live, saying now and then what it is waiting for."""
    while True:
        with trio.move_on_after(_PATIENCE_S):
            await stream.wait_live()
            return
        _log.warning("waiting", stream=stream.status.name, state=stream.status.state.value, reason=stream.status.reason)
