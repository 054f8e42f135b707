"""A grid market maker for crypto perpetual futures."""
