"""A grid market maker for crypto perpetual futures.

`strategy` (ladder, decide), `fold` and `slots` are pure; `engine`, `executor`, `settle` and `daemon` await.
"""

__version__ = "0.1.0"
