"""Which venues can be simulated, and how each is opened."""

from collections.abc import Callable, Mapping

import attrs

from opensqt_core.clock import Clock
from opensqt_sim.engine import SimVenue
from opensqt_sim.faults import Faults
from opensqt_sim.venues.binance import BinanceServer, BinanceSettings
from opensqt_sim.venues.shared.server import VenueServer


@attrs.frozen(kw_only=True)
class Credentials:
    """What a client must know. `passphrase` only where the venue has one."""

    api_key: str
    secret_key: str = attrs.field(repr=False)
    passphrase: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Opening:
    """What every venue is opened with."""

    venue: SimVenue
    credentials: Credentials
    clock: Clock
    faults: Faults
    legacy_routes: bool = False
    """Also serve what the venue has retired."""


@attrs.frozen(kw_only=True)
class VenueKind:
    """One venue that can be simulated."""

    open: Callable[[Opening], VenueServer]
    first_order_id: int
    """Where order ids start. Real ones are beyond 2**53 at some venues: clients must not keep them in floats."""
    needs_passphrase: bool = False


def _open_binance(opening: Opening) -> VenueServer:
    settings = BinanceSettings(
        api_key=opening.credentials.api_key,
        secret_key=opening.credentials.secret_key,
        legacy_routes=opening.legacy_routes,
    )
    return BinanceServer(opening.venue, settings, clock=opening.clock, faults=opening.faults)


VENUES: Mapping[str, VenueKind] = {
    "binance": VenueKind(open=_open_binance, first_order_id=8_389_765_500_000_000_001),
}
"""By name, as on the command line."""
