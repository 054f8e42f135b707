import attrs
import pytest

from opensqt_core.errors import AuthFailed, Banned, InsufficientMargin, OutcomeUnknown, RateLimited, Rejected
from opensqt_core.rest import RestRequest
from opensqt_core.secret import Secret
from opensqt_exchanges.binance import Settings
from opensqt_exchanges.binance.dialect import BinanceDialect

NOW = 1_795_361_400_123
KEY = "SheetKeyBinance0123456789"
SECRET = "SheetSecretBinance0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
KEYS = Settings(api_key=Secret(KEY), secret_key=Secret(SECRET))
PLACE = RestRequest(
    endpoint="place",
    method="POST",
    path="/fapi/v1/order",
    params=(
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTX"),
        ("quantity", "0.010"),
        ("price", "87650.1"),
        ("newClientOrderId", "gw-20261122-000001"),
    ),
    signed=True,
    write=True,
)
READ = RestRequest(endpoint="order", method="GET", path="/fapi/v1/order", params=(("symbol", "A B"),), signed=True)


class Now:
    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def dialect(now: Now) -> BinanceDialect:
    return BinanceDialect(KEYS, now)


def test_a_placement_goes_out_as_the_sheet_signs_it(dialect: BinanceDialect) -> None:
    wire = dialect.sign(PLACE, NOW)
    assert (wire.method, wire.target) == ("POST", "/fapi/v1/order")
    assert wire.content is not None
    assert wire.content.decode().endswith(
        "&recvWindow=5000&timestamp=1795361400123"
        "&signature=4d38aadde80f118d94fdbee4099398f70fae9e2107893a7e63eb3b101940f9aa"
    )
    assert wire.headers == {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
    assert KEY not in repr(wire)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_read_and_a_cancel_carry_a_query(dialect: BinanceDialect, method: str) -> None:
    wire = dialect.sign(attrs.evolve(READ, method=method), NOW)
    assert wire.target.startswith("/fapi/v1/order?symbol=A%20B&recvWindow=5000&timestamp=1795361400123&signature=")
    assert wire.content is None


def test_the_window_is_the_settings(now: Now) -> None:
    dialect = BinanceDialect(attrs.evolve(KEYS, recv_window_ms=1234), now)
    assert "recvWindow=1234&" in dialect.sign(READ, NOW).target


def test_a_listen_key_needs_the_key_only(dialect: BinanceDialect) -> None:
    wire = dialect.sign(RestRequest(endpoint="listen_key", method="PUT", path="/k", keyed=True), NOW)
    assert (wire.target, wire.content, wire.headers) == ("/k", None, {"X-MBX-APIKEY": KEY})


def test_public_data_needs_nothing(now: Now) -> None:
    public = BinanceDialect(Settings(), now)
    wire = public.sign(RestRequest(endpoint="x", method="GET", path="/x", params=(("a", "1"),)), NOW)
    assert (wire.target, wire.headers) == ("/x?a=1", {})
    with pytest.raises(AuthFailed, match="order needs api_key"):
        public.sign(READ, NOW)


@pytest.mark.parametrize("body", [b'{"serverTime":1}', b"[]", b'{"code":200,"msg":"ok"}', b'{"code":0,"msg":""}', b""])
def test_a_success(dialect: BinanceDialect, body: bytes) -> None:
    assert dialect.error(PLACE, 200, {}, body) is None


def test_a_bare_refusal_with_status_200(dialect: BinanceDialect) -> None:
    error = dialect.error(PLACE, 200, {}, b'{"code":-2019,"msg":"Margin is insufficient."}')
    assert isinstance(error, InsufficientMargin)


def test_a_page_of_a_proxy_is_not_quoted(dialect: BinanceDialect) -> None:
    error = dialect.error(PLACE, 502, {}, b"<html>/fapi/v1/order?signature=abc</html>")
    assert isinstance(error, OutcomeUnknown)
    assert str(error) == "HTTP 502"
    assert isinstance(dialect.error(PLACE, 404, {}, b'{"msg": "\xff"}'), Rejected)


def pause(dialect: BinanceDialect) -> float:
    error = dialect.error(READ, 429, {}, b'{"code":-1003,"msg":"Too many requests."}')
    assert isinstance(error, RateLimited)
    return error.retry_after


def test_pauses_double_up_to_a_minute_and_a_success_ends_that(dialect: BinanceDialect, now: Now) -> None:
    pauses = []
    for _ in range(6):
        pauses.append(pause(dialect))
        now.ms += int(pauses[-1] * 1000)
    assert pauses == [5, 10, 20, 40, 60, 60]
    dialect.error(READ, 200, {}, b"[]")
    assert pause(dialect) == 5


def test_refusals_of_one_burst_are_one(dialect: BinanceDialect, now: Now) -> None:
    assert [pause(dialect), pause(dialect), pause(dialect)] == [5, 5, 5]
    dialect.error(READ, 200, {}, b"[]")  # an answer that was on its way
    now.ms += 5000
    assert pause(dialect) == 10


def test_headers_tell_when(dialect: BinanceDialect, now: Now) -> None:
    error = dialect.error(READ, 429, {"retry-after": "33"}, b"")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 33
    assert isinstance(dialect.error(READ, 418, {"retry-after": "soon"}, b""), Banned)


def test_usage(dialect: BinanceDialect) -> None:
    headers = {"x-mbx-used-weight-1m": "77", "x-mbx-order-count-10s": "3", "x-mbx-order-count-1m": "9", "date": "x"}
    assert dialect.usage(headers) == {"weight": 77, "orders_10s": 3, "orders_1m": 9}
    assert dialect.usage({"x-mbx-used-weight-1m": "many"}) == {}
