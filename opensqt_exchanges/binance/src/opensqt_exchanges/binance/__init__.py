"""Binance USD-M futures for OpenSQT."""

from opensqt_exchanges.binance.driver import driver
from opensqt_exchanges.binance.settings import Settings

__all__ = ["Settings", "driver"]
