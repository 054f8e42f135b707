"""From a settings file to checked settings and the driver they name."""

from pathlib import Path

import attrs

from opensqt_core.config import SettingsError, SettingsFile
from opensqt_core.drivers import UnknownExchange, find_drivers
from opensqt_core.exchange import Driver
from opensqt_live.exits import StartRefused
from opensqt_live.settings import (
    ExchangeSettings,
    LimitSettings,
    LoggingSettings,
    ServerSettings,
    Settings,
    SupervisionSettings,
    TradingSettings,
)


@attrs.frozen
class Loaded:
    """Settings that passed every check, the driver, and the file they came from."""

    settings: Settings
    driver: Driver
    path: Path


def load(path: Path) -> Loaded:
    """Read a settings file. Raises `StartRefused` with every fault in it, one line each."""
    try:
        file = SettingsFile.read(path)
        exchange = file.section("exchange", ExchangeSettings)
        trading = file.section("trading", TradingSettings)
        server = file.section("server", ServerSettings)
        limits = file.section("limits", LimitSettings)
        supervision = file.section("supervision", SupervisionSettings)
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
        raise StartRefused(*error.faults) from error
    except UnknownExchange as error:
        raise StartRefused(f"{path}: exchange.name: {error}") from error
    if trading is None or server is None or limits is None or supervision is None or logging is None:
        raise AssertionError("finish() raises when a section has faults")
    settings = Settings(
        exchange=exchange,
        venue=venue,
        trading=trading,
        server=server,
        limits=limits,
        supervision=supervision,
        logging=logging,
    )
    return Loaded(settings, driver, path)
