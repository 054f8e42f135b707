"""How strict, forgetful and patient the simulated Binance is."""

import attrs

_DAY_MS = 86_400_000


@attrs.frozen(kw_only=True)
class BinanceSettings:
    """The figures of the real venue, to be changed in tests."""

    api_key: str
    secret_key: str = attrs.field(repr=False)
    weight_per_minute: int = 2400
    """Request weight of an address (`REQUEST_WEIGHT` in `exchangeInfo`)."""
    orders_per_10s: int = 300
    orders_per_minute: int = 1200
    ban_patience: int = 10
    """Requests beyond the weight limit that are answered 429 before the address is banned with 418."""
    ban_seconds: int = 120
    """The shortest ban of the real venue; it goes up to three days."""
    listen_key_minutes: float = 60
    unfilled_memory_ms: int = 3 * _DAY_MS
    """How long an order that was canceled or expired without a fill can be looked up."""
    order_memory_ms: int = 90 * _DAY_MS
    """How long any order can be looked up."""
    fill_memory_ms: int = 90 * _DAY_MS
    """How far back trades and income can be read (three months)."""
    legacy_routes: bool = False
    """Whether `/ws` and `/stream` without a route still deliver, as they did before 2026-04-23."""
    kline_seconds: float = 0.25
    """Shortest time between two updates of one running candle."""
    ticker_seconds: float = 2.0
    """Time between two updates of the 24 h tickers."""
    max_streams: int = 1024
    """Streams of one connection."""
    messages_per_second: int = 10
    """What a client may send on one connection before it is disconnected."""
    connection_hours: float = 24
    """After which the venue disconnects."""
