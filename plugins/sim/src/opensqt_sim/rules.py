"""What a venue checks of an order before anything else, and the settings of the account that trades there."""

from decimal import Decimal

import attrs

from opensqt_core.instrument import Instrument


@attrs.frozen(kw_only=True)
class Rules:
    """An instrument with the rules that core does not model because no caller needs them."""

    instrument: Instrument
    price_band: Decimal | None = Decimal("0.05")
    """A buy may be priced at most this fraction above the mark price, a sell at most this fraction below it."""
    market_lot_size: Decimal | None = None
    """Quantity step of market orders; None: the lot size."""
    market_max_quantity: Decimal | None = None
    """Largest market order; None: the instrument's largest quantity."""
    max_leverage: int = 125
    maintenance_rate: Decimal = Decimal("0.005")
    """Maintenance margin as a fraction of the position's notional at mark; one tier."""


@attrs.frozen(kw_only=True)
class AccountSettings:
    """The one account of a simulated venue."""

    balance: Decimal = Decimal(10_000)
    """Wallet at the start, in the quote asset of every instrument."""
    asset: str = "USDT"
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0005")
    leverage: int = 5
    funding_interest: Decimal = Decimal("0.0001")
    """Funding rate of one period when mark and index agree."""
    funding_interval_ms: int = 8 * 3_600_000
    client_ids_reusable: bool = True
    """Whether the client order id of a finished order may be used again (Binance: unique among open orders)."""
    first_order_id: int = 1
    """Order ids grow from here by one; beyond 2**53 to test clients that keep ids in floats."""
    first_trade_id: int = 1
