"""The simulated Binance USD-M: puts REST, WebSockets, allowances and signatures together."""

from collections.abc import Callable
from typing import Any

from opensqt_core.clock import Clock
from opensqt_sim.engine import SimVenue
from opensqt_sim.faults import Faults
from opensqt_sim.model import Refusal
from opensqt_sim.venues.binance import codes, params, routes, security
from opensqt_sim.venues.binance.account_rest import AccountRest
from opensqt_sim.venues.binance.limits import Limits
from opensqt_sim.venues.binance.market_rest import MarketRest
from opensqt_sim.venues.binance.order_rest import OrderRest
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.binance.streams import Streams
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.listen_keys import ListenKeys
from opensqt_sim.venues.shared.routing import Route, Routes, Security
from opensqt_sim.venues.shared.server import VenueServer
from opensqt_sim.wire.messages import Request, Response, json_response
from opensqt_sim.wire.websocket import Topic, WebSocket

_IMPLIED = {
    Security.PUBLIC: frozenset[str](),
    Security.KEYED: frozenset({"listenKey", "timestamp", "recvWindow", "signature"}),
    Security.SIGNED: frozenset({"timestamp", "recvWindow", "signature"}),
}
"""Parameters that requests may carry on top of their own."""


class BinanceServer(VenueServer):
    """Speaks Binance's dialect in front of a `SimVenue`. `run` must be running."""

    name = "binance"
    channels = routes.CHANNELS
    quote_channel = "bookTicker"
    client_id_param = "newClientOrderId"

    def __init__(self, venue: SimVenue, settings: BinanceSettings, *, clock: Clock, faults: Faults) -> None:
        super().__init__(venue, clock=clock, faults=faults)
        self.settings = settings
        self._limits = Limits(settings, venue.ledger)
        self._listen_keys = ListenKeys(int(settings.listen_key_minutes * 60_000))
        self.streams = Streams(venue, settings, clock, self._listen_keys)
        account = AccountRest(venue, settings)
        orders = OrderRest(venue, settings, account, self.note_refusal)
        self._routes = Routes(
            [
                *MarketRest(venue, settings).routes(),
                *account.routes(),
                *orders.routes(),
                *self._listen_key_routes(),
            ]
        )
        venue.subscribe(self.streams.on_event)

    @property
    def routes(self) -> Routes:
        """Every REST endpoint."""
        return self._routes

    async def run(self) -> None:
        """Do what the venue does by itself, until cancelled."""
        await self.streams.run()

    def admit(self, call: Call) -> None:
        """Charge the weight, then check parameters, key, time, signature and order counts."""
        try:
            call.params = params.parse(call.request)
        finally:
            self._limits.charge(call)
        self._check_names(call)
        security.check(call, self.settings)
        self._limits.check_orders(call)

    def _check_names(self, call: Call) -> None:
        known = call.route.params | _IMPLIED[call.route.security]
        if not call.params.keys() <= known:
            raise codes.unread(len(call.params.keys() & known), len(call.params))

    def completed(self, call: Call) -> None:
        """Count orders that were placed."""
        self._limits.count_orders(call)

    def refusal(self, call: Call, refusal: Refusal) -> VenueError:  # noqa: ARG002 - the same for all requests here
        """Put the engine's refusal into Binance's words."""
        return codes.from_refusal(refusal)

    def error_body(self, error: VenueError) -> Any:
        """Return Binance's `{"code", "msg"}`."""
        return {"code": error.code, "msg": error.message}

    def unknown_path(self, request: Request) -> Response:
        """Answer a path that does not exist, or that has other methods."""
        return json_response(
            {"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"}, status=404
        )

    def refuse_upgrade(self, request: Request) -> Response | None:
        """Refuse WebSockets where there are none."""
        return None if routes.address(request) is not None else self.unknown_path(request)

    def on_subscribed(self, listener: Callable[[Topic], None]) -> None:
        """Tell `listener` whenever somebody begins to receive something."""
        self.streams.subscribed = listener

    async def talk(self, socket: WebSocket) -> None:
        """Serve one WebSocket."""
        await self.streams.talk(socket)

    def _listen_key_routes(self) -> list[Route]:
        methods = (
            ("POST", "create_listen_key", self._create_listen_key),
            ("PUT", "extend_listen_key", self._extend_listen_key),
            ("DELETE", "close_listen_key", self._close_listen_key),
        )
        return [
            Route(method=method, path="/fapi/v1/listenKey", endpoint=name, handler=handler, security=Security.KEYED)
            for method, name, handler in methods
        ]

    def _create_listen_key(self, call: Call) -> Any:
        return {"listenKey": self._listen_keys.create(call.now_ms)}

    def _extend_listen_key(self, call: Call) -> Any:
        key = self._listen_keys.extend(call.now_ms)
        if key is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        return {"listenKey": key}

    def _close_listen_key(self, call: Call) -> Any:
        if self._listen_keys.valid(call.now_ms) is None:
            raise VenueError(-1125, "This listenKey does not exist.")
        key = self._listen_keys.close()
        if key is not None:
            self.streams.close_listeners(key)
        return {}
