"""What all tests share: a browser, and logging of their own.

Settings of property tests: `ci` by default, `deep` with HYPOTHESIS_PROFILE=deep.
"""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["browser"]

_SLOW_MACHINES = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    stateful_step_count=50,
    suppress_health_check=_SLOW_MACHINES,
)
settings.register_profile(
    "deep", deadline=None, max_examples=600, stateful_step_count=80, suppress_health_check=_SLOW_MACHINES
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Undo what a test has set up for logging: the stream it logged to is closed when it ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
