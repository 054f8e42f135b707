"""From method and path to a handler."""

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from opensqt_sim.venues.shared.calls import Call


class Security(enum.Enum):
    """What a request must prove."""

    PUBLIC = "public"
    KEYED = "keyed"
    """Carries the key, no signature."""
    SIGNED = "signed"


@attrs.frozen(kw_only=True)
class Route:
    """One endpoint of a venue."""

    method: str
    path: str
    endpoint: str
    """What faults and the ledger call it, the same word at every venue: `place`, `open_orders`."""
    handler: "Callable[[Call], Any]"
    """Returns what the answer's body holds; raises `VenueError` or the engine's `Refusal`."""
    params: frozenset[str] = frozenset()
    """Every parameter it reads."""
    security: Security = Security.SIGNED
    weight: int | Callable[[Mapping[str, str]], int] = 1
    """What it costs, where requests have weights; may depend on the parameters."""
    orders: tuple[int, ...] = ()
    """What it counts for in each of the venue's order windows; empty if it places nothing."""

    def cost(self, params: Mapping[str, str]) -> int:
        """Return the weight of a request with these parameters."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)


class Routes:
    """The endpoints of a venue."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {(route.method, route.path): route for route in routes}

    def find(self, method: str, path: str) -> Route | None:
        """Return the route, or None."""
        return self._routes.get((method, path))

    @property
    def endpoints(self) -> frozenset[str]:
        """The names of all endpoints."""
        return frozenset(route.endpoint for route in self._routes.values())
