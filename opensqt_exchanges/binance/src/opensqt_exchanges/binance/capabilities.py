"""What Binance USD-M can do. Sources: developers.binance.com, USD-M futures, May 2026, unless a line says otherwise."""

from opensqt_core.capabilities import (
    Acknowledgement,
    Capabilities,
    ClientIdRule,
    DeadMan,
    LookupPath,
    Lookups,
    PlacementExpiry,
)
from opensqt_core.ratelimit import Limit

DAY_MS = 86_400_000
LOOKBACK_MS = 89 * DAY_MS
"""The venue keeps three months of fills and 90 days of orders: no more than the shortest three months is relied on."""
UNFILLED_MS = 3 * DAY_MS
"""`GET /order` and `/allOrders` forget orders that ended without a fill after three days."""
WINDOW_MS = 7 * DAY_MS
"""Longest span of one request for orders or fills."""

LIMITS = (
    Limit(name="weight", amount=2400, seconds=60),
    Limit(name="orders_10s", amount=300, seconds=10),
    Limit(name="orders_1m", amount=1200, seconds=60),
)
"""Until `exchangeInfo.rateLimits` says otherwise (demo has a larger weight)."""

CAPABILITIES = Capabilities(
    max_batch_place=5,  # POST /batchOrders
    max_batch_cancel=10,  # DELETE /batchOrders
    acknowledgement=Acknowledgement.ACCEPTED,  # a 200 comes from the matching engine
    client_id=ClientIdRule(max_length=36, reusable=True),  # must be unique among open orders only
    expiry=PlacementExpiry(mechanism="recvWindow", window_ms=5000),  # the default; an open venue shows its setting
    indexing_delay_ms=5000,  # no figure is published; look-ups right after placing are known to answer -2013
    lookups=Lookups(
        by_client_id=LookupPath(live_for_ms=LOOKBACK_MS, unfilled_for_ms=UNFILLED_MS),
        open_orders=LookupPath(live_for_ms=None, unfilled_for_ms=0),  # as long as the order rests
        history=LookupPath(live_for_ms=LOOKBACK_MS, unfilled_for_ms=UNFILLED_MS),
        fills=LookupPath(live_for_ms=LOOKBACK_MS, unfilled_for_ms=0),
        fills_carry_client_id=False,
    ),
    cancel_all_by_symbol=True,
    amend=False,  # PUT /order exists, but it loses the place in the queue and cancels an order that would cross
    dead_man=DeadMan(scope="symbol", min_seconds=1, max_seconds=3600),  # no bounds are published; these are ours
    reduce_only=True,
    post_only_reported_by="either",  # -5022; engines before 2023 accepted the order and pushed EXPIRED
    self_trade_prevention="expire_maker",
    fee_sign="paid_is_positive",
    quantity_unit="base",
    candle_limit=1500,
    connection_lifetime_s=86_400,
    request_limits=("2400 weight / 1 min", "300 orders / 10 s", "1200 orders / 1 min"),
    notes=(
        "The weight belongs to the IP address and is shared with COIN-M since 2026-06-30.",
        "The dead-man's switch is per symbol and cancels open orders of that symbol, whoever placed them.",
        "One-way position mode only: in hedge mode positions are refused and the account stream leaves them out.",
        "HMAC keys only.",
    ),
)
