"""`opensqt-mm check`: the whole preflight, and nothing sent that changes anything."""

from collections.abc import Sequence

from opensqt_core.clock import SystemClock
from opensqt_mm.loading import Loaded
from opensqt_mm.preflight import Finding
from opensqt_mm.preparation import prepare
from opensqt_mm.state import State


async def check_settings(loaded: Loaded) -> Sequence[Finding]:
    """Return every rule's finding on the account as it is now. Raises `StartRefused`."""
    async with loaded.driver.open(loaded.settings.venue) as exchange:
        prepared = await prepare(loaded, exchange, State(), SystemClock(), wait=False)
    return prepared.findings
