"""A made-up market: candles, orders and fills as v1 frames, the same in every run."""

import random
from decimal import Decimal
from typing import Any

SYMBOL = "ETHUSDT"
START = 1_764_000_000
"""Unix seconds, a whole minute."""
TICK = Decimal("0.01")


def candles(count: int, *, start: int = START, price: str = "3012.50") -> list[dict[str, Any]]:
    """Return a walk of one-minute candles."""
    lot = random.Random(7)
    made, close = [], Decimal(price)
    for index in range(count):
        opened = close
        steps = [opened + lot.randint(-260, 262) * TICK for _ in range(4)]
        close = steps[-1]
        made.append(
            candle(
                start + 60 * index,
                open=str(opened),
                high=str(max(opened, *steps)),
                low=str(min(opened, *steps)),
                close=str(close),
                volume=str(Decimal(lot.randint(2_000, 90_000)) / 1000),
            )
        )
    return made


def candle(time: int, **prices: str) -> dict[str, Any]:
    """Return one candle; what is not given is `close`."""
    close = prices.get("close", "3000.00")
    return {"time": time, "open": close, "high": close, "low": close, "close": close, "volume": "1.5"} | prices


def order(order_id: str, side: str, price: str, status: str = "NEW", **more: str) -> dict[str, Any]:
    """Return one order."""
    return {
        "id": order_id,
        "price": price,
        "side": side,
        "status": status,
        "type": "LIMIT",
        "symbol": SYMBOL,
    } | more


def grid(middle: str, levels: int, step: str = "1.50") -> list[dict[str, Any]]:
    """Return buys below and sells above a price."""
    centre, gap = Decimal(middle), Decimal(step)
    below = [order(f"b{n}", "BUY", str(centre - n * gap), amount="0.050") for n in range(1, levels + 1)]
    return below + [order(f"s{n}", "SELL", str(centre + n * gap), amount="0.050") for n in range(1, levels + 1)]


def fill(side: str, price: str, time: int, amount: str = "0.050") -> dict[str, Any]:
    """Return one fill."""
    return {"side": side, "price": price, "amount": amount, "symbol": SYMBOL, "time": time}


def account(balance: str = "10000.00000000", asset: str = "USDT") -> dict[str, Any]:
    """Return the account."""
    return {"asset": asset, "free": "9000", "balance": balance, "marginBalance": "10012.5", "symbol": SYMBOL}


def position(amount: str, entry: str = "3010.25000000", profit: str = "1.12500000") -> dict[str, Any]:
    """Return a position with the keys of both older servers."""
    size = amount.lstrip("-")
    side = "none" if amount == "0" else "short" if amount.startswith("-") else "long"
    return {
        "symbol": SYMBOL,
        "amount": amount,
        "entryPrice": entry,
        "unrealizedPnL": profit,
        "holdSide": side,
        "total": size,
        "available": size,
        "openPriceAvg": entry,
        "unrealizedPL": profit,
        "leverage": 10,
    }


def frame(kind: str, data: object) -> dict[str, Any]:
    """Return a frame as v1 has it."""
    return {"type": kind, "data": data}


def snapshot(history: list[dict[str, Any]], orders: list[dict[str, Any]], *, amount: str = "0") -> list[dict[str, Any]]:
    """Return what a client gets on connect, in the contract's order."""
    return [
        frame("history", history),
        frame("account", account()),
        frame("position", position(amount)),
        frame("orders", orders),
    ]
