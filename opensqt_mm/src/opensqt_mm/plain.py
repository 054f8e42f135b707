"""Numbers, amounts and times as plain text: the one rule for all reports and tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros after the point."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def number(value: Decimal | None) -> str:
    """Return a decimal, or a dash where there is none."""
    return "-" if value is None else plain(value)


def amounts(by_asset: Mapping[str, Decimal]) -> str:
    """Return amounts by asset on one line."""
    return ", ".join(f"{plain(amount)} {asset}" for asset, amount in sorted(by_asset.items())) or "0"


def moment(ms: int) -> str:
    """Return date and time, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(ms: int) -> str:
    """Return the time of day, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S UTC")


def age(ms: int) -> str:
    """Return a length of time in its largest unit: `8s`, `5m`, `3h`, `2d`. What lies ahead counts as 0."""
    seconds = max(0, ms) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
