"""The task that asks for orders of unknown fate until the venue has given evidence."""

import attrs
import structlog
import trio

from opensqt_core.capabilities import Capabilities
from opensqt_core.clock import Clock
from opensqt_core.errors import ExchangeError
from opensqt_core.exchange import AccountData
from opensqt_core.journal import events as ev
from opensqt_mm.engine import Engine
from opensqt_mm.fees import FeeConverter
from opensqt_mm.resync import fill_event
from opensqt_mm.settle import ask, pause, remembered, verdict
from opensqt_mm.slots import SlotState
from opensqt_mm.state import OrderRecord

_LOOK_EVERY_S = 0.25

_log = structlog.get_logger(__name__)


class Settler:
    """Asks with growing pauses, one order at a time, for as long as it takes."""

    def __init__(
        self, engine: Engine, account: AccountData, capabilities: Capabilities, *, fees: FeeConverter, clock: Clock
    ) -> None:
        self._engine = engine
        self._account = account
        self._capabilities = capabilities
        self._fees = fees
        self._clock = clock
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Settle whatever becomes unknown, until cancelled."""
        while True:
            for record in self._unsettled():
                await self._round(record)
            await trio.sleep(_LOOK_EVERY_S)

    def _unsettled(self) -> list[OrderRecord]:
        state, now = self._engine.state, self._clock.monotonic()
        unknown = {
            record.client_order_id: record
            for record in state.orders.values()
            if state.slots[record.level].state is SlotState.UNKNOWN or record.fills_missing
        }
        self._due = {cid: due for cid, due in self._due.items() if cid in unknown}
        return [record for cid, record in unknown.items() if self._due.get(cid, now) <= now]

    async def _round(self, record: OrderRecord) -> None:
        self._due[record.client_order_id] = self._clock.monotonic() + pause(record.asked)
        state = self._engine.state
        if state.created is None:
            return
        now_ms = self._clock.now_ms()
        try:
            forgotten = not remembered(record, self._capabilities, now_ms)
            evidence = await ask(self._account, state.created.symbol, record, now_ms, position=forgotten)
        except ExchangeError as error:
            _log.warning("no answer on an order of unknown fate", order=record.client_order_id, error=str(error))
            asked = ev.OrderAsked(ms=now_ms, client_order_id=record.client_order_id, found=f"no answer: {error}")
            await self._engine.inbox.put([asked])
            return
        events: list[ev.Event] = []
        for fill in evidence.fills:
            named = attrs.evolve(fill, client_order_id=record.client_order_id)
            events.append(await fill_event(named, state, self._fees, now_ms, "lookup"))
        expected = state.position + state.external
        conclusion = verdict(record, evidence, self._capabilities, expected, now_ms)
        _log.info("asked for an order of unknown fate", order=record.client_order_id, verdict=type(conclusion).__name__)
        await self._engine.inbox.put([*events, conclusion])
