"""Settings: strict types, all faults at once, no secrets in any of them."""

import enum
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from opensqt_core.config import SettingsError, SettingsFile, hint, one_of
from opensqt_core.secret import Secret


class Durability(enum.StrEnum):
    POWER = "power"
    PROCESS = "process"


@attrs.frozen(kw_only=True)
class Trading:
    symbol: str
    price_interval: Decimal = attrs.field(validator=attrs.validators.gt(Decimal(0)))
    buy_window_size: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    max_held_levels: int = attrs.field(default=100, metadata={"alias": "position_safety_check"})
    on_would_take: str = attrs.field(default="reprice", validator=one_of("reprice", "wait", "take"))
    price_low: Decimal | None = None


@attrs.frozen(kw_only=True)
class Leg:
    name: str
    ratio: float = 1.0


@attrs.frozen(kw_only=True)
class Everything:
    flag: bool = False
    path: Path = Path("mm.sqlite")
    exit: bool | Literal["all", "buys"] = True
    mode: Durability = Durability.POWER
    names: list[str] = attrs.field(factory=list)
    pair: tuple[int, ...] = ()
    legs: Sequence[Leg] = ()
    limits: Mapping[str, int] = attrs.field(factory=dict)
    leg: Leg | None = None
    raw: Any = None
    level: Literal["low", "high"] = "low"
    ratio: float = 0.5
    computed: int = attrs.field(init=False, default=3)


@attrs.frozen(kw_only=True)
class Keys:
    api_key: Secret
    secret_key: Secret = attrs.field(repr=False)
    recv_window: int = 5000


@attrs.frozen(kw_only=True)
class Range:
    low: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    high: int = attrs.field(default=2, validator=attrs.validators.ge(0))

    def __attrs_post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError("low must be below high")


Write = Callable[[str], SettingsFile]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def writer(text: str) -> SettingsFile:
        Path("mm.toml").write_text(text, encoding="utf-8")
        return SettingsFile.read("mm.toml")

    return writer


def faults(file: SettingsFile) -> list[str]:
    with pytest.raises(SettingsError) as error:
        file.finish()
    assert str(error.value) == "\n".join(error.value.faults)
    return list(error.value.faults)


def section(file: SettingsFile, cls: type[Any], name: str = "x") -> Any:
    value = file.section(name, cls)
    file.finish()
    return value


def test_a_section_becomes_its_class_with_exact_decimals(write: Write) -> None:
    file = write('[trading]\nsymbol = "ETHUSDT"\nprice_interval = 1.10\nprice_low = 1200\nbuy_window_size = 5\n')
    trading = file.section("trading", Trading)
    file.finish()
    assert trading == Trading(
        symbol="ETHUSDT", price_interval=Decimal("1.10"), price_low=Decimal(1200), buy_window_size=5
    )
    assert str(trading.price_interval) == "1.10"


def test_every_type_that_settings_use(write: Write) -> None:
    text = """
    [x]
    flag = true
    path = "/var/lib/mm.sqlite"
    exit = "buys"
    mode = "process"
    names = ["a", "b"]
    pair = [1, 2]
    legs = [{name = "l", ratio = 0.25}, {name = "m"}]
    limits = {a = 1}
    leg = {name = "n", ratio = 2}
    raw = [1, "x"]
    level = "high"
    """
    assert section(write(text), Everything) == Everything(
        flag=True,
        path=Path("/var/lib/mm.sqlite"),
        exit="buys",
        mode=Durability.PROCESS,
        names=["a", "b"],
        pair=(1, 2),
        legs=[Leg(name="l", ratio=0.25), Leg(name="m")],
        limits={"a": 1},
        leg=Leg(name="n", ratio=2.0),
        raw=[1, "x"],
        level="high",
    )


def test_all_faults_of_all_sections_come_at_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH", raising=False)
    file = write(
        """
        stray = 1
        [trading]
        price_intervall = 5
        symbol = 7
        buy_window_size = true
        on_would_take = "repricee"
        [x]
        flag = 1
        path = 5
        exit = "sells"
        mode = "powr"
        names = ["a", 1]
        pair = 3
        legs = [{name = "l", ratio = "x"}, {nam = "m"}, 5]
        limits = {a = "b"}
        level = "middle"
        ratio = nan
        [keys]
        api_key = "${NO_SUCH}"
        [tradng]
        """
    )
    assert file.section("trading", Trading) is None
    assert file.section("x", Everything) is None
    assert file.section("keys", Keys) is None
    assert faults(file) == [
        "mm.toml: trading.symbol: expected text, got 7",
        "mm.toml: trading.price_interval: missing: expected a decimal number",
        "mm.toml: trading.buy_window_size: expected a whole number, got true",
        "mm.toml: x.flag: expected true or false, got 1",
        "mm.toml: x.path: expected a path, got 5",
        "mm.toml: x.exit: expected true or false or one of 'all', 'buys', got the text 'sells'",
        "mm.toml: x.mode: expected one of 'power', 'process', got the text 'powr'",
        "mm.toml: x.names[1]: expected text, got 1",
        "mm.toml: x.pair: expected a list, each a whole number, got 3",
        "mm.toml: x.legs[0].ratio: expected a number, got the text 'x'",
        "mm.toml: x.legs[1].name: missing: expected text",
        "mm.toml: x.legs[1].nam: unknown key; did you mean name?",
        "mm.toml: x.legs[2]: expected a table, got 5",
        "mm.toml: x.limits.a: expected a whole number, got the text 'b'",
        "mm.toml: x.level: expected one of 'low', 'high', got the text 'middle'",
        "mm.toml: x.ratio: expected a number, got NaN",
        "mm.toml: keys.api_key: environment variable NO_SUCH is not set",
        "mm.toml: trading.price_intervall: unknown key; did you mean price_interval?",
        "mm.toml: stray: unknown key",
        "mm.toml: tradng: unknown section; did you mean trading?",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("buy_window_size = 0", "trading.buy_window_size: must be >= 1: 0"),
        ('on_would_take = "repric"', "trading.on_would_take: expected one of reprice, wait, take, got 'repric'"),
        ('buy_window_size = "5"', "trading.buy_window_size: expected a whole number, got the text '5'"),
        ("buy_window_size = 5.0", "trading.buy_window_size: expected a whole number, got 5.0"),
        ('price_low = "5"', "trading.price_low: expected a decimal number, got the text '5'"),
        ("price_low = [1]", "trading.price_low: expected a decimal number, got a list"),
        ("price_low = {a = 1}", "trading.price_low: expected a decimal number, got a table"),
        ("price_low = inf", "trading.price_low: expected a decimal number, got Infinity"),
        (f'price_low = "{"x" * 50}"', "trading.price_low: expected a decimal number, got a long text"),
        ('price_low = "${UNCLOSED"', "trading.price_low: expected ${NAME} or ${NAME:-default}"),
        (
            "max_held_levels = 5\nposition_safety_check = 5",
            "trading.position_safety_check: is another name of max_held_levels, which is given too",
        ),
    ],
)
def test_one_fault(write: Write, line: str, fault: str) -> None:
    file = write(f'[trading]\nsymbol = "ETHUSDT"\nprice_interval = 1\n{line}\n')
    assert file.section("trading", Trading) is None
    (only,) = faults(file)
    assert only.startswith(f"mm.toml: {fault}")


def test_all_validators_are_heard(write: Write) -> None:
    file = write('[trading]\nsymbol = "E"\nprice_interval = 0\nbuy_window_size = 0\non_would_take = "x"\n')
    file.section("trading", Trading)
    assert [fault.split(": ")[1] for fault in faults(file)] == [
        "trading.price_interval",
        "trading.buy_window_size",
        "trading.on_would_take",
    ]


def test_what_concerns_several_keys_is_said_of_the_section(write: Write) -> None:
    file = write("[x]\nlow = 5\n[y]\nlow = -1\nhigh = -2\n")
    file.section("x", Range)
    file.section("y", Range)
    assert faults(file) == [
        "mm.toml: x: low must be below high",
        "mm.toml: y.low: must be >= 0: -1",
        "mm.toml: y.high: must be >= 0: -2",
    ]


def test_an_alias_is_another_spelling(write: Write) -> None:
    file = write('[trading]\nsymbol = "E"\nprice_interval = 1\nposition_safety_check = 7\n')
    trading = file.section("trading", Trading)
    file.finish()
    assert trading is not None
    assert trading.max_held_levels == 7


def test_the_environment_fills_texts_numbers_and_secrets(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PRICE", "1.50"), ("SIZE", "7"), ("SYM", "ETH"), ("EMPTY", ""), ("FLAG", "True")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNSET", raising=False)
    file = write(
        """
        [trading]
        symbol = "${SYM}${UNSET:-USDT}${EMPTY}${EMPTY:-!}"
        price_interval = "${PRICE}"
        buy_window_size = "${SIZE}"
        [x]
        flag = "${FLAG}"
        names = ["${SYM}"]
        ratio = "${PRICE}"
        """
    )
    trading, everything = file.section("trading", Trading), file.section("x", Everything)
    file.finish()
    assert trading == Trading(symbol="ETHUSDT!", price_interval=Decimal("1.50"), buy_window_size=7)
    assert type(trading.symbol) is str
    assert everything == Everything(flag=True, names=["ETH"], ratio=1.5)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('price_low = "${OOPS}"', "a decimal number"),
        ('buy_window_size = "${OOPS}"', "a whole number"),
    ],
)
def test_what_came_from_the_environment_is_never_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch, line: str, expected: str
) -> None:
    monkeypatch.setenv("OOPS", "my-secret-key")
    file = write(f'[trading]\nsymbol = "E"\nprice_interval = 1\n{line}\n')
    file.section("trading", Trading)
    (fault,) = faults(file)
    assert fault.endswith(f"expected {expected}, got something else in ${{OOPS}}")


def test_secrets_are_read_and_not_shown(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "the-key-itself")
    file = write('[keys]\napi_key = "${KEY}"\nsecret_key = "the-secret-itself"\nrecv_window = "the-secret-itself"\n')
    assert file.section("keys", Keys) is None
    (fault,) = faults(file)
    assert "the-secret" not in fault
    keys = section(write('[keys]\napi_key = "${KEY}"\nsecret_key = "s"\n'), Keys, "keys")
    assert keys.api_key.reveal() == "the-key-itself"
    assert "itself" not in repr(keys)


@pytest.mark.parametrize("value", ["5", '""', "[1]"])
def test_a_secret_must_be_text(write: Write, value: str) -> None:
    file = write(f'[keys]\napi_key = {value}\nsecret_key = "s"\n')
    file.section("keys", Keys)
    assert faults(file) == ["mm.toml: keys.api_key: expected text (a secret) that is not empty"]


def test_absent_sections(write: Write) -> None:
    file = write("")
    assert file.section("x", Everything) == Everything()
    assert file.section("keys", Keys, required=False) is None
    assert not file.has("keys")
    file.finish()
    file.section("keys", Keys)
    assert [fault.split(": ")[1] for fault in faults(file)] == ["keys.api_key", "keys.secret_key"]


def test_a_section_must_be_a_table(write: Write) -> None:
    file = write("trading = 5")
    assert file.section("trading", Trading) is None
    assert faults(file) == ["mm.toml: trading: expected a table"]


def test_sections_inside_sections(write: Write) -> None:
    text = """
    [exchange]
    name = "binance"
    [exchange.binance]
    low = 0
    [exchange.okx]
    anything = true
    [other.part]
    low = 1
    more = 2
    """
    file = write(text)
    assert file.section("exchange", Leg) == Leg(name="binance")
    assert file.section("exchange.binance", Range) == Range(low=0)
    assert file.section("other.part", Range) == Range()
    assert faults(file) == [
        "mm.toml: exchange.okx: unknown key",
        "mm.toml: other.part.more: unknown key",
    ]
    file.ignore("exchange.okx")
    file.ignore("other.part.more")
    file.finish()
    file = write(text)
    file.section("exchange.binance", Range)
    assert faults(file) == [
        "mm.toml: exchange.name: unknown key",
        "mm.toml: exchange.okx: unknown section",
        "mm.toml: other: unknown section",
    ]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        SettingsFile.read(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[trading]\nsymbol = \n")
    with pytest.raises(SettingsError, match=r"broken\.toml: is not TOML: .*line 2"):
        SettingsFile.read(broken)
    broken.write_bytes(b"x = '\xff'")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        SettingsFile.read(broken)


def test_hint_lists_keys_defaults_and_other_names() -> None:
    assert hint(Trading).splitlines() == [
        "symbol: text; required",
        "price_interval: a decimal number; required",
        "buy_window_size: a whole number; default 10",
        "max_held_levels: a whole number; default 100, also position_safety_check",
        'on_would_take: text; default "reprice"',
        "price_low: a decimal number; default none",
    ]
    assert "flag: true or false; default false" in hint(Everything)
    assert "mode: one of 'power', 'process'; default \"power\"" in hint(Everything)
    assert "names: a list, each text; default []" in hint(Everything)
    assert "computed" not in hint(Everything)
