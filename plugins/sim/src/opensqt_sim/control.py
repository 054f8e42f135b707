"""The control interface of a simulated venue: its ledger, faults, the pace of its market.

JSON, on a port of its own, so that nothing that goes wrong at the venue touches it.
"""

import attrs
import trio

from opensqt_core.clock import Clock
from opensqt_sim.faults import BadFault, Faults
from opensqt_sim.pacing import Lockstep
from opensqt_sim.venues.shared.server import VenueServer
from opensqt_sim.wire.messages import Outcome, Request, Response, json_response
from opensqt_sim.wire.websocket import WebSocket


class _Problem(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@attrs.frozen(kw_only=True)
class Control:
    """Answers `GET /ledger`, `GET|POST /faults`, `DELETE /faults/<id>`, `POST /step`, `POST /start`, `GET /health`.

    What cannot be done is answered with `{"error": <a sentence>}`.
    """

    server: VenueServer
    faults: Faults
    clock: Clock
    started: trio.Event
    """Set when the market may begin."""
    lockstep: Lockstep | None = None

    async def respond(self, request: Request) -> Outcome:
        """Answer one request."""
        try:
            return json_response(await self._answer(request))
        except _Problem as problem:
            return json_response({"error": str(problem)}, status=problem.status)

    async def _answer(self, request: Request) -> object:
        *words, last = request.path.removeprefix("/control").strip("/").split("/")
        if request.method == "DELETE" and words == ["faults"]:
            return self._end_fault(last)
        if (request.method, last) == ("POST", "step") and not words:
            return await self._step()
        act = {
            ("GET", "ledger"): self._ledger,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._start_fault,
            ("POST", "start"): self._start,
            ("GET", "health"): self._health,
        }.get((request.method, last))
        if act is None or words:
            raise _Problem(404, f"there is no {request.method} {request.path} here")
        return act(request)

    def _ledger(self, request: Request) -> object:
        symbol: str | None = None
        for pair in filter(None, request.query.split("&")):
            name, _, value = pair.partition("=")
            if name != "symbol":
                raise _Problem(400, f"`{name}`: the ledger is only asked by `symbol`")
            symbol = value
        if symbol is not None and symbol not in self.server.symbols:
            raise _Problem(400, f"`symbol`: {symbol} is not traded here")
        venue = self.server.venue
        return venue.ledger.document(venue, symbol)

    def _list_faults(self, request: Request) -> object:  # noqa: ARG002 - one of several that are called alike
        return self.faults.listing()

    def _start(self, request: Request) -> object:  # noqa: ARG002
        self.started.set()
        return {"started": True}

    def _start_fault(self, request: Request) -> object:
        try:
            return {"id": self.faults.start(request.body)}
        except BadFault as error:
            raise _Problem(400, str(error)) from None

    def _end_fault(self, number: str) -> object:
        if not number.isdecimal() or not self.faults.end(int(number)):
            raise _Problem(404, f"no fault {number} is under way")
        return {}

    async def _step(self) -> object:
        if self.lockstep is None:
            raise _Problem(409, "steps need a venue that was started with --lockstep")
        self.started.set()
        return attrs.asdict(await self.lockstep.step())

    def _health(self, request: Request) -> object:  # noqa: ARG002
        venue = self.server.venue
        return {
            "status": "ok",
            "venue": self.server.name,
            "time": self.clock.now_ms(),
            "started": self.started.is_set(),
            "market_ms": {symbol: venue.market_ms(symbol) for symbol in venue.rules},
            "websockets": len(self.server.connections.websockets),
            "faults": len(self.faults.listing()),
        }

    def refuse_upgrade(self, request: Request) -> Response | None:
        """There are no WebSockets here."""
        return json_response({"error": f"there is no WebSocket at {request.path}"}, status=404)

    async def converse(self, socket: WebSocket) -> None:
        """Never reached: every upgrade is refused."""
        socket.close(1008, "no WebSocket here")
