"""One writer for a journal, one market maker for a symbol of an account: advisory locks that die with the process."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Locked(Exception):
    """Another process holds the lock; the message says which one."""


@contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on `path` (created if missing) while the block lasts.

    Raises `Locked` at once if another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise Locked(f"{what} is in use by another process (pid {holder}); its lock is {path}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock."""
    if not path.exists():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def journal_lock(journal: Path) -> Path:
    """Return where the lock of a journal is."""
    return journal.with_name(journal.name + ".lock")


def market_lock(venue: str, account: str, symbol: str) -> Path:
    """Return where the lock of a symbol of an account at a venue is: one place for all of this user's processes."""
    return runtime_directory() / f"{venue}-{account}-{symbol}.lock"


def runtime_directory() -> Path:
    """Return this user's directory for locks and sockets; made if missing, closed to others."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    directory = Path(base) / "opensqt" if base else Path(tempfile.gettempdir()) / f"opensqt-{os.getuid()}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
