"""Events to bytes and back, and the hash that chains them."""

import typing
from decimal import Decimal

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.journal.codec import FIRST_HASH, UnknownEvent, chain, decode, encode
from opensqt_core.journal.events import EVENTS, Event, FillBooked, GuardChanged, OrderAcknowledged, SessionStopped
from opensqt_core.order import Side

_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    int: st.integers(-(2**53), 2**53),
    str: st.text(st.characters(codec="utf-8"), max_size=12),
    bool: st.booleans(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    tuple[str, ...]: st.lists(st.text(max_size=5), max_size=3).map(tuple),
    dict[int, str]: st.dictionaries(st.integers(-(2**31), 2**31), st.text(max_size=5), max_size=3),
}


def values(kind: object) -> st.SearchStrategy[object]:
    """Return values of a field's type."""
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    options = typing.get_args(kind)
    if options:
        return st.one_of([st.none() if each is type(None) else values(each) for each in options])
    return st.sampled_from(list(typing.cast("type[Side]", kind)))


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Return any events of one type."""
    return st.builds(kind, **{name: values(hint) for name, hint in typing.get_type_hints(kind).items()})


@given(st.sampled_from(sorted(EVENTS)).flatmap(lambda name: events_of(EVENTS[name])))
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    name, body = encode(event)
    assert EVENTS[name] is type(event)
    copy = decode(name, body)
    assert copy == event
    assert decode(name, body.decode()) == event
    assert encode(copy) == (name, body)


def test_decimals_are_text_with_every_digit() -> None:
    fill = FillBooked(
        ms=1,
        client_order_id="c",
        order_id="o",
        trade_id="t",
        side=Side.BUY,
        price=Decimal("3000.10"),
        quantity=Decimal("0.1"),
        fee=Decimal("0.000000000000000001"),
        fee_asset="USDT",
        fee_quote=Decimal("1E-18"),
        converted=False,
        maker=True,
        venue_ms=2,
        source="stream",
    )
    document = msgspec.json.decode(encode(fill)[1])
    assert document["price"] == "3000.10"
    assert Decimal(document["fee"]) == fill.fee


def test_fields_with_defaults_may_be_absent_and_unknown_ones_are_left_alone() -> None:
    event = decode("OrderAcknowledged", b'{"ms":1,"client_order_id":"c","order_id":"o","added_later":[1]}')
    assert event == OrderAcknowledged(ms=1, client_order_id="c", order_id="o")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("Nonsense", b"{}", "event 'Nonsense' is not known to this version"),
        ("GuardChanged", b"{", "'GuardChanged' cannot be read"),
        ("GuardChanged", b"\xff\xfe", "'GuardChanged' cannot be read"),
        ("GuardChanged", b'{"ms":1,"guard":"breaker","raised":"yes","reason":""}', r"\$\.raised"),
        ("GuardChanged", b'{"ms":1,"guard":"breaker","raised":true}', "reason"),
    ],
)
def test_what_cannot_be_read_says_what_and_where(name: str, body: bytes, said: str) -> None:
    with pytest.raises(UnknownEvent, match=said):
        decode(name, body)


def hashes(events: list[Event]) -> list[bytes]:
    """Return the chain of hashes over events."""
    chained, digest = [], FIRST_HASH
    for event in events:
        digest = chain(digest, *encode(event))
        chained.append(digest)
    return chained


def test_a_change_anywhere_changes_every_hash_after_it() -> None:
    events: list[Event] = [GuardChanged(ms=ms, guard="breaker", raised=True, reason="r") for ms in range(4)]
    before = hashes(events)
    assert len(set(before)) == 4
    events[1] = attrs.evolve(events[1], ms=9)
    after = hashes(events)
    assert after[0] == before[0]
    assert all(one != other for one, other in zip(before[1:], after[1:], strict=True))


def test_name_and_body_cannot_flow_into_each_other() -> None:
    assert chain(FIRST_HASH, "ab", b"c") != chain(FIRST_HASH, "a", b"bc")
    assert chain(FIRST_HASH, "a", b"c") != chain(FIRST_HASH, "b", b"c")
    assert len(chain(FIRST_HASH, "SessionStopped", encode(SessionStopped(ms=1, reason="exit"))[1])) == 16
