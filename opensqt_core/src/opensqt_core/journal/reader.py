"""Reading a journal beside its writer: short transactions on a read-only connection, never in the writer's way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import attrs

from opensqt_core.journal.codec import decode
from opensqt_core.journal.events import Event, JournalCreated
from opensqt_core.journal.schema import VERSION, JournalError, check


@attrs.frozen
class Entry:
    """An event with its place in the journal."""

    seq: int
    event: Event


class JournalReader:
    """A read-only view of a journal, valid while its writer runs, is stopped, or was killed."""

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def created(self) -> JournalCreated | None:
        """Return the journal's first event, or None while it is still empty."""
        for entry in self.entries(limit=1):
            if isinstance(entry.event, JournalCreated):
                return entry.event
            raise JournalError(f"{self._name}: does not begin with JournalCreated")
        return None

    def entries(self, *, after: int = 0, limit: int = -1) -> Iterator[Entry]:
        """Yield events with a sequence number above `after`, in order. Raises `UnknownEvent`."""
        rows = self._connection.execute(
            "SELECT seq, type, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )
        for seq, name, body in rows:
            yield Entry(seq, decode(name, body))

    def last_seq(self) -> int:
        """Return the sequence number of the newest event, 0 if there is none."""
        return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").get)

    def snapshot(self, state_format: int) -> tuple[int, str] | None:
        """Return (sequence number, body) of the newest snapshot of the given format, if there is one."""
        row = self._connection.execute(
            "SELECT seq, body FROM snapshots WHERE format = ? ORDER BY seq DESC LIMIT 1", (state_format,)
        ).get
        return None if row is None else (int(row[0]), str(row[1]))

    def data_version(self) -> int:
        """Return a number that changes when the writer has committed: the cheap way to notice news."""
        return int(self._connection.pragma("data_version"))


@contextmanager
def open_reader(path: Path) -> Iterator[JournalReader]:
    """Open a journal read-only.

    Works for another user in a directory that it cannot write, because the writer keeps `-wal` and `-shm` alive.

    Raises:
        JournalError: no such file, or not a journal this version can read.
    """
    if not path.exists():
        raise JournalError(f"{path}: no such journal; it is made by `opensqt-mm run`")
    try:
        connection = apsw.Connection(
            f"file:{_uri(path)}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    except apsw.CantOpenError as error:
        raise JournalError(f"{path}: cannot be opened ({error}); check its permissions") from error
    try:
        connection.set_busy_timeout(2_000)
        version = check(connection, str(path))
        if version < VERSION:
            written = f"schema {version}" if version else "no event yet"
            raise JournalError(f"{path}: has {written}; `opensqt-mm run` writes today's layout when it starts")
        yield JournalReader(connection, str(path))
    except apsw.CantOpenError as error:
        raise JournalError(
            f"{path}: cannot be read ({error}): its -wal and -shm files are missing and this user may not make them"
        ) from error
    finally:
        connection.close()


def _uri(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
