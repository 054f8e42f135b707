"""The layout of a journal's SQLite file, and how an older file becomes today's."""

import apsw

APPLICATION_ID = 0x6F707371
"""`opsq`: tells `file` and us that this is a journal and not some other SQLite file."""

VERSION = 1
"""`PRAGMA user_version` of today's layout."""

_MIGRATIONS: dict[int, str] = {
    1: """
    CREATE TABLE events (
        seq  INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        body TEXT NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE snapshots (
        seq    INTEGER PRIMARY KEY,
        format INTEGER NOT NULL,
        body   TEXT NOT NULL
    ) STRICT;
    """,
}
"""What leads to each version from the one before it."""


class JournalError(Exception):
    """The file is not a journal, or not one that this version can use. The message names the file and the mend."""


def check(connection: apsw.Connection, name: str) -> int:
    """Return the file's schema version.

    Raises:
        JournalError: it is no journal, or one of a newer version.
    """
    try:
        application: int = connection.pragma("application_id")
        version: int = connection.pragma("user_version")
        empty = connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    except apsw.NotADBError as error:
        raise JournalError(f"{name}: is not an SQLite file; name another one in [state] journal") from error
    if application != APPLICATION_ID and not (empty and application == 0):
        raise JournalError(f"{name}: is an SQLite file, but not a journal; name another one in [state] journal")
    if version > VERSION:
        raise JournalError(f"{name}: has schema {version}, this version reads up to {VERSION}; update opensqt")
    return version


def migrate(connection: apsw.Connection, name: str) -> None:
    """Bring a file of any older version, or an empty one, to `VERSION`, each step in a transaction of its own."""
    version = check(connection, name)
    for step in range(version + 1, VERSION + 1):
        with connection:
            connection.execute(_MIGRATIONS[step])
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", step)
