"""Who may import whom, and what keeps distributions apart."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"opensqt_\w+")

DISTRIBUTIONS = sorted(path.parent for path in ROOT.glob("**/pyproject.toml") if ".venv" not in path.parts)
DISTRIBUTIONS = [path for path in DISTRIBUTIONS if path != ROOT]

MAY_IMPORT = {
    "opensqt_core": set[str](),
    "opensqt_exchanges": {"opensqt_core"},
    "opensqt_mm": {"opensqt_core"},
    "opensqt_live": {"opensqt_core"},
    "opensqt_sim": {"opensqt_core"},
}


def project(distribution: Path) -> dict[str, object]:
    return tomllib.loads((distribution / "pyproject.toml").read_text())


def sources(distribution: Path) -> Iterator[Path]:
    yield from sorted((distribution / "src").rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def module_of(distribution: Path) -> str:
    settings = project(distribution)["tool"]["uv"]["build-backend"]  # type: ignore[index]
    return str(settings["module-name"])


def test_there_are_distributions() -> None:
    assert len(DISTRIBUTIONS) >= 5


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: path.name)
def test_a_room_imports_only_what_the_design_allows(distribution: Path) -> None:
    module = module_of(distribution)
    top = module.partition(".")[0]
    wrong = []
    for path in sources(distribution):
        for name in imported(path):
            other = name.partition(".")[0]
            if OURS.fullmatch(other) is None or other in MAY_IMPORT[top]:
                continue
            if not (name == module or name.startswith(module + ".")):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


@pytest.mark.parametrize("room", ["opensqt_core", "opensqt_mm", "opensqt_live"])
def test_daemons_and_core_never_name_a_venue(room: str) -> None:
    distribution = ROOT / room
    venue = re.compile(r"==\s*[\"'](binance|bitget|gate|okx|bybit)[\"']")
    wrong = [str(path.relative_to(ROOT)) for path in sources(distribution) if venue.search(path.read_text())]
    assert not wrong


def test_the_namespace_of_venues_has_no_module_of_its_own() -> None:
    assert not list(ROOT.glob("opensqt_exchanges/**/opensqt_exchanges/__init__.py"))
    assert not (ROOT / "opensqt_exchanges/__init__.py").exists()


def test_all_distributions_have_one_version_and_pin_their_siblings_to_it() -> None:
    versions = {str(project(path)["project"]["version"]) for path in DISTRIBUTIONS}  # type: ignore[index]
    assert len(versions) == 1
    version = versions.pop()
    for path in DISTRIBUTIONS:
        for dependency in project(path)["project"]["dependencies"]:  # type: ignore[index]
            if str(dependency).startswith("opensqt-"):
                assert str(dependency).endswith(f"=={version}"), f"{path.name}: {dependency}"


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda path: path.name)
def test_a_distribution_imports_when_it_is_installed_alone(distribution: Path, tmp_path: Path) -> None:
    """With its declared dependencies and none of its siblings that it does not declare."""
    uv = str(Path(sys.executable).with_name("uv"))
    target = tmp_path / "alone"
    python = str(target / "bin/python")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(target)], check=True, cwd=tmp_path)
    needs = [str(ROOT / "opensqt_core")] if distribution.name != "opensqt_core" else []
    install = [uv, "pip", "install", "--quiet", "--python", python, "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*install, *needs, str(distribution)], check=True, cwd=tmp_path)
    module = module_of(distribution)
    modules = [
        ".".join(path.relative_to(distribution / "src").with_suffix("").parts).removesuffix(".__init__")
        for path in sources(distribution)
        if path.stem != "__main__"
    ]
    assert module in modules
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)
    done = subprocess.run([python, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_committed_names_a_package_registry_or_a_lock_of_one() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert "uv.lock" not in tracked
    host = re.compile(r"(pypi\.org|pythonhosted|registry\.npmjs|deb\.debian)")
    wrong = []
    for name in tracked:
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        if host.search(path.read_text(errors="ignore")) or (
            name.endswith("package-lock.json") and '"resolved"' in path.read_text()
        ):
            wrong.append(name)
    assert not wrong
