"""Turns parsed TOML into attrs objects, strictly, and collects every fault instead of stopping at the first."""

import difflib
import enum
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union

import attrs
import cattrs

from opensqt_core.log import register_secret
from opensqt_core.secret import Secret


class Expanded(str):
    """Text that came out of `${...}`: it may become a number, and it is never shown."""

    __slots__ = ("source",)
    source: str

    @classmethod
    def of(cls, text: str, source: str) -> "Expanded":
        """Return `text`, remembering what was written in the file."""
        expanded = cls(text)
        expanded.source = source
        return expanded


class Fault(NamedTuple):
    """One thing that is wrong; `path` is relative to what was structured, `""` for the whole."""

    path: str
    text: str


class Faults(Exception):
    """Everything that is wrong with a value."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


def join(path: str, rest: str) -> str:
    """Append one path to another: `a` and `b` to `a.b`, `a` and `[0]` to `a[0]`."""
    return path + rest if not path or not rest or rest.startswith("[") else f"{path}.{rest}"


class Table(NamedTuple):
    """A structured table: the object, or what is wrong; and the keys nobody knows."""

    value: Any
    faults: list[Fault]
    unknown: list[str]


def structure_table(table: Mapping[str, Any], cls: type[Any]) -> Table:
    """Make a `cls` of `table`. Unknown keys are listed apart: they may be sections of their own."""
    attrs.resolve_types(cls)
    kwargs: dict[str, Any] = {}
    faults: list[Fault] = []
    known: set[str] = set()
    for field in attrs.fields(cls):
        if not field.init:
            continue
        spellings = spellings_of(field)
        known.update(spellings)
        given = [spelling for spelling in spellings if spelling in table]
        if len(given) > 1:
            faults.append(Fault(given[1], f"is another name of {given[0]}, which is given too"))
        elif given:
            try:
                kwargs[field.alias] = _converter.structure(table[given[0]], field.type or Any)
            except Faults as error:
                faults.extend(Fault(join(given[0], path), text) for path, text in error.faults)
        elif field.default is attrs.NOTHING:
            faults.append(Fault(spellings[0], f"missing: expected {describe(field.type)}"))
    value = None
    if not faults:
        value, faults = _construct(cls, kwargs)
    return Table(value, faults, [key for key in table if key not in known])


def spellings_of(field: "attrs.Attribute[Any]") -> list[str]:
    """Return the keys under which a field may be written, its own name first."""
    other = field.metadata.get("alias", ())
    return [field.alias or field.name, *((other,) if isinstance(other, str) else other)]


def nearest(key: str, candidates: Sequence[str]) -> str:
    """Return a hint at the candidate most like `key`, or nothing."""
    close = difflib.get_close_matches(key, candidates, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def unknown_key(key: str, cls: type[Any]) -> Fault:
    """Return the fault of a key that `cls` does not have."""
    candidates = [name for field in attrs.fields(cls) if field.init for name in spellings_of(field)]
    return Fault(key, f"unknown key{nearest(key, candidates)}")


def _construct(cls: type[Any], kwargs: dict[str, Any]) -> tuple[Any, list[Fault]]:
    """Build the object; when a check fails, run the others too, so that all of them are reported."""
    try:
        return cls(**kwargs), []
    except (ValueError, TypeError) as error:
        original = error
    faults: list[Fault] = []
    for field in attrs.fields(cls):
        if field.validator is not None and field.alias in kwargs and field.converter is None:
            try:
                field.validator(None, field, kwargs[field.alias])
            except (ValueError, TypeError) as error:
                faults.append(Fault(field.alias, _message(error, field.name)))
    return None, faults or [Fault("", _message(original))]


def _message(error: Exception, name: str = "") -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.removeprefix(f"'{name}' ")


def describe(kind: Any) -> str:
    """Return what a type expects, for people."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(member) for member in arguments if member is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in arguments)
    if _is_enum(kind):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    if _is_list(kind):
        return f"a list, each {describe(arguments[0])}" if arguments else "a list"
    if _is_mapping(kind) or attrs.has(kind):
        return "a table"
    return _WORDS.get(kind, getattr(kind, "__name__", "a value"))


_WORDS: Mapping[Any, str] = {
    str: "text",
    Path: "a path",
    Secret: "text (a secret)",
    int: "a whole number",
    float: "a number",
    Decimal: "a decimal number",
    bool: "true or false",
    Any: "a value",
}


def _show(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Expanded():
            return f"something else in {value.source}"
        case str():
            return f"the text {value!r}" if len(value) <= 40 else "a long text"
        case Mapping():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)


def _wrong(kind: Any, value: object) -> Faults:
    return Faults([Fault("", f"expected {describe(kind)}, got {_show(value)}")])


def _text(value: Any, kind: Any) -> Any:
    if _is_enum(kind):  # cattrs takes a StrEnum for a str
        return _member(value, kind)
    if not isinstance(value, str):
        raise _wrong(kind, value)
    return kind(value)


def _secret(value: Any, _: Any) -> Secret:
    if not isinstance(value, str) or not value:
        raise Faults([Fault("", "expected text (a secret) that is not empty")])
    secret = Secret(str(value))
    register_secret(secret)
    return secret


def _boolean(value: Any, kind: Any) -> bool:
    if isinstance(value, Expanded) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wrong(kind, value)
    return value


def _whole(value: Any, kind: Any) -> Any:
    if _is_enum(kind):  # and an IntEnum for an int
        return _member(value, kind)
    if isinstance(value, Expanded) and re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(kind, value)
    return value


def _decimal(value: Any, kind: Any) -> Decimal | float:
    """Also for floats: TOML's own are parsed as Decimal."""
    number = value
    if isinstance(value, Expanded):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise _wrong(kind, value) from None
    if not isinstance(number, int | Decimal) or isinstance(number, bool) or not Decimal(number).is_finite():
        raise _wrong(kind, value)
    return float(number) if kind is float else Decimal(number)


def _member(value: Any, kind: Any) -> Any:
    for member in kind:
        if member.value == value and isinstance(value, str) == isinstance(member.value, str):
            return member
    raise _wrong(kind, value)


def _choice(value: Any, kind: Any) -> Any:
    for choice in typing.get_args(kind):
        if choice == value and isinstance(value, bool) == isinstance(choice, bool):
            return choice
    raise _wrong(kind, value)


def _either(value: Any, kind: Any) -> Any:
    for member in typing.get_args(kind):
        if member is type(None):
            continue
        try:
            return _converter.structure(value, member)
        except Faults:
            if isinstance(value, Mapping) and attrs.has(member):
                raise  # the table was meant to be this one, and knows better what is wrong
    raise _wrong(kind, value)


def _list(value: Any, kind: Any) -> Any:
    if not isinstance(value, list):
        raise _wrong(kind, value)
    member = (typing.get_args(kind) or (Any,))[0]
    items: list[Any] = []
    faults: list[Fault] = []
    for position, item in enumerate(value):
        try:
            items.append(_converter.structure(item, member))
        except Faults as error:
            faults.extend(Fault(join(f"[{position}]", path), text) for path, text in error.faults)
    if faults:
        raise Faults(faults)
    origin = typing.get_origin(kind) or kind
    return items if origin in (list, Sequence) else origin(items)


def _mapping(value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(kind, value)
    member = (typing.get_args(kind) or (str, Any))[1]
    items: dict[str, Any] = {}
    faults: list[Fault] = []
    for key, item in value.items():
        try:
            items[key] = _converter.structure(item, member)
        except Faults as error:
            faults.extend(Fault(join(key, path), text) for path, text in error.faults)
    if faults:
        raise Faults(faults)
    return items


def _nested(value: Any, kind: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(kind, value)
    table = structure_table(value, kind)
    faults = table.faults + [unknown_key(key, kind) for key in table.unknown]
    if faults:
        raise Faults(faults)
    return table.value


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _is_list(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (list, tuple, frozenset, set, Sequence)


def _is_mapping(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (dict, Mapping)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (Union, types.UnionType)


def _is_any(kind: Any) -> bool:
    anything: Any = Any
    return kind is anything


def _is_literal(kind: Any) -> bool:
    return typing.get_origin(kind) is Literal


_BY_CLASS: Mapping[type, Callable[[Any, Any], Any]] = {
    str: _text,
    Path: _text,
    Secret: _secret,
    bool: _boolean,
    int: _whole,
    float: _decimal,
    Decimal: _decimal,
}

_BY_SHAPE: Sequence[tuple[Callable[[Any], bool], Callable[[Any, Any], Any]]] = (
    (_is_any, lambda value, _: value),
    (_is_literal, _choice),
    (_is_enum, _member),
    (_is_list, _list),
    (_is_mapping, _mapping),
    (_is_union, _either),
    (attrs.has, _nested),
)

_converter = cattrs.Converter(detailed_validation=False)
for _class, _hook in _BY_CLASS.items():
    _converter.register_structure_hook(_class, _hook)
for _applies, _hook in _BY_SHAPE:
    _converter.register_structure_hook_func(_applies, _hook)
