"""From the venue's streams to the engine's inbox, and the look-ups that make up for what streams missed."""

from collections.abc import Sequence

import structlog
import trio

from opensqt_core.account import Balance, Position
from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError
from opensqt_core.exchange import AccountData, AccountEvent, Trading
from opensqt_core.journal import events as ev
from opensqt_core.market import TopOfBook
from opensqt_core.order import Fill, Order
from opensqt_core.streams import Lost, Resumed, Stream
from opensqt_mm import client_ids
from opensqt_mm.confirmations import Confirmations
from opensqt_mm.engine import Engine
from opensqt_mm.fees import FeeConverter
from opensqt_mm.fold import fold
from opensqt_mm.resync import Findings, fill_event, missed_funding, read_venue
from opensqt_mm.settings import SupervisionSettings
from opensqt_mm.settle import update_event

_GRACE_S = 1.0
"""What a look-up found may still be on its way in the stream."""
_FUNDING_EVERY_S = 60.0

_log = structlog.get_logger(__name__)


async def follow_price(engine: Engine, stream: Stream[TopOfBook]) -> None:
    """Keep the engine's price the newest one, and mark it lost the moment its stream is."""
    engine.price.seen = lambda: stream.status.last_event_monotonic
    async for item in stream:
        if isinstance(item, Lost):
            engine.price.lost = True
            _log.warning("price stream lost", reason=item.reason)
        elif isinstance(item, TopOfBook):
            engine.price.book = item
            engine.price.lost = False
        engine.inbox.ring()


class AccountFeed:
    """The private stream: its facts, its gaps, its liveness."""

    def __init__(
        self,
        engine: Engine,
        stream: Stream[AccountEvent],
        *,
        account: AccountData,
        trading: Trading,
        fees: FeeConverter,
        clock: Clock,
        supervision: SupervisionSettings,
    ) -> None:
        self._engine = engine
        self._stream = stream
        self._account = account
        self._trading = trading
        self._fees = fees
        self._clock = clock
        self._supervision = supervision
        self._outage = 0
        """Counts losses: a reading that began before the last one is not enough to go on."""
        self._last_fact = clock.monotonic()
        self.confirmations = Confirmations()
        self.balances: dict[str, Balance] = {}
        self.position: Position | None = None

    async def post(self, events: Sequence[ev.Event]) -> None:
        """Take the executor's facts to the engine, and remember what the stream must confirm."""
        now = self._clock.monotonic()
        for event in events if self._engine.order_stream_ready else ():
            if isinstance(event, ev.OrderAcknowledged):
                self.confirmations.expect(event.client_order_id, ended=False, now=now)
            elif isinstance(event, ev.OrderUpdated) and event.status.terminal:
                self.confirmations.expect(event.client_order_id, ended=True, now=now)
        await self._engine.inbox.put(events)

    async def follow(self, nursery: trio.Nursery) -> None:
        """Deliver the stream's facts until it is closed; read the venue after every gap."""
        async for item in self._stream:
            if isinstance(item, Lost):
                await self._lost(item)
            elif isinstance(item, Resumed):
                nursery.start_soon(self.catch_up, self._outage)
            else:
                await self._fact(item)

    async def _lost(self, item: Lost) -> None:
        self._outage += 1
        self._engine.order_stream_ready = False
        self.confirmations.clear()
        _log.warning("order stream lost", reason=item.reason)
        await self._note("lost", item.reason)

    async def _note(self, state: str, reason: str) -> None:
        now_ms = self._clock.now_ms()
        await self._engine.inbox.put([ev.StreamChanged(ms=now_ms, name="account", state=state, reason=reason)])

    async def _fact(self, item: AccountEvent) -> None:
        self._last_fact = self._clock.monotonic()
        now_ms = self._clock.now_ms()
        if isinstance(item, Balance):
            self.balances[item.asset] = item
        elif self._engine.state.created is None or item.symbol != self._engine.state.created.symbol:
            return
        elif isinstance(item, Position):
            self.position = item
        elif isinstance(item, Fill):
            event = await fill_event(item, self._engine.state, self._fees, now_ms, "stream")
            await self._engine.inbox.put([event])
        else:
            await self._order(item, now_ms)

    async def _order(self, order: Order, now_ms: int) -> None:
        cid = client_ids.decode(order.client_order_id)
        created = self._engine.state.created
        if order.client_order_id is None or cid is None or created is None or cid.instance != created.instance:
            return
        self.confirmations.mention(order.client_order_id, ended=order.status.terminal)
        await self._engine.inbox.put([update_event(order, order.client_order_id, "stream", now_ms)])

    async def start(self, *, take_over: bool) -> None:
        """Do the reading that precedes the first decision. Raises `OtherInstance`."""
        await self.catch_up(self._outage, take_over=take_over)

    async def catch_up(self, outage: int, *, take_over: bool = False) -> None:
        """Read the venue until it answers, then let the engine trade again."""
        pause = 0.5
        while outage == self._outage:
            try:
                await self.read(take_over=take_over)
            except ExchangeError as error:
                _log.warning("cannot read the venue after a gap, trying again", error=str(error), pause_s=pause)
                await trio.sleep(pause)
                pause = min(pause * 2, 30.0)
            else:
                break
        if outage == self._outage:
            await self._note("live", "")
            self.confirmations.clear()
            self._engine.order_stream_ready = True
            self._engine.inbox.ring()

    async def read(self, *, take_over: bool = False) -> Findings:
        """Read orders, fills and funding, and post what they say; cancel orders of ours that no slot knows.

        Raises `ExchangeError`, `OtherInstance`.
        """
        state = self._engine.state
        now_ms = self._clock.now_ms()
        findings = await read_venue(self._account, state, self._fees, now_ms, take_over=take_over)
        await self._engine.inbox.put(findings.events)
        await self._engine.inbox.put(await missed_funding(self._account, state, now_ms))
        for order in findings.orphans:
            _log.warning("cancelling an order that no slot knows", client_order_id=order.client_order_id)
            await self._trading.cancel(order.symbol, order_id=order.order_id)
        return findings

    async def watch(self) -> None:
        """Restart the stream when it does not show what the venue acknowledged, or is silent while orders change."""
        limits = self._supervision
        while True:
            await trio.sleep(min(1.0, float(limits.order_stream_ack) / 4))
            if not self._engine.order_stream_ready:
                continue
            now = self._clock.monotonic()
            overdue = self.confirmations.overdue(now, float(limits.order_stream_ack))
            if overdue is not None:
                self._stream.restart(f"order {overdue} was acknowledged and did not show up")
                self.confirmations.clear()
            elif now - self._last_fact > float(limits.order_stream_idle):
                self._last_fact = now
                await self._compare()

    async def _compare(self) -> None:
        """An idle stream is held against look-ups: news there means that the stream has missed it."""
        asked = self._clock.monotonic()
        try:
            findings = await read_venue(self._account, self._engine.state, self._fees, self._clock.now_ms())
        except ExchangeError as error:
            _log.warning("cannot compare the idle order stream with the venue", error=str(error))
            return
        if not self._news(findings):
            return
        await trio.sleep(_GRACE_S)
        if self._last_fact <= asked and self._news(findings):
            self._stream.restart("silent while orders changed at the venue")

    def _news(self, findings: Findings) -> bool:
        state = self._engine.state
        return any(fold(state, event) is not state for event in findings.events)

    async def collect_funding(self) -> None:
        """Read settlements of funding now and then: streams tell of the balance, not of the payment."""
        while True:
            await trio.sleep(_FUNDING_EVERY_S)
            try:
                payments = await missed_funding(self._account, self._engine.state, self._clock.now_ms())
            except ExchangeError as error:
                _log.warning("cannot read funding", error=str(error))
            else:
                await self._engine.inbox.put(payments)
