"""Shows an audience what a market maker does.

Pure: `candles`, `orders`, `snapshot`, `outbox`, `hub`, `wire`, `admission`. `candle_feed` and `account_feed` bring what
a venue says to the hub; `server` hands the hub's frames to browsers; `daemon` nests it all.
"""

__version__ = "0.1.0"
