"""`opensqt-live check`: everything that the start checks, and nothing started."""

from collections.abc import Sequence

from opensqt_live.loading import Loaded
from opensqt_live.preparation import Finding, prepare


async def check_settings(loaded: Loaded) -> Sequence[Finding]:
    """Return what was checked and found fine. Raises `StartRefused`."""
    async with loaded.driver.open(loaded.settings.venue) as opened:
        return (await prepare(loaded, opened.without_trading())).findings
