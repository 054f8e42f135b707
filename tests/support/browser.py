"""Chromium and the page, for tests that assert on what is drawn; a plugin of pytest."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from fake_live import FakeLive

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WEB = Path(__file__).parents[2] / "web"
BUILT = WEB.parent / "opensqt_live/src/opensqt_live/page"
V1 = WEB.parent / "tests/web/fixtures/v1"
CHART_LIBRARY = WEB / "node_modules/lightweight-charts/dist"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WATCH_POLICY = """
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => {
      window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
    });
"""


def skip(missing: str, command: str) -> None:
    """Skip a test that lacks something, or fail it where skips are forbidden."""
    reason = f"{missing} is missing: {command}"
    if os.environ.get("OPENSQT_FORBID_SKIPS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """A browser, found by $CHROMIUM or on the PATH."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        skip("Chromium", "apt-get install -y chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("Playwright", "make install")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, built from what is in `web` now; where its tools are not installed, the one that was built last."""
    node = shutil.which("node")
    if node is not None and CHART_LIBRARY.is_dir():
        folder = tmp_path_factory.mktemp("page")
        subprocess.run([node, WEB / "tools/build.mjs", folder], check=True, timeout=120)
        return folder
    if not (BUILT / "live.html").is_file():
        skip("The built page", "npm --prefix web ci && npm --prefix web run build")
    return BUILT


def v1_server() -> FakeLive:
    """Serve a page that follows v1 of the contract and nothing more."""
    if not CHART_LIBRARY.is_dir():
        skip("lightweight-charts", "npm --prefix web ci")
    return FakeLive({"/library/": CHART_LIBRARY, "/coin.mp3": WEB / "public/coin.mp3", "/": V1})


@attrs.define(eq=False)
class Viewer:
    """A page in the browser, and what it complained about."""

    page: "Page"
    complaints: list[str] = attrs.field(factory=list)
    """Errors on the console and uncaught exceptions."""

    def text(self, name: str) -> str:
        """Return what the element of this `data-testid` shows."""
        return self.page.get_by_test_id(name).inner_text()

    def value(self, name: str) -> str | None:
        """Return the exact decimal behind what an element shows."""
        return self.page.get_by_test_id(name).get_attribute("data-value")

    def drawn(self) -> Any:
        """Return what the chart's library holds: candles, lines, markers."""
        return self.page.evaluate("window.opensqt.drawn")

    def until(self, expression: str, timeout_ms: float = 10_000) -> None:
        """Wait until a JavaScript expression is true. The policy forbids eval in the page, so Python asks again."""
        remaining = timeout_ms
        while not self.page.evaluate(expression):
            if remaining <= 0:
                raise TimeoutError(f"{expression}; the page shows: {self.page.inner_text('body')}")
            self.page.wait_for_timeout(25)
            remaining -= 25

    def until_text(self, name: str, text: str) -> None:
        """Wait until an element shows a text."""
        self.until(f"document.querySelector('[data-testid=\"{name}\"]').textContent.includes({text!r})")

    @property
    def violations(self) -> list[str]:
        """What the Content-Security-Policy blocked."""
        found: list[str] = self.page.evaluate("window.violations")
        return found


Opener = Callable[..., Viewer]


@pytest.fixture
def view(chromium: "Browser") -> Iterator[Opener]:
    """Open an address; keyword arguments are those of Playwright's `new_context`."""
    contexts = []

    def open_page(address: str, **options: Any) -> Viewer:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        viewer = Viewer(page)
        page.add_init_script(WATCH_POLICY)
        page.on("console", lambda said: viewer.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: viewer.complaints.append(str(error)))
        page.goto(address)
        return viewer

    yield open_page
    for context in contexts:
        context.close()
