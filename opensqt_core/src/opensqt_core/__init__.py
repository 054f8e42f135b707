"""What every OpenSQT distribution shares: types, the driver interface, sessions, supervision, the journal's schema.

Import from the modules themselves (`from opensqt_core.order import Order`): their names say what is in them.
"""

__version__ = "0.1.0"
