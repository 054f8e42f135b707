"""Logging, with its secrets taken out wherever they hide."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from opensqt_core.log import configure_logging, redact, register_secret
from opensqt_core.secret import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_when_nobody_watches() -> None:
    stream = io.StringIO()
    configure_logging("info", "auto", stream)
    structlog.get_logger().info("order placed", symbol="ETHUSDT", key=Secret("x"))
    structlog.get_logger().debug("too fine")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event["event"] == "order placed"
    assert event["symbol"] == "ETHUSDT"
    assert event["level"] == "info"
    assert event["timestamp"].endswith("Z")
    assert "x" not in event["key"]


def test_text_for_people_on_a_terminal() -> None:
    stream = Terminal()
    configure_logging("debug", "auto", stream)
    structlog.get_logger().debug("order placed", symbol="ETHUSDT")
    assert "order placed" in stream.getvalue()
    assert "{" not in stream.getvalue()


@pytest.mark.parametrize("format_", ["console", "json"])
def test_secrets_are_taken_out_of_fields_events_and_tracebacks(format_: str) -> None:
    hush = 'hush"\\hush'
    register_secret(Secret(hush))
    stream = io.StringIO()
    configure_logging("info", "json" if format_ == "json" else "console", stream)
    log = structlog.get_logger()
    log.info(f"{hush} in the event", field=f"and {hush}", nested=[hush])
    log.error("failed", url="wss://x/ws?listenKey=abc123&x=1", exc_info=ValueError(f"bad key {hush}"))
    text = stream.getvalue()
    assert "hush" not in text
    assert "abc123" not in text
    assert "ValueError: bad key **********" in text


def test_other_libraries_go_the_same_way_and_chatty_ones_are_silenced() -> None:
    register_secret(Secret("topsecret"))
    stream = io.StringIO()
    configure_logging("debug", "json", stream)
    logging.getLogger("hypercorn").warning("token=abc topsecret %s", "x")
    logging.getLogger("httpx").info("HTTP Request: GET https://x/?signature=abc")
    logging.getLogger("httpcore.http11").debug("headers")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event["event"] == "token=********** ********** x"
    assert event["logger"] == "hypercorn"


def test_unknown_levels_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown log level 'loud'"):
        configure_logging("loud")


def test_redact() -> None:
    register_secret(Secret("abc"))
    assert redact("an abc of token=x&listenKey=y z") == "an abc of token=**********&listenKey=********** z"
    register_secret(Secret("longer-secret-1"))
    register_secret(Secret("longer-secret-12"))
    assert redact("longer-secret-12!") == "**********!"
