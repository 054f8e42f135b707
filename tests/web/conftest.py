"""Chromium, the built page and a fake daemon, for tests that assert on what is drawn."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.web.fake_live import FakeLive, serve

playwright = pytest.importorskip("playwright.sync_api") if not os.environ.get("OPENSQT_FORBID_SKIPS") else None

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
BUILT = ROOT / "opensqt_live/src/opensqt_live/page"
