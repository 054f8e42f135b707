"""From a settings file to checked settings and the driver they name."""

import hashlib
from pathlib import Path

import attrs

from opensqt_core.config import SettingsError, SettingsFile
from opensqt_core.drivers import UnknownExchange, find_drivers
from opensqt_core.exchange import Driver
from opensqt_mm.exits import ExitStatus, StartRefused
from opensqt_mm.settings import (
    ExchangeSettings,
    LimitSettings,
    LoggingSettings,
    Settings,
    StateSettings,
    SupervisionSettings,
    SystemSettings,
    TradingSettings,
)


@attrs.frozen
class Loaded:
    """Settings that passed every check, the driver, and the file they came from."""

    settings: Settings
    driver: Driver
    path: Path


def settings_hash(settings: Settings) -> str:
    """Return a short hash of everything but the venue's block, which holds secrets."""
    text = repr(attrs.evolve(settings, venue=None))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def load(path: Path) -> Loaded:
    """Read a settings file.

    Raises `StartRefused` with every fault in it, one line each.
    """
    try:
        file = SettingsFile.read(path)
        exchange = file.section("exchange", ExchangeSettings)
        trading = file.section("trading", TradingSettings)
        system = file.section("system", SystemSettings)
        limits = file.section("limits", LimitSettings)
        supervision = file.section("supervision", SupervisionSettings)
        state = file.section("state", StateSettings)
        logging = file.section("logging", LoggingSettings)
        drivers = find_drivers()
        if exchange is None:
            for name in drivers.names:
                file.ignore(name)
            file.finish()
            raise AssertionError("finish() raises when a section has faults")
        driver = drivers.get(exchange.name)
        venue = file.section(exchange.name, driver.settings)
        file.finish()
    except SettingsError as error:
        raise StartRefused(ExitStatus.USER_MISTAKE, *error.faults) from error
    except UnknownExchange as error:
        raise StartRefused(ExitStatus.USER_MISTAKE, f"{path}: exchange.name: {error}") from error
    if trading is None or system is None or limits is None or supervision is None or state is None or logging is None:
        raise AssertionError("finish() raises when a section has faults")
    settings = Settings(
        exchange=exchange,
        venue=venue,
        trading=trading,
        system=system,
        limits=limits,
        supervision=supervision,
        state=state,
        logging=logging,
    )
    return Loaded(settings, driver, path)
