"""The course of one REST request, the same at every venue: route, admit, execute, answer; faults may step in."""

import abc
from collections.abc import Callable

from opensqt_core.clock import Clock
from opensqt_sim.engine import SimVenue
from opensqt_sim.faults import Faults
from opensqt_sim.model import Refusal
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.routing import Routes
from opensqt_sim.wire.messages import Outcome, Request, Response, json_response
from opensqt_sim.wire.server import Connections
from opensqt_sim.wire.websocket import Topic, WebSocket


class VenueServer(abc.ABC):
    """A dialect in front of a `SimVenue`; it is the wire's `App` and what faults act upon."""

    name: str
    channels: frozenset[str]
    """The words by which faults select streams."""
    quote_channel: str
    """The word for best bid and offer."""
    client_id_param: str
    """Which parameter names the order that a refused request was about."""

    def __init__(self, venue: SimVenue, *, clock: Clock, faults: Faults) -> None:
        self.venue = venue
        self.clock = clock
        self.faults = faults
        self.connections = Connections()

    @property
    def symbols(self) -> frozenset[str]:
        """What is traded here."""
        return frozenset(self.venue.rules)

    @property
    def endpoints(self) -> frozenset[str]:
        """What the REST endpoints are called."""
        return self.routes.endpoints

    @property
    @abc.abstractmethod
    def routes(self) -> Routes:
        """Every REST endpoint."""

    @abc.abstractmethod
    def admit(self, call: Call) -> None:
        """Read the parameters, charge allowances, check key and signature. Raises `VenueError`."""

    @abc.abstractmethod
    def refusal(self, call: Call, refusal: Refusal) -> VenueError:
        """Put the engine's refusal into the venue's words."""

    @abc.abstractmethod
    def error_body(self, error: VenueError) -> object:
        """Return the body that tells the client of an error."""

    @abc.abstractmethod
    def completed(self, call: Call) -> None:
        """Do the accounts after a request that succeeded (usage headers)."""

    @abc.abstractmethod
    def unknown_path(self, request: Request) -> Response:
        """Answer a request that no route serves."""

    @abc.abstractmethod
    def refuse_upgrade(self, request: Request) -> Response | None:
        """Return the answer to a WebSocket request on a path without one, or None to accept it."""

    @abc.abstractmethod
    def on_subscribed(self, listener: Callable[[Topic], None]) -> None:
        """Tell `listener` whenever somebody begins to receive something."""

    @abc.abstractmethod
    async def run(self) -> None:
        """Do what the venue does by itself, until cancelled."""

    @abc.abstractmethod
    async def talk(self, socket: WebSocket) -> None:
        """Serve one WebSocket until it ends."""

    async def converse(self, socket: WebSocket) -> None:
        """Let faults know of a new WebSocket, then serve it."""
        self.faults.opened(self, socket)
        await self.talk(socket)

    async def respond(self, request: Request) -> Outcome:
        """Answer one REST request."""
        route = self.routes.find(request.method, request.path)
        if route is None:
            self.venue.ledger.note_request("unknown", 404)
            return self.unknown_path(request)
        call = Call(request=request, route=route, now_ms=self.clock.now_ms())
        try:
            self.admit(call)
            outcome = await self.faults.before(self, call)
            response = self._execute(call) if outcome is None else None
        except VenueError as error:
            outcome, response = None, self._refused(call, error)
        if response is not None:
            self.venue.ledger.note_request(call.endpoint, response.status)
            outcome = await self.faults.after(self, call)
        return outcome or response or Response(status=500)

    def _execute(self, call: Call) -> Response:
        try:
            value = call.route.handler(call)
        except Refusal as refusal:
            raise self.refusal(call, refusal) from None
        self.completed(call)
        return json_response(value, headers=tuple(call.headers))

    def _refused(self, call: Call, error: VenueError) -> Response:
        self.note_refusal(call, error, call.params.get(self.client_id_param))
        return json_response(self.error_body(error), status=error.http, headers=tuple(call.headers))

    def note_refusal(self, call: Call, error: VenueError, client_order_id: str | None) -> None:
        """Put a refusal (of a request, or of one item of a batch) on record."""
        self.venue.ledger.note_refusal(
            ms=call.now_ms,
            endpoint=call.endpoint,
            code=str(error.code),
            message=error.message,
            client_order_id=client_order_id,
        )
