"""What an account holds at a venue."""

from decimal import Decimal

import attrs


@attrs.frozen(kw_only=True)
class Balance:
    """One asset of the margin account.

    `wallet` excludes unrealised profit, `margin` includes it (None where a source does not say), `available` is what
    new orders may use (None likewise).
    """

    asset: str
    wallet: Decimal
    margin: Decimal | None = None
    available: Decimal | None = None
    updated_ms: int | None = None


@attrs.frozen(kw_only=True)
class Position:
    """A one-way position: positive is long. A position that was closed is reported once with quantity 0."""

    symbol: str
    quantity: Decimal
    """Signed, in base units."""
    entry_price: Decimal
    mark_price: Decimal | None = None
    unrealised: Decimal | None = None
    liquidation_price: Decimal | None = None
    updated_ms: int | None = None


@attrs.frozen(kw_only=True)
class SymbolSettings:
    """How the account trades a symbol: read at start, never changed by us."""

    symbol: str
    leverage: int
    margin_mode: str
    """`cross` or `isolated`."""
    hedge_mode: bool
    """True when long and short are separate positions; OpenSQT trades one-way accounts only."""


@attrs.frozen(kw_only=True)
class FeeRates:
    """What this account pays for a symbol, as a fraction of the notional; negative is a rebate."""

    maker: Decimal
    taker: Decimal


@attrs.frozen(kw_only=True)
class FundingPayment:
    """One settlement of funding. `amount` is positive when received, negative when paid."""

    symbol: str
    payment_id: str
    """The venue's id, or one made of symbol and time where it gives none: the same payment always has the same id."""
    amount: Decimal
    asset: str
    time_ms: int
