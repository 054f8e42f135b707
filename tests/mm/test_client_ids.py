"""Client order ids: any order can be traced to its slot from the id alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.order import Side
from opensqt_mm.client_ids import MAX_LENGTH, ClientId, decode, encode, new_instance

ids = st.builds(
    ClientId,
    instance=st.from_regex(r"[A-Za-z0-9]{4}", fullmatch=True),
    level=st.integers(-999_999_999, 999_999_999),
    side=st.sampled_from(Side),
    sequence=st.integers(0, 36**9 - 1),
)


@given(ids)
def test_round_trip_alphabet_and_length(client_id: ClientId) -> None:
    text = encode(client_id)
    assert re.fullmatch(r"[A-Za-z0-9]+", text)
    assert len(text) <= MAX_LENGTH
    assert decode(text) == client_id


@given(ids, ids)
def test_different_orders_have_different_ids(one: ClientId, other: ClientId) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@pytest.mark.parametrize(
    ("level", "sequence"), [(10**9, 0), (-(10**9), 0), (0, 36**9), (10**15, 36**6)], ids=lambda number: f"{number:.0e}"
)
def test_an_id_that_could_not_be_read_back_is_refused(level: int, sequence: int) -> None:
    with pytest.raises(ValueError, match="client order id"):
        encode(ClientId("Ab3x", level, Side.BUY, sequence))


def test_a_negative_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="counts up from 0"):
        encode(ClientId("Ab3x", 0, Side.BUY, -1))


@pytest.mark.parametrize("instance", ["abc", "abcde", "ab-d", "ab٣d"])
def test_an_instance_of_another_shape_is_refused(instance: str) -> None:
    with pytest.raises(ValueError, match="does not tell"):
        encode(ClientId(instance, 3, Side.SELL, 12))


@pytest.mark.parametrize(
    "text", [None, "", "web_1234", "Ab3xP1B", "Ab3xQ1B0", "Ab3xP1X0", "Ab3xP1B0Z", "Ab3xP٣B0", "x"]
)
def test_what_is_not_ours_is_not_read(text: str | None) -> None:
    assert decode(text) is None


def test_instances_are_four_characters_and_drawn() -> None:
    drawn = {new_instance() for _ in range(50)}
    assert len(drawn) > 45
    assert all(re.fullmatch(r"[A-Za-z0-9]{4}", each) for each in drawn)
