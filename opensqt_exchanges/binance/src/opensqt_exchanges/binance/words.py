"""The venue's words in our vocabulary, and the base of everything that is read from its JSON.

Structs name only the fields we need; others are ignored. Whatever does not fit raises `msgspec.ValidationError`, which
says where.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec

from opensqt_core.order import OrderStatus, OrderType, Side

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_STATUSES = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "NEW_INSURANCE": OrderStatus.NEW,  # liquidations on their way
    "NEW_ADL": OrderStatus.NEW,
}
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class Readable(Protocol[T_co]):
    """A reply, or one row of a reply."""

    def value(self) -> T_co:
        """Return what it means."""
        ...


def one(shape: type[Readable[T]]) -> Callable[[bytes], T]:
    """Return how to read a reply that is one `shape`."""
    decode = msgspec.json.Decoder(shape).decode
    return lambda reply: decode(reply).value()


def rows(shape: type[Readable[T]]) -> Callable[[bytes], list[T]]:
    """Return how to read a reply that is a list of `shape`."""
    shapes: Any = list[shape]  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(shapes).decode
    return lambda reply: [row.value() for row in decode(reply)]


class Wire(msgspec.Struct, rename="camel"):
    """A JSON object in a reply."""


class Refused(Wire):
    """A refusal, as a whole reply or as an item of a batch; success is also told so, with code 200."""

    code: int | None = None
    msg: str = ""


def one_of(table: Mapping[str, T], word: str, what: str) -> T:
    """Return what a word means. Raises `msgspec.ValidationError` for one that is not in the table."""
    if word not in table:
        raise msgspec.ValidationError(f"unknown {what} {word!r}")
    return table[word]


def side(word: str) -> Side:
    """Return BUY or SELL as ours."""
    return one_of(_SIDES, word, "side")


def status(word: str) -> OrderStatus:
    """Return the venue's order status as ours."""
    return one_of(_STATUSES, word, "order status")


def order_type(word: str) -> OrderType:
    """Return how an order is priced. People also place STOP_MARKET, TRAILING_STOP_MARKET, ...: the rest has a price."""
    return OrderType.MARKET if word.endswith("MARKET") else OrderType.LIMIT


def positive(value: Decimal | None) -> Decimal | None:
    """Return None for the zero that stands where there is no value."""
    return value or None
