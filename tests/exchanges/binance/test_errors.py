"""Every row of the venue's table of errors."""

import pytest

from opensqt_core.errors import (
    AuthFailed,
    BadOrder,
    Banned,
    ClockSkew,
    DuplicateClientId,
    ExchangeError,
    InsufficientMargin,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    ReduceOnlyRejected,
    Rejected,
    Unavailable,
    WouldTake,
)
from opensqt_exchanges.binance.errors import CODES, Refusal, explain

NOW = 1_795_361_400_123

BY_CODE: list[tuple[type[ExchangeError], list[int]]] = [
    (AuthFailed, [-1002, -1022, -2014, -2015, -2023, -4109, -4192, -4400, -4401, -4402, -4403]),
    (RateLimited, [-1003, -1008, -1015]),
    (ClockSkew, [-1021, -5028]),
    (OutcomeUnknown, [-1000, -1001, -1006, -1007]),
    (BadOrder, [-1102, -1104, -1105, -1106, -1111, -1116, -1117, -1121, -1128, -1130]),
    (BadOrder, [-4003, -4004, -4005, -4014, -4015, -4016, -4023, -4024, -4120, -4131, -4164]),
    (InsufficientMargin, [-2018, -2019]),
    (WouldTake, [-5022]),
    (ReduceOnlyRejected, [-2022, -4118]),
    (DuplicateClientId, [-4116]),
    (OrderNotFound, [-2011, -2013]),
    (Rejected, [-1125, -2010, -2020, -2021, -2024, -2025, -2027, -2028]),
    (Rejected, [-4046, -4047, -4048, -4059, -4061, -4067, -4068, -4531]),
    (Rejected, [-5021, -5024, -5025, -5026, -5027, -5047]),
]
ROWS = [(code, kind) for kind, codes in BY_CODE for code in codes]


def said(code: int | None, message: str = "no", *, write: bool = True, status: int = 400) -> ExchangeError:
    refusal = Refusal(code=code, message=message, write=write, status=status)
    return explain(refusal, pause=5.0, now_ms=NOW)


@pytest.mark.parametrize(("code", "kind"), ROWS)
def test_a_code(code: int, kind: type[ExchangeError]) -> None:
    error = said(code, "why")
    assert type(error) is kind
    assert error.code == str(code)
    assert str(error) == f"why (code {code})"


def test_the_table_has_no_code_that_is_not_tested() -> None:
    assert sorted(CODES) == sorted(code for code, _ in ROWS)


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007])
def test_a_read_has_no_unknown_outcome(code: int) -> None:
    assert type(said(code, write=False)) is Unavailable


@pytest.mark.parametrize(
    ("status", "message", "on_write", "on_read"),
    [
        (408, "", OutcomeUnknown, Unavailable),
        (500, "", OutcomeUnknown, Unavailable),
        (502, "", OutcomeUnknown, Unavailable),
        (
            503,
            "Unknown error, please check your request or try again later.",
            OutcomeUnknown,
            Unavailable,
        ),
        (503, "Service Unavailable.", Unavailable, Unavailable),
        (503, "", OutcomeUnknown, Unavailable),
        (401, "", AuthFailed, AuthFailed),
        (403, "", AuthFailed, AuthFailed),
        (404, "", Rejected, Rejected),
        (429, "", RateLimited, RateLimited),
        (418, "", Banned, Banned),
    ],
)
def test_a_status(status: int, message: str, on_write: type[ExchangeError], on_read: type[ExchangeError]) -> None:
    assert type(said(None, message, status=status)) is on_write
    assert type(said(None, message, status=status, write=False)) is on_read


def test_a_code_that_is_not_documented() -> None:
    assert type(said(-9999)) is Rejected
    assert type(said(-9999, status=500)) is OutcomeUnknown
    assert type(said(0, "Unknown error, please check", status=503)) is OutcomeUnknown


def test_a_throttled_overload_is_not_an_unknown_outcome() -> None:
    assert type(said(-1008, status=503)) is RateLimited


@pytest.mark.parametrize("status", [400, 418, 429])
def test_a_message_that_tells_the_end_of_a_ban(status: int) -> None:
    error = said(-1003, "Way too many requests; IP(10.0.0.1) banned until 1795361520000. Please use", status=status)
    assert isinstance(error, Banned)
    assert error.until_ms == 1_795_361_520_000


def test_a_ban_without_an_end_lasts_the_shortest_documented_time() -> None:
    error = said(-1003, "Way too many requests", status=418)
    assert isinstance(error, Banned)
    assert error.until_ms == NOW + 120_000


def test_retry_after_counts_where_it_is_given() -> None:
    slow = explain(Refusal(code=None, message="", write=True, status=429, retry_after=17), pause=5.0, now_ms=NOW)
    assert isinstance(slow, RateLimited)
    assert slow.retry_after == 17
    shut = explain(Refusal(code=None, message="", write=True, status=418, retry_after=300), pause=5.0, now_ms=NOW)
    assert isinstance(shut, Banned)
    assert shut.until_ms == NOW + 300_000


def test_a_reply_without_words_is_named_by_its_status() -> None:
    assert str(said(None, "", status=502)) == "HTTP 502"
