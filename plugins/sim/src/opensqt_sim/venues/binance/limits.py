"""Binance's allowances: request weight of an address, order counts of the account, and the headers that tell of them.

Weights, limits and headers: general info and rate-limit pages of the USD-M futures documentation. The order-count
headers count successful requests only; the weight header is there on every answer.
"""

from opensqt_sim.ledger import Ledger
from opensqt_sim.venues.binance import codes
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared.allowance import Bans, Window
from opensqt_sim.venues.shared.calls import Call

_ACCOUNT = "account"


class Limits:
    """What was used of every allowance."""

    def __init__(self, settings: BinanceSettings, ledger: Ledger) -> None:
        self._ledger = ledger
        self._weight = Window("weight_1m", settings.weight_per_minute, 60)
        self._orders = (
            (Window("orders_10s", settings.orders_per_10s, 10), "X-MBX-ORDER-COUNT-10S", "10 SECOND"),
            (Window("orders_1m", settings.orders_per_minute, 60), "X-MBX-ORDER-COUNT-1M", "1 MINUTE"),
        )
        self._bans = Bans(settings.ban_patience, settings.ban_seconds)

    def charge(self, call: Call) -> None:
        """Charge a request's weight. Raises `VenueError` (429, 418) beyond the limit."""
        address, now_ms = call.request.peer, call.now_ms
        until_ms = self._bans.until(address, now_ms)
        if until_ms is not None:
            raise codes.banned(address, until_ms)
        used = self._weight.spend(address, call.route.cost(call.params), now_ms)
        self._ledger.note_limit(self._weight.name, used)
        call.headers.append(("X-MBX-USED-WEIGHT-1M", str(used)))
        if used > self._weight.limit:
            until_ms = self._bans.offend(address, now_ms)
            if until_ms is not None:
                raise codes.banned(address, until_ms)
            raise codes.too_much_weight(address, self._weight.limit)

    def check_orders(self, call: Call) -> None:
        """Refuse (-1015) a request whose orders would go beyond a limit."""
        for (window, _, interval), units in zip(self._orders, call.route.orders, strict=False):
            if not window.fits(_ACCOUNT, units, call.now_ms):
                raise codes.too_many_orders(window.limit, interval)

    def count_orders(self, call: Call) -> None:
        """Count the orders of a request that succeeded."""
        for (window, header, _), units in zip(self._orders, call.route.orders, strict=False):
            used = window.spend(_ACCOUNT, units, call.now_ms)
            self._ledger.note_limit(window.name, used)
            call.headers.append((header, str(used)))
