"""The grid checks itself: what should rest, what the journal believes, and what the venue lists, compared."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal

import attrs

from opensqt_core.order import Order, Side
from opensqt_mm import client_ids
from opensqt_mm.decisions import Action, Decision
from opensqt_mm.slots import SlotState
from opensqt_mm.state import OrderRecord, Slot, State

_OPEN = (SlotState.BUY_OPEN, SlotState.SELL_OPEN)


@attrs.frozen(kw_only=True)
class Check:
    """What does not fit. All four empty: the grid is as it should be.

    An entry is a client order id, or a level as text where there is no order to name.
    """

    missing: tuple[str, ...] = ()
    """Levels that `decide` wants an order for and that have none (`PLACE`), and orders that the journal believes to be
    open but that the venue does not list."""
    duplicate: tuple[str, ...] = ()
    """Live orders beyond the first of one level and side. The first is the one the slot knows, else the oldest."""
    misplaced: tuple[str, ...] = ()
    """Open orders that are not what their level says: a buy at another price than the level's, a sell at another price
    than the slot's or for more than the slot holds, or an order whose price, side or size the venue shows differently.
    A price that was moved so as not to take (`repriced`) is as it should be."""
    orphan: tuple[str, ...] = ()
    """Orders with our instance at the venue that no slot knows, and live ones in the journal that no slot points to."""

    @property
    def clean(self) -> bool:
        """Whether everything fits."""
        return not (self.missing or self.duplicate or self.misplaced or self.orphan)


def check(state: State, decisions: Iterable[Decision], venue_open_orders: Sequence[Order] | None) -> Check:
    """Compare the journal's belief with what `decide` wants and with the venue's open orders.

    With `venue_open_orders` None, as for a report from the journal alone, only what the journal itself can tell;
    without decisions, nothing is missing for want of a placement. Orders in flight or of unknown fate are never called
    missing or misplaced: their slots are being seen to. Orders of others and of other instances do not count.
    """
    listed = {} if venue_open_orders is None else dict(_ours(state, venue_open_orders))
    wanted = [str(decision.level) for decision in decisions if decision.action is Action.PLACE]
    opened = [record for record in state.orders.values() if state.slot(record.level).state in _OPEN]
    unlisted = (
        [] if venue_open_orders is None else [r.client_order_id for r in opened if r.client_order_id not in listed]
    )
    misplaced = [r.client_order_id for r in opened if _misplaced(state, r, listed.get(r.client_order_id))]
    known = {slot.order for slot in state.slots.values() if slot.order is not None}
    return Check(
        missing=(*wanted, *sorted(unlisted)),
        duplicate=tuple(sorted(_duplicates(known, {*state.orders, *listed}))),
        misplaced=tuple(sorted(misplaced)),
        orphan=tuple(sorted({*state.orders, *listed} - known)),
    )


def _ours(state: State, orders: Iterable[Order]) -> Iterator[tuple[str, Order]]:
    instance = None if state.created is None else state.created.instance
    for order in orders:
        said = client_ids.decode(order.client_order_id)
        if said is not None and said.instance == instance and order.client_order_id is not None:
            yield order.client_order_id, order


def _duplicates(known: set[str], names: Iterable[str]) -> Iterator[str]:
    groups: dict[tuple[int, Side], list[tuple[bool, int, str]]] = {}
    for name in names:
        said = client_ids.decode(name)
        if said is not None:
            groups.setdefault((said.level, said.side), []).append((name not in known, said.sequence, name))
    for group in groups.values():
        yield from (name for _, _, name in sorted(group)[1:])


def _misplaced(state: State, record: OrderRecord, listed: Order | None) -> bool:
    slot = state.slot(record.level)
    if not record.repriced and record.price != _own_price(state, slot, record.side):
        return True
    if record.side is Side.SELL and record.remaining > _in_lots(state, slot.held):
        return True
    if listed is None:
        return False
    moved = listed.price is not None and listed.price != record.price
    return moved or listed.quantity != record.quantity or listed.side is not record.side


def _own_price(state: State, slot: Slot, side: Side) -> Decimal:
    return state.ladder.price(slot.level) if side is Side.BUY else state.sell_price(slot)


def _in_lots(state: State, quantity: Decimal) -> Decimal:
    lot = Decimal(0) if state.created is None else state.created.lot_size
    return quantity if lot == 0 else (quantity / lot).to_integral_value(ROUND_FLOOR) * lot
