"""Orders by REST: place, change, cancel, alone and in batches, and looking them up (section "Trade Endpoints")."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from opensqt_sim.engine import SimVenue
from opensqt_sim.model import Refusal, RefusalKind, SimOrder
from opensqt_sim.venues.binance import codes, order_params, params, render
from opensqt_sim.venues.binance.account_rest import AccountRest, page, time_window
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared import batch
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.routing import Route

_MAX_BATCH = 5
_MAX_BATCH_CANCEL = 10
_IDS = frozenset({"symbol", "orderId", "origClientOrderId"})
_ID_LISTS = frozenset({"orderIdList", "origClientOrderIdList"})
_ONE = (1, 1)
_BATCH = (5, 1)
"""A batch counts 5 in the 10 s window and 1 in the minute, however many orders are in it."""

NoteRefusal = Callable[[Call, VenueError, str | None], None]


class OrderRest:
    """Handlers of the endpoints about orders."""

    def __init__(
        self, venue: SimVenue, settings: BinanceSettings, account: AccountRest, note_refusal: NoteRefusal
    ) -> None:
        self._venue = venue
        self._settings = settings
        self._account = account
        self._note_refusal = note_refusal

    def routes(self) -> list[Route]:
        """Return all endpoints about orders."""
        order, many = "/fapi/v1/order", "/fapi/v1/batchOrders"
        names = frozenset({"symbol"})
        cancels = names | _ID_LISTS | {name.lower() for name in _ID_LISTS}
        history = names | {"orderId", "startTime", "endTime", "limit"}
        batched = frozenset({"batchOrders"})

        def route(
            method: str, path: str, endpoint: str, handler: Callable[[Call], Any], read: frozenset[str], **more: Any
        ) -> Route:
            return Route(method=method, path=path, endpoint=endpoint, handler=handler, params=read, **more)

        return [
            route("POST", order, "place", self._place, order_params.PLACE, weight=0, orders=_ONE),
            route("POST", many, "place_batch", self._place_batch, batched, weight=5, orders=_BATCH),
            route("PUT", order, "amend", self._amend, order_params.AMEND, orders=_ONE),
            route("PUT", many, "amend_batch", self._amend_batch, batched, weight=5, orders=_BATCH),
            route("DELETE", order, "cancel", self._cancel, _IDS),
            route("DELETE", many, "cancel_batch", self._cancel_batch, cancels),
            route("DELETE", "/fapi/v1/allOpenOrders", "cancel_all", self._cancel_all, names),
            route(
                "POST",
                "/fapi/v1/countdownCancelAll",
                "dead_man",
                self._countdown,
                names | {"countdownTime"},
                weight=10,
            ),
            route("GET", order, "order", self._order, _IDS),
            route("GET", "/fapi/v1/openOrder", "open_order", self._open_order, _IDS),
            route(
                "GET",
                "/fapi/v1/openOrders",
                "open_orders",
                self._open_orders,
                names,
                weight=lambda given: 1 if "symbol" in given else 40,
            ),
            route("GET", "/fapi/v1/allOrders", "orders", self._all_orders, history, weight=5),
        ]

    def _place(self, call: Call) -> Any:
        return self._place_one(call.params, call.now_ms)

    def _place_one(self, given: Mapping[str, str], now_ms: int) -> render.Json:
        wanted = order_params.new_order(given, self._venue.rules, hedge_mode=self._account.hedge_mode)
        self_trade = order_params.self_trade(given)
        final = order_params.wants_result(given, wanted)
        try:
            placed = self._venue.place(wanted, now_ms, self_trade=self_trade)
        except Refusal as refusal:
            least = self._venue.rules[wanted.symbol].instrument.min_notional
            raise codes.from_refusal(refusal, min_notional=least, side=wanted.side) from None
        return render.order_reply(placed, final=final)

    def _place_batch(self, call: Call) -> Any:
        def place(item: Mapping[str, str]) -> render.Json:
            _refuse_unknown(item, order_params.PLACE)
            return self._place_one(item, call.now_ms)

        return self._batch(call, _items(call), place, "newClientOrderId")

    def _amend(self, call: Call) -> Any:
        return self._amend_one(call.params, call.now_ms)

    def _amend_one(self, given: Mapping[str, str], now_ms: int) -> render.Json:
        rule = order_params.rule_of(given, self._venue.rules)
        order_id, client_order_id = _ids(given)
        wanted_side = order_params.side(given)
        order_params.refuse_price_match(given)
        try:
            changed = self._venue.amend(
                rule.instrument.symbol,
                order_id=order_id,
                client_order_id=client_order_id,
                quantity=order_params.quantity(given, rule),
                price=order_params.price(given, rule),
                side=wanted_side,
                now_ms=now_ms,
            )
        except Refusal as refusal:
            least = rule.instrument.min_notional
            raise codes.from_refusal(refusal, min_notional=least, side=wanted_side) from None
        return render.order_reply(changed)

    def _amend_batch(self, call: Call) -> Any:
        def amend(item: Mapping[str, str]) -> render.Json:
            _refuse_unknown(item, order_params.AMEND)
            return self._amend_one(item, call.now_ms)

        return self._batch(call, _items(call), amend, "origClientOrderId")

    def _cancel(self, call: Call) -> Any:
        order_id, client_order_id = _ids(call.params)
        return self._cancel_one(call, order_id, client_order_id)

    def _cancel_one(self, call: Call, order_id: int | None, client_order_id: str | None) -> render.Json:
        symbol = self._account.symbol(call.params)
        try:
            canceled = self._venue.cancel(
                symbol, order_id=order_id, client_order_id=client_order_id, now_ms=call.now_ms
            )
        except Refusal as refusal:
            if refusal.kind is RefusalKind.UNKNOWN_ORDER:
                raise codes.unknown_order_sent() from None
            raise codes.from_refusal(refusal) from None
        return render.order_reply(canceled)

    def _cancel_batch(self, call: Call) -> Any:
        self._account.symbol(call.params)
        by_id, by_client_id = (_either_case(call.params, name) for name in ("orderIdList", "origClientOrderIdList"))
        if by_id is not None:
            wanted = [{"orderId": str(each)} for each in _list(by_id, list[int], "orderIdList")]
        elif by_client_id is not None:
            listed = _list(by_client_id, list[str], "origClientOrderIdList")
            wanted = [{"origClientOrderId": each} for each in listed]
        else:
            raise codes.missing("orderIdList")
        if not 1 <= len(wanted) <= _MAX_BATCH_CANCEL:
            raise codes.invalid_data("orderIdList")
        return self._batch(call, wanted, lambda item: self._cancel_one(call, *_ids(item)), "origClientOrderId")

    def _cancel_all(self, call: Call) -> Any:
        self._venue.cancel_all(self._account.symbol(call.params), call.now_ms)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _countdown(self, call: Call) -> Any:
        symbol = self._account.symbol(call.params)
        countdown_ms = params.integer(call.params, "countdownTime")
        if countdown_ms is None:
            raise codes.missing("countdownTime")
        self._venue.set_countdown(symbol, countdown_ms, call.now_ms)
        return {"symbol": symbol, "countdownTime": str(countdown_ms)}

    def _order(self, call: Call) -> Any:
        return render.order_record(self._look_up(call))

    def _open_order(self, call: Call) -> Any:
        order = self._look_up(call)
        if not order.open:
            raise codes.order_does_not_exist()
        return render.order_record(order)

    def _look_up(self, call: Call) -> SimOrder:
        order_id, client_order_id = _ids(call.params)
        symbol = self._account.symbol(call.params)
        order = self._venue.order(symbol, order_id=order_id, client_order_id=client_order_id)
        if not self._remembered(order, call.now_ms):
            raise codes.order_does_not_exist()
        return order

    def _remembered(self, order: SimOrder, now_ms: int) -> bool:
        """Orders that ended without a fill are forgotten after three days, others after 90 (page "Query Order")."""
        if order.open:
            return True
        age_ms = now_ms - order.created_ms
        memory_ms = self._settings.order_memory_ms
        return age_ms <= (memory_ms if order.filled else min(memory_ms, self._settings.unfilled_memory_ms))

    def _open_orders(self, call: Call) -> Any:
        symbol = self._account.symbol(call.params) if "symbol" in call.params else None
        return [render.order_record(order) for order in self._venue.open_orders(symbol)]

    def _all_orders(self, call: Call) -> Any:
        symbol = self._account.symbol(call.params) if "symbol" in call.params else None
        first = params.integer(call.params, "orderId")
        start_ms, end_ms = time_window(call, memory_ms=self._settings.order_memory_ms, unbounded=first is not None)
        rows = [
            render.order_record(order)
            for order in self._venue.orders(symbol, start_ms=start_ms, end_ms=end_ms, from_id=first)
            if self._remembered(order, call.now_ms)
        ]
        size = params.limit(call.params, default=500, largest=1000)
        return page(rows, size, newest=first is None and "startTime" not in call.params)

    def _batch(
        self,
        call: Call,
        items: list[dict[str, str]],
        act: Callable[[Mapping[str, str]], render.Json],
        client_id_param: str,
    ) -> list[render.Json]:
        replies = []
        for item, outcome in zip(items, batch.each(items, act), strict=True):
            if isinstance(outcome, VenueError):
                self._note_refusal(call, outcome, item.get(client_id_param))
                replies.append({"code": outcome.code, "msg": outcome.message})
            else:
                replies.append(outcome)
        return replies


def _ids(given: Mapping[str, str]) -> tuple[int | None, str | None]:
    order_id = params.integer(given, "orderId")
    client_order_id = params.optional(given, "origClientOrderId")
    if order_id is None and client_order_id is None:
        raise VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    return order_id, client_order_id


def _either_case(given: Mapping[str, str], name: str) -> str | None:
    """The venue takes the names of the lists in lower case too, which is how ccxt spells them."""
    return given.get(name, given.get(name.lower()))


def _items(call: Call) -> list[dict[str, str]]:
    rows = _list(params.text(call.params, "batchOrders"), list[dict[str, Any]], "batchOrders")
    if not 1 <= len(rows) <= _MAX_BATCH:
        raise VenueError(-4082, "Invalid number of batch place orders.")
    return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _list(text: str, kind: Any, name: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise codes.missing(name) from None


def _refuse_unknown(item: Mapping[str, str], known: frozenset[str]) -> None:
    if not item.keys() <= known:
        raise codes.unread(len(item.keys() & known), len(item))
