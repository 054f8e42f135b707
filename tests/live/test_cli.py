"""`opensqt-live` as a process: every mistake ends with status 2 and one clear line."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import tomli

from opensqt_live import settings
from opensqt_live.loading import load

BIN = Path(sys.executable).parent
EXAMPLE = Path(__file__).parents[2] / "configs/live_server.toml"
GOOD = """
[exchange]
name = "binance"
[binance]
rest_url = "http://127.0.0.1:1"
[trading]
symbol = "ETHUSDT"
"""


def live(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "opensqt-live", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONSAFEPATH": "1", **env},
    )


def complaint(*arguments: str, **env: str) -> str:
    done = live(*arguments, **env)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "live.toml"
    path.write_text(GOOD)
    return path


def test_help_and_version() -> None:
    assert live("--version").stdout.startswith("opensqt-live, version ")
    assert "[:]PORT" in live("run", "--help").stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"binance"', '"binanse"', "exchange.name: no driver for exchange binanse; installed: "),
        ('"binance"', '"okay"', "pip install opensqt-exchanges-okay"),
        ('symbol = "ETHUSDT"', "", "trading.symbol: missing: expected text"),
        ("[exchange]", "[exchanges]", "exchange.name: missing"),
        ('"ETHUSDT"', "7", "trading.symbol: expected text, got 7"),
        ('"ETHUSDT"', '"ETHUSDT"\nhistory_limit = 1', "history_limit: expected a number from 2 to 1000, got 1"),
        ('"ETHUSDT"', '"ETHUSDT"\nintervall = "1m"', "trading.intervall: unknown key; did you mean interval?"),
        ('"ETHUSDT"', '"ETHUSDT"\ninterval = "2m"', "interval: expected one of 1m, 3m"),
        ('"http://127.0.0.1:1"', '"${OPENSQT_TEST_UNSET}"', "environment variable OPENSQT_TEST_UNSET is not set"),
        ("[trading]", 'api_key = "k"\n[trading]', "secret_key: missing; give both keys"),
        ("[trading]", "[server]\nport = 99999\n[trading]", "port: expected a number from 0 to 65535, got 99999"),
        ("[trading]", "[server]\nenable_auth = true\n[trading]", "this version does not ask who is there"),
        (
            "[trading]",
            '[server]\nallowed_origins = ["*"]\nproduction = true\n[trading]',
            '"*" is not possible with production = true',
        ),
        (
            "[trading]",
            '[server]\nallowed_origins = ["example.org"]\n[trading]',
            "allowed_origins: expected http://host[:port] and no more, got 'example.org'",
        ),
        ("[trading]", '[server]\npublic_url = "https://x.org/live"\n[trading]', "public_url: expected https://host"),
        ("[trading]", '[server]\nallowed_hosts = ["http://x"]\n[trading]', "allowed_hosts: expected a host name"),
        ("[trading]", '[server]\ntrusted_proxies = ["proxy"]\n[trading]', "trusted_proxies: expected an IP address"),
        ("[trading]", "[limits]\nconnections = 0\n[trading]", "connections: expected a number from 1"),
        ("[trading]", "[trading", "is not TOML"),
    ],
)
def test_mistakes_in_the_file(config: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    config.write_text(GOOD.replace(old, new, 1))
    told = complaint("check", "--config", str(config))
    assert words in told
    assert all(line.startswith(f"opensqt-live: {config}: ") for line in told.splitlines())


def test_no_file(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in complaint("run", "--config", str(tmp_path / "none.toml"))


@pytest.mark.parametrize("port", ["x", "70000", "-1", "::1"])
def test_mistakes_in_the_port(config: Path, port: str) -> None:
    assert "expected a port from 0 to 65535" in complaint("run", "--config", str(config), f"--port={port}")


def test_a_venue_that_is_not_there(config: Path) -> None:
    words = f"{config}: binance: the exchange can't be reached: "
    (line,) = complaint("check", "--json", "--config", str(config)).splitlines()
    assert words in line
    # Before the verdict, the log tells what was tried.
    assert words in complaint("run", "--config", str(config), "--port", ":0").splitlines()[-1]


def test_a_taken_port(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (line,) = complaint("run", "--config", str(config), "--port", f":{port}").splitlines()
    assert line == (
        f"opensqt-live: server.port: cannot listen on 127.0.0.1:{port}: the port is taken; "
        "choose another with --port or [server] port"
    )


def _uncommented(text: str) -> str:
    """Return the example with every key that it shows as a comment."""
    lines = []
    for line in text.splitlines():
        key = line.removeprefix("# ")
        lines.append(key if line.startswith("# ") and " = " in key else line)
    return "\n".join(lines)


def test_the_example_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    env = {"BINANCE_API_KEY": "key-for-the-example", "BINANCE_SECRET_KEY": "secret-for-the-example"}
    text = EXAMPLE.read_text()
    full = tmp_path / "full.toml"
    full.write_text(_uncommented(text))
    tables: dict[str, dict[str, Any]] = tomli.loads(full.read_text())
    sections = {
        "exchange": settings.ExchangeSettings,
        "trading": settings.TradingSettings,
        "server": settings.ServerSettings,
        "limits": settings.LimitSettings,
        "supervision": settings.SupervisionSettings,
        "logging": settings.LoggingSettings,
    }
    assert set(tables) == {*sections, "binance"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        as_shown, bare = load(full), load(EXAMPLE)
    assert as_shown.settings == bare.settings
    for name, cls in {**sections, "binance": bare.driver.settings}.items():
        assert set(tables[name]) == {field.name for field in attrs.fields(cls)}, name
