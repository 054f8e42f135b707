"""Binance USD-M futures for OpenSQT."""
