"""One REST request on its way through a dialect, and the two ways in which it can be answered."""

import attrs

from opensqt_sim.venues.shared.routing import Route
from opensqt_sim.wire.messages import Request


class VenueError(Exception):
    """The venue refuses a request. `code` is the venue's own, in the type its wire has (a number or a text)."""

    def __init__(self, code: int | str, message: str, *, http: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http = http


@attrs.define(kw_only=True)
class Call:
    """A request whose route is known. The dialect fills in the rest before the handler sees it."""

    request: Request
    route: Route
    now_ms: int
    params: dict[str, str] = attrs.field(factory=dict)
    """Decoded parameters of query and form."""
    headers: list[tuple[str, str]] = attrs.field(factory=list)
    """What the answer's head will carry."""

    @property
    def endpoint(self) -> str:
        """The name of the route, in the words of faults and of the ledger."""
        return self.route.endpoint

    @property
    def symbol(self) -> str | None:
        """The symbol asked about, if the request names one by that name."""
        return self.params.get("symbol")
