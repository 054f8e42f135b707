"""Where `opensqt-mm status` gets its view: from the running market maker, or from the journal if none runs."""

from pathlib import Path

import msgspec

from opensqt_core.clock import SystemClock
from opensqt_core.journal.reader import JournalReader, open_reader
from opensqt_mm.control import NotRunning, call, socket_path
from opensqt_mm.fold import fold
from opensqt_mm.state import FORMAT, State
from opensqt_mm.table import StatusView


async def current_status(journal: Path) -> StatusView:
    """Return what the market maker says of itself, or what its journal says while it does not run.

    Raises `JournalError` if there is neither.
    """
    try:
        answer = await call(socket_path(journal), "status")
    except NotRunning:
        with open_reader(journal) as reader:
            state = read_state(reader)
        return StatusView.from_state(
            state, decisions=None, book=None, streams={}, now_ms=SystemClock().now_ms(), running=False
        )
    return msgspec.convert(answer, StatusView)


def read_state(reader: JournalReader) -> State:
    """Return the fold of a journal: its newest snapshot and what came after."""
    state, seq = State(), 0
    snapshot = reader.snapshot(FORMAT)
    if snapshot is not None:
        seq, body = snapshot
        state = msgspec.json.decode(body, type=State)
    for entry in reader.entries(after=seq):
        state = fold(state, entry.event)
    return state
