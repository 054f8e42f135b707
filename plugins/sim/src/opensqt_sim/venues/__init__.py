"""Servers that speak the dialects of real venues in front of a simulated one."""
