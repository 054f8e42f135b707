"""Writing the journal: durable before anything acts on it, one transaction for each batch of events.

`JournalFile` is plain and synchronous. The daemon calls it in a thread (`ThreadJournal`); under virtual time it is
called in line (`InlineJournal`), because a mock clock does not see threads.
"""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import apsw
import msgspec
import trio

from opensqt_core.journal.codec import FIRST_HASH, UnknownEvent, chain, decode, encode
from opensqt_core.journal.events import Event
from opensqt_core.journal.schema import JournalError, migrate
from opensqt_mm.fold import fold
from opensqt_mm.state import FORMAT, State

SNAPSHOT_EVERY = 5_000
"""Events between snapshots of the fold: a start replays at most this many."""
_KEEP_SNAPSHOTS = 2
_ONE = array("i", [1])


class Journal(Protocol):
    """What the engine writes to."""

    async def append(self, events: Sequence[Event], state: State) -> None:
        """Return when `events` are as durable as was asked for. `state` is the fold including them."""
        ...


class JournalFile:
    """An open journal; the only writer of its file."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").get
        self._seq: int = row[0] if row else 0
        self._hash: bytes = row[1] if row else FIRST_HASH
        self._snapshot_seq: int = connection.execute("SELECT coalesce(max(seq), 0) FROM snapshots").get

    def load(self) -> State:
        """Return the fold of everything in the file: newest usable snapshot, then what came after it.

        Raises `JournalError` naming the event that cannot be read.
        """
        state, seq = State(), 0
        row = self._connection.execute(
            "SELECT seq, body FROM snapshots WHERE format = ? ORDER BY seq DESC LIMIT 1", (FORMAT,)
        ).get
        if row is not None:
            state, seq = msgspec.json.decode(row[1], type=State), row[0]
        rows = self._connection.execute("SELECT seq, type, body FROM events WHERE seq > ? ORDER BY seq", (seq,))
        for number, name, body in rows:
            try:
                state = fold(state, decode(name, body))
            except UnknownEvent as error:
                raise JournalError(f"{self._name}: event {number}: {error}") from error
        return state

    def append(self, events: Sequence[Event], state: State) -> None:
        """Write events in one transaction, and now and then a snapshot of the fold that includes them."""
        rows = []
        seq, digest = self._seq, self._hash
        for event in events:
            name, body = encode(event)
            seq, digest = seq + 1, chain(digest, name, body)
            rows.append((seq, name, body.decode(), digest))
        with self._connection:
            self._connection.executemany("INSERT INTO events (seq, type, body, hash) VALUES (?, ?, ?, ?)", rows)
            if seq - self._snapshot_seq >= SNAPSHOT_EVERY:
                self._write_snapshot(seq, state)
        self._seq, self._hash = seq, digest

    def _write_snapshot(self, seq: int, state: State) -> None:
        body = msgspec.json.encode(state).decode()
        self._connection.execute("INSERT INTO snapshots (seq, format, body) VALUES (?, ?, ?)", (seq, FORMAT, body))
        self._connection.execute(
            "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
            (_KEEP_SNAPSHOTS,),
        )
        self._snapshot_seq = seq


@contextmanager
def open_journal(path: Path, durability: str) -> Iterator[JournalFile]:
    """Open or create a journal for writing. The caller holds its lock (see `locks`).

    `durability` is `power` (a commit survives a power cut) or `process` (it survives the end of the process).

    Raises:
        JournalError: not a journal, a newer one, or a place that cannot be written.
    """
    try:
        connection = apsw.Connection(str(path))
    except apsw.CantOpenError as error:
        raise JournalError(f"{path}: cannot be opened for writing ({error}); check [state] journal") from error
    try:
        connection.set_busy_timeout(5_000)
        migrate(connection, str(path))
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full" if durability == "power" else "normal")
        # Readers of another user in a directory they cannot write need -wal and -shm to outlive us.
        connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, _pointer_to_one())
        yield JournalFile(connection, str(path))
    except apsw.ReadOnlyError as error:
        raise JournalError(f"{path}: cannot be written ({error}); check its permissions") from error
    finally:
        connection.close()


def _pointer_to_one() -> int:
    """Return the address of a C int 1, which is what this file control takes. Kept alive by the module."""
    return _ONE.buffer_info()[0]


class ThreadJournal:
    """Commits in a thread of its own, one at a time, so that the event loop goes on during the sync."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._limiter = trio.CapacityLimiter(1)

    async def append(self, events: Sequence[Event], state: State) -> None:
        """Write in the thread. A cancellation never abandons a commit half way."""
        await trio.to_thread.run_sync(self._file.append, events, state, limiter=self._limiter)


class InlineJournal:
    """Commits in line."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    async def append(self, events: Sequence[Event], state: State) -> None:
        """Write at once."""
        self._file.append(events, state)
        await trio.lowlevel.checkpoint()
