from typing import Any

import pytest

from opensqt_core.secret import Secret
from opensqt_exchanges.binance import Settings


def test_the_defaults_are_production_without_keys() -> None:
    settings = Settings()
    assert settings.rest_url == "https://fapi.binance.com"
    assert settings.ws_url == "wss://fstream.binance.com"
    assert settings.api_key is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"api_key": Secret("a")}, "secret_key: missing"),
        ({"secret_key": Secret("a")}, "api_key: missing"),
        ({"rest_url": "fapi.binance.com"}, "rest_url: expected an address that starts with https://"),
        ({"ws_url": "https://x"}, "ws_url: expected an address that starts with wss://"),
        ({"ws_public_path": "public"}, "ws_public_path: expected nothing or a path"),
        ({"ws_market_path": "/market/"}, "ws_market_path: expected nothing or a path"),
        ({"recv_window_ms": 60_001}, "recv_window_ms: expected a number from 100 to 60000, got 60001"),
        ({"stale_after": 0}, "stale_after: expected a number from 1 to 600"),
        ({"request_timeout": 0}, "request_timeout"),
    ],
)
def test_faults_are_named(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Settings(**fields)


def test_addresses_lose_their_last_slash_and_routes_may_be_empty() -> None:
    settings = Settings(rest_url="http://127.0.0.1:8000/", ws_private_path="")
    assert settings.rest_url == "http://127.0.0.1:8000"
    assert settings.ws_private_path == ""


def test_keys_do_not_show() -> None:
    assert "hush" not in repr(Settings(api_key=Secret("hush"), secret_key=Secret("hush")))
