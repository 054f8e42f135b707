"""Settings files: TOML, `${VARIABLE}` from the environment, typed sections, and every fault at once.

    file = SettingsFile.read("mm.toml")
    trading = file.section("trading", TradingSettings)
    risk = file.section("risk_control", RiskSettings, required=False)
    file.finish()  # raises SettingsError with all faults; afterwards `trading` is not None

Sections are attrs classes. Money and prices are `Decimal`: TOML's floats are read as such, without a detour.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

import attrs
import tomli

from opensqt_core._structure import (
    Expanded,
    describe,
    join,
    nearest,
    spellings_of,
    structure_table,
    unknown_key,
)
from opensqt_core.log import redact

T = TypeVar("T")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class SettingsError(Exception):
    """Everything that is wrong with a settings file; `faults` has one line each, without secrets."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class SettingsFile:
    """One settings file, read section by section."""

    def __init__(self, path: Path | str, tables: Mapping[str, Any]) -> None:
        self._path = path
        self._tables = tables
        self._sections: dict[str, type[Any] | None] = {}
        self._faults: list[str] = []
        self._unknown: list[tuple[str, str, type[Any]]] = []

    @classmethod
    def read(cls, path: Path | str) -> "SettingsFile":
        """Read and parse a file. Raises `SettingsError` if it is missing, unreadable or not TOML (naming the line)."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
        except UnicodeDecodeError as error:
            raise SettingsError([f"{path}: is not UTF-8 text"]) from error
        try:
            return cls(path, tomli.loads(text, parse_float=Decimal))
        except tomli.TOMLDecodeError as error:
            raise SettingsError([f"{path}: is not TOML: {error}"]) from error

    def section(self, name: str, cls: type[T], *, required: bool = True) -> T | None:
        """Return the section `name` (dots lead into tables of tables) as a `cls`.

        A section that is absent counts as empty, so that one whose keys all have defaults may be left out; with
        `required=False` it is None. None is also returned for a section with faults, which `finish` raises: call it
        before using any section.

        Keys are the fields' names; `metadata={"alias": "other_name"}` admits another spelling. What `attrs` validators
        and `__attrs_post_init__` object to (`ValueError`) is reported like any other fault.
        """
        self._sections[name] = cls
        table = self._lookup(name)
        if table is None and not required:
            return None
        if not isinstance(table, Mapping | None):
            self._fault(name, "expected a table")
            return None
        before = len(self._faults)
        expanded = self._expand(name, table or {})
        if len(self._faults) > before:
            return None
        structured = structure_table(expanded, cls)
        for path, text in structured.faults:
            self._fault(join(name, path), text)
        self._unknown.extend((name, key, cls) for key in structured.unknown)
        return cast(T | None, structured.value)

    def ignore(self, name: str) -> None:
        """Leave a section to somebody else who reads the same file: it is not unknown."""
        self._sections[name] = None

    def has(self, name: str) -> bool:
        """Whether the file has a section of this name."""
        return self._lookup(name) is not None

    def finish(self) -> None:
        """Raise `SettingsError` with all faults of all sections, unknown keys and sections included, if any."""
        faults = list(self._faults)
        for name, key, cls in self._unknown:
            if not self._claimed(join(name, key)):
                path, text = unknown_key(key, cls)
                faults.append(f"{self._path}: {join(name, path)}: {text}")
        faults.extend(self._strangers("", self._tables))
        if faults:
            raise SettingsError([redact(fault) for fault in faults])

    def _lookup(self, name: str) -> Any:
        found: Any = self._tables
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return None
            found = found[part]
        return found

    def _claimed(self, name: str) -> bool:
        return any(section == name or section.startswith(f"{name}.") for section in self._sections)

    def _strangers(self, prefix: str, tables: Mapping[str, Any]) -> list[str]:
        """Return a fault for each key outside every section that was asked for."""
        faults = []
        inside = f"{prefix}." if prefix else ""
        siblings = [name.removeprefix(inside).split(".")[0] for name in self._sections if name.startswith(inside)]
        for key, value in tables.items():
            name = join(prefix, key)
            if name in self._sections:
                continue
            if self._claimed(name) and isinstance(value, Mapping):
                faults.extend(self._strangers(name, value))
            else:
                kind = "section" if isinstance(value, Mapping) else "key"
                faults.append(f"{self._path}: {name}: unknown {kind}{nearest(key, siblings)}")
        return faults

    def _fault(self, path: str, text: str) -> None:
        self._faults.append(f"{self._path}: {path}: {text}")

    def _expand(self, path: str, value: Any) -> Any:
        """Return `value` with `${NAME}` and `${NAME:-default}` replaced in every text inside it."""
        match value:
            case Mapping():
                return {key: self._expand(join(path, key), item) for key, item in value.items()}
            case list():
                return [self._expand(f"{path}[{position}]", item) for position, item in enumerate(value)]
            case str() if "${" in value:
                return self._expand_text(path, value)
            case _:
                return value

    def _expand_text(self, path: str, template: str) -> Expanded:
        def replace(match: re.Match[str]) -> str:
            name, default = match.groups()
            text = os.environ.get(name)
            if text or (text is not None and default is None):
                return text
            if default is None:
                self._fault(path, f"environment variable {name} is not set")
            return default or ""

        text = _VARIABLE.sub(replace, template)
        if "${" in _VARIABLE.sub("", template):
            self._fault(path, "expected ${NAME} or ${NAME:-default}")
        return Expanded.of(text, " and ".join(f"${{{match[1]}}}" for match in _VARIABLE.finditer(template)))


def one_of(*choices: str) -> Callable[[Any, "attrs.Attribute[Any]", str], None]:
    """Return an attrs validator that admits these texts only, and says so readably."""

    def validate(_instance: Any, _field: "attrs.Attribute[Any]", value: str) -> None:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}, got {value!r}{nearest(str(value), choices)}")

    return validate


def hint(cls: type[Any]) -> str:
    """Return a section's keys as TOML comments would explain them, one line each: default, or what is expected."""
    attrs.resolve_types(cls)
    lines = []
    for field in attrs.fields(cls):
        if field.init:
            key, *others = spellings_of(field)
            also = f", also {', '.join(others)}" if others else ""
            default = "required" if field.default is attrs.NOTHING else f"default {_show_default(field.default)}"
            lines.append(f"{key}: {describe(field.type)}; {default}{also}")
    return "\n".join(lines)


def _show_default(default: Any) -> str:
    if hasattr(default, "takes_self"):  # an attrs factory, whose class attrs shows type checkers as a function
        return "made from other keys" if default.takes_self else _show_default(default.factory())
    match default:
        case None:
            return "none"
        case bool():
            return "true" if default else "false"
        case str():
            return f'"{default}"'
        case _:
            return str(default)
