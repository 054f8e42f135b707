"""Driver discovery on distributions that really lie on the path, broken ones among them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opensqt_core.drivers import UnknownExchange, find_drivers

GOOD = """
import attrs
@attrs.frozen
class Settings: ...
class Driver:
    name = "{name}"
    title = "A venue"
    api_version = {version}
    settings = {settings}
    capabilities = None
    def open(self, settings): ...
driver = Driver()
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    monkeypatch.syspath_prepend(str(tmp_path))

    def installer(distribution: str, name: str, module: str, source: str, attribute: str = "driver") -> None:
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[opensqt.exchanges]\n{name} = {module}:{attribute}\n")

    return installer


def good(name: str, version: int = 1, settings: str = "Settings") -> str:
    return GOOD.format(name=name, version=version, settings=settings)


def test_drivers_are_imported_only_when_asked_for(install: Install) -> None:
    install("x-good", "t_good", "t_good_module", good("t_good"))
    install("x-other", "t_other", "t_other_module", "raise SystemExit")
    catalogue = find_drivers()
    assert {"t_good", "t_other"} <= set(catalogue.names)
    assert dict(catalogue.drivers) == {}
    assert "t_good_module" not in sys.modules
    driver = catalogue.get("t_good")
    assert driver.title == "A venue"
    assert catalogue.get("t_good") is driver
    assert dict(catalogue.drivers) == {"t_good": driver}
    assert "t_other_module" not in sys.modules


@pytest.mark.parametrize(
    ("source", "attribute", "reason"),
    [
        ("import no_such_module_of_ours", "driver", "ModuleNotFoundError: No module named 'no_such_module_of_ours'"),
        (good("t_broken"), "drivr", "AttributeError"),
        ("driver = 5", "driver", "its entry point is not a driver: int has no name, title, api_version, settings"),
        (good("t_broken", version=99), "driver", "it is written for driver interface 99, this is 1"),
        (good("t_misnamed"), "driver", "it calls itself t_misnamed"),
        (good("t_broken", settings="int"), "driver", "its settings are not an attrs class"),
    ],
)
def test_a_broken_driver_is_named_and_skipped(install: Install, source: str, attribute: str, reason: str) -> None:
    install("x-broken", "t_broken", "t_broken_module", source, attribute)
    install("x-good", "t_good", "t_good_module", good("t_good"))
    catalogue = find_drivers()
    catalogue.load_all()
    broken = catalogue.broken["t_broken"]
    assert (broken.name, broken.distribution, broken.version) == ("t_broken", "x-broken", "1.2")
    assert broken.reason.startswith(reason)
    assert "t_broken" not in catalogue.names
    assert "t_good" in catalogue.drivers
    with pytest.raises(UnknownExchange, match=r"t_broken cannot be used: x-broken 1\.2 is broken: "):
        catalogue.get("t_broken")


def test_two_of_one_name_are_both_unusable_and_named(install: Install) -> None:
    install("x-one", "t_twice", "t_one_module", good("t_twice"))
    install("x-two", "t_twice", "t_two_module", good("t_twice"))
    catalogue = find_drivers()
    assert "t_twice" not in catalogue.names
    with pytest.raises(UnknownExchange, match=r"installed by both x-(one and x-two|two and x-one); remove one"):
        catalogue.get("t_twice")


def test_an_unknown_exchange_gets_directions(install: Install) -> None:
    install("x-good", "t_good", "t_good_module", good("t_good"))
    with pytest.raises(UnknownExchange, match=r"installed: .*t_good.*pip install opensqt-exchanges-kraken"):
        find_drivers().get("kraken")
