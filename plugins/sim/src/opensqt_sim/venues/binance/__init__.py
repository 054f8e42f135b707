"""Binance USD-M futures (fapi), as documented in November 2026."""

from opensqt_sim.venues.binance.server import BinanceServer as BinanceServer
from opensqt_sim.venues.binance.settings import BinanceSettings as BinanceSettings
