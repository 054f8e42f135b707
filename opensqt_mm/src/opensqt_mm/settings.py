"""The market maker's settings: one attrs class for each block of its TOML file.

Names that users of the older system know are kept. Defaults and meanings are those of docs/market-maker.md.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import attrs

CANCEL_ON_EXIT = {True: "all", False: "none", "all": "all", "buys": "buys", "none": "none"}
ON_WOULD_TAKE = ("reprice", "wait", "take")
DURABILITY = ("power", "process")


def _above_zero(_: object, __: object, value: Decimal) -> None:
    if not value.is_finite() or value <= 0:
        raise ValueError(f"a number above zero, got {value}")


def _at_least_one(_: object, __: object, value: int) -> None:
    if value < 1:
        raise ValueError(f"1 or more, got {value}")


def _not_negative(_: object, __: object, value: int) -> None:
    if value < 0:
        raise ValueError(f"0 or more, got {value}")


def _not_below_low(trading: "TradingSettings", _: object, value: Decimal | None) -> None:
    if value is not None and trading.price_low is not None and value < trading.price_low:
        raise ValueError(f"at least price_low, which is {trading.price_low}, got {value}")


def _one_of(*allowed: object) -> Callable[[Any, Any, Any], None]:
    def validate(_: object, __: object, value: object) -> None:
        if value not in allowed:
            names = ", ".join(f'"{choice}"' if isinstance(choice, str) else str(choice).lower() for choice in allowed)
            raise ValueError(f"one of {names}, got {value!r}")

    return validate


@attrs.frozen(kw_only=True)
class ExchangeSettings:
    """`[exchange]`: which installed driver to use; its own block has its name."""

    name: str


@attrs.frozen(kw_only=True)
class TradingSettings:
    """`[trading]`: the grid."""

    symbol: str
    price_interval: Decimal = attrs.field(validator=_above_zero)
    """Quote currency between levels."""
    order_quantity: Decimal = attrs.field(validator=_above_zero)
    """Quote currency per slot."""
    min_order_value: Decimal | None = attrs.field(default=None, validator=attrs.validators.optional(_above_zero))
    """Smallest notional we send; the venue's if None."""
    buy_window_size: int = attrs.field(default=10, validator=_at_least_one)
    sell_window_size: int = attrs.field(default=10, validator=_at_least_one)
    trail_slack: int | None = attrs.field(default=None, validator=attrs.validators.optional(_not_negative))
    """Levels a resting buy may fall behind the window; `buy_window_size` if None. With 0, a price that swings around
    the middle between two levels cancels and places the outermost buy at each swing."""
    max_held_levels: int = attrs.field(
        default=100, validator=_at_least_one, metadata={"alias": "position_safety_check"}
    )
    price_low: Decimal | None = attrs.field(default=None, validator=attrs.validators.optional(_above_zero))
    price_high: Decimal | None = attrs.field(
        default=None, validator=[attrs.validators.optional(_above_zero), _not_below_low]
    )
    on_would_take: str = attrs.field(default="reprice", validator=_one_of(*ON_WOULD_TAKE))
    order_cleanup_threshold: int = attrs.field(default=50, validator=_at_least_one)
    """Open orders at most."""
    reconcile_interval: int = attrs.field(default=60, validator=_at_least_one)
    """Seconds."""
    margin_lock_duration_seconds: int = attrs.field(default=10, validator=_at_least_one)
    max_price_age: Decimal = attrs.field(default=Decimal(5), validator=_above_zero)
    """Seconds."""

    @property
    def slack(self) -> int:
        """Levels a resting buy may fall behind the window before it is cancelled."""
        return self.buy_window_size if self.trail_slack is None else self.trail_slack


@attrs.frozen(kw_only=True)
class SystemSettings:
    """`[system]`."""

    cancel_on_exit: bool | str = attrs.field(default=True, validator=_one_of(*CANCEL_ON_EXIT))

    @property
    def exit_cancels(self) -> str:
        """`all`, `buys` or `none`."""
        return CANCEL_ON_EXIT[self.cancel_on_exit]


@attrs.frozen(kw_only=True)
class LimitSettings:
    """`[limits]`: what preflight and the circuit breaker hold against."""

    max_leverage: int = attrs.field(default=10, validator=_at_least_one)
    max_drawdown: Decimal = attrs.field(default=Decimal("0.2"), validator=_above_zero)
    max_consecutive_rejects: int = attrs.field(default=10, validator=_at_least_one)


@attrs.frozen(kw_only=True)
class SupervisionSettings:
    """`[supervision]`: when the private stream is taken for dead. Seconds."""

    order_stream_ack: Decimal = attrs.field(default=Decimal(5), validator=_above_zero)
    """What the venue acknowledged by REST must show up in the stream within this."""
    order_stream_idle: Decimal = attrs.field(default=Decimal(30), validator=_above_zero)
    """A stream this long without a word is held against look-ups."""


@attrs.frozen(kw_only=True)
class StateSettings:
    """`[state]`: where the journal is and what a power cut may cost."""

    journal: Path = Path("mm.sqlite")
    durability: str = attrs.field(default="power", validator=_one_of(*DURABILITY))


@attrs.frozen(kw_only=True)
class LoggingSettings:
    """`[logging]`."""

    level: str = attrs.field(default="info", validator=_one_of("debug", "info", "warning", "error"))
    format: Literal["auto", "console", "json"] = "auto"


@attrs.frozen(kw_only=True)
class Settings:
    """The whole file, once every block has been checked."""

    exchange: ExchangeSettings
    venue: object
    """The driver's own block."""
    trading: TradingSettings
    system: SystemSettings
    limits: LimitSettings
    supervision: SupervisionSettings
    state: StateSettings
    logging: LoggingSettings
