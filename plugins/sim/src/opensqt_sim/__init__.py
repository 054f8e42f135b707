"""Simulated venues that speak their wire dialects."""
