import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensqt_exchanges.binance.signing import encode, signature

SECRET = "SheetSecretBinance0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"

ORDER = [
    ("symbol", "BTCUSDT"),
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTX"),
    ("quantity", "0.010"),
    ("price", "87650.1"),
    ("newClientOrderId", "gw-20261122-000001"),
    ("recvWindow", "5000"),
    ("timestamp", "1795361400123"),
]
BATCH = [
    ("batchOrders", '[{"symbol":"BTCUSDT","side":"SELL","type":"MARKET","quantity":"0.010"}]'),
    ("timestamp", "1795361400123"),
]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (ORDER, "4d38aadde80f118d94fdbee4099398f70fae9e2107893a7e63eb3b101940f9aa"),
        (BATCH, "829ae1e90cf726eff708dfe1765f5cd719ea17258c712aae8947ca9554973f9f"),
        (
            sorted([("apiKey", "SheetKeyBinance0123456789"), *ORDER]),
            "b6717b21b598043535c1aeeecfb928833dce72cd9effe5d66198129f2aa5d737",
        ),
    ],
)
def test_the_documented_vectors(params: list[tuple[str, str]], expected: str) -> None:
    assert signature(encode(params), SECRET) == expected


def test_what_is_signed_is_encoded_first() -> None:
    assert encode(BATCH).startswith("batchOrders=%5B%7B%22symbol%22%3A%22BTCUSDT%22%2C")
    assert encode([("symbol", "币安人生USDT"), ("x", "a b/c~")]) == (
        "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&x=a%20b%2Fc~"
    )


@given(st.text(), st.text(min_size=1))
def test_signatures_verify(payload: str, secret: str) -> None:
    payload = payload.encode("utf-8", "ignore").decode()
    secret = secret.encode("utf-8", "ignore").decode()
    assert signature(payload, secret) == hmac.new(secret.encode(), payload.encode(), "sha256").hexdigest()
