import random

from hypothesis import given
from hypothesis import strategies as st

from opensqt_core.backoff import Backoff


@given(seed=st.integers(), lived=st.lists(st.floats(0, 59), max_size=200))
def test_pauses_stay_below_a_doubling_capped_ceiling(seed: int, lived: list[float]) -> None:
    backoff = Backoff(random.Random(seed))
    for failures, seconds in enumerate(lived):
        assert 0 <= backoff.after(seconds) <= min(30.0, 0.25 * 2**failures)


@given(seed=st.integers(), failures=st.integers(0, 5000), lived=st.floats(60, 1e6))
def test_a_good_minute_starts_over(seed: int, failures: int, lived: float) -> None:
    backoff = Backoff(random.Random(seed), failures=failures)
    assert backoff.after(lived) <= 0.25
    assert backoff.after() <= 0.5


def test_pauses_are_spread_out() -> None:
    pauses = [Backoff(random.Random(seed), failures=20).after() for seed in range(200)]
    assert min(pauses) < 3
    assert max(pauses) > 27
