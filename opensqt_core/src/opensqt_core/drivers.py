"""Finds the installed drivers by entry point. Nothing is imported before it is asked for.

A broken plugin is named and skipped; it never stops a daemon that does not use it.
"""

import importlib.metadata
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType

import attrs
import structlog

from opensqt_core.exchange import API_VERSION, Driver

GROUP = "opensqt.exchanges"

_log = structlog.get_logger()


class UnknownExchange(Exception):
    """No driver of that name can be used. The message says which can, and what to install or mend."""


@attrs.frozen
class BrokenDriver:
    """A driver that is installed and cannot be used."""

    name: str
    distribution: str
    version: str
    reason: str


class DriverCatalogue:
    """The installed drivers by name."""

    def __init__(self, entry_points: Mapping[str, EntryPoint], broken: Mapping[str, BrokenDriver]) -> None:
        self._entry_points = dict(entry_points)
        self._broken = dict(broken)
        self._drivers: dict[str, Driver] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What is installed and not known to be broken, sorted; imports nothing."""
        return tuple(sorted(name for name in self._entry_points if name not in self._broken))

    @property
    def drivers(self) -> Mapping[str, Driver]:
        """Those loaded so far by `get` or `load_all`."""
        return MappingProxyType(self._drivers)

    @property
    def broken(self) -> Mapping[str, BrokenDriver]:
        """Those found broken so far: by `find_drivers` if two have one name, else when loaded."""
        return MappingProxyType(self._broken)

    def get(self, name: str) -> Driver:
        """Return a driver, importing it if need be. Raises `UnknownExchange`."""
        if name in self._entry_points and name not in self._drivers and name not in self._broken:
            self._load(name, self._entry_points[name])
        if name in self._drivers:
            return self._drivers[name]
        broken = self._broken.get(name)
        if broken is not None:
            raise UnknownExchange(
                f"exchange {name} cannot be used: {broken.distribution} {broken.version} is broken: {broken.reason}"
            )
        raise UnknownExchange(
            f"no driver for exchange {name}; installed: {', '.join(self.names) or 'none'}. "
            f"Try: pip install opensqt-exchanges-{name}"
        )

    def load_all(self) -> None:
        """Import every driver, so that `drivers` and `broken` are complete."""
        for name in self.names:
            if name not in self._drivers:
                self._load(name, self._entry_points[name])

    def _load(self, name: str, entry_point: EntryPoint) -> None:
        try:
            driver = entry_point.load()
        except Exception as error:  # noqa: BLE001 - importing somebody else's code may raise anything
            _log.warning("broken driver", exchange=name, exc_info=True)
            reason: str | None = f"{type(error).__name__}: {error}"
        else:
            reason = _fault(name, driver)
        if reason is None:
            self._drivers[name] = driver
        else:
            self._broken[name] = _broken(entry_point, reason)


def find_drivers() -> DriverCatalogue:
    """List the installed drivers without importing any. Two of one name are both unusable, and named."""
    entry_points: dict[str, EntryPoint] = {}
    broken: dict[str, BrokenDriver] = {}
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        name = entry_point.name
        other = entry_points.setdefault(name, entry_point)
        if other is not entry_point:
            both = f"{_distribution(other)[0]} and {_distribution(entry_point)[0]}"
            broken[name] = _broken(entry_point, f"installed by both {both}; remove one")
    return DriverCatalogue(entry_points, broken)


def _fault(name: str, driver: object) -> str | None:
    if not isinstance(driver, Driver):
        missing = [part for part in _DRIVER_PARTS if not hasattr(driver, part)]
        return f"its entry point is not a driver: {type(driver).__name__} has no {', '.join(missing)}"
    if driver.api_version != API_VERSION:
        return f"it is written for driver interface {driver.api_version}, this is {API_VERSION}"
    if driver.name != name:
        return f"it calls itself {driver.name}"
    if not attrs.has(driver.settings):
        return "its settings are not an attrs class"
    return None


_DRIVER_PARTS = ("name", "title", "api_version", "settings", "capabilities", "open")


def _distribution(entry_point: EntryPoint) -> tuple[str, str]:
    found = entry_point.dist
    return ("an unknown distribution", "") if found is None else (found.name, found.version)


def _broken(entry_point: EntryPoint, reason: str) -> BrokenDriver:
    return BrokenDriver(entry_point.name, *_distribution(entry_point), reason)
