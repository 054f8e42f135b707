"""Reading a journal beside its writer, and refusing what is none."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from opensqt_core.journal.codec import FIRST_HASH, UnknownEvent, chain, encode
from opensqt_core.journal.events import CommandGiven, Event
from opensqt_core.journal.reader import JournalReader, open_reader
from opensqt_core.journal.schema import APPLICATION_ID, VERSION, JournalError, check, migrate


def given_commands(count: int, first: int = 1) -> list[Event]:
    """Return numbered events."""
    return [CommandGiven(ms=number, command="pause", who="kim") for number in range(first, first + count)]


class Writer:
    """As much of a journal's writer as a reader can notice."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        migrate(self.connection, str(path))
        self.connection.pragma("journal_mode", "wal")
        self.digest = FIRST_HASH

    def append(self, events: list[Event]) -> None:
        """Commit events."""
        with self.connection:
            for event in events:
                name, body = encode(event)
                self.digest = chain(self.digest, name, body)
                self.connection.execute(
                    "INSERT INTO events (type, body, hash) VALUES (?, ?, ?)", (name, body.decode(), self.digest)
                )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd name #1?%20.sqlite"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    made = Writer(path)
    yield made
    made.connection.close()


@pytest.fixture
def reader(writer: Writer, path: Path) -> Iterator[JournalReader]:
    with open_reader(path) as opened:
        yield opened


def test_events_come_in_order_and_from_any_place(writer: Writer, reader: JournalReader) -> None:
    assert reader.last_seq() == 0
    assert list(reader.entries()) == []
    events = given_commands(5)
    writer.append(events)
    assert [entry.event for entry in reader.entries()] == events
    assert [entry.seq for entry in reader.entries()] == [1, 2, 3, 4, 5]
    assert [entry.seq for entry in reader.entries(after=2)] == [3, 4, 5]
    assert [entry.seq for entry in reader.entries(after=1, limit=2)] == [2, 3]
    assert reader.last_seq() == 5


def test_news_is_noticed_by_a_number(writer: Writer, reader: JournalReader) -> None:
    before = reader.data_version()
    assert reader.data_version() == before
    writer.append(given_commands(1))
    assert reader.data_version() != before


def test_a_long_read_is_one_picture_and_never_stops_the_writer(writer: Writer, reader: JournalReader) -> None:
    writer.append(given_commands(10))
    entries = reader.entries()
    next(entries)
    writer.append(given_commands(3, first=11))
    assert [entry.seq for entry in entries] == list(range(2, 11))
    assert reader.last_seq() == 13


def test_a_reader_cannot_write(reader: JournalReader) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        reader._connection.execute("DELETE FROM events")


def test_the_newest_snapshot_of_a_format_is_found(writer: Writer, reader: JournalReader) -> None:
    assert reader.snapshot(1) is None
    for seq, kind, body in ((5, 1, "five"), (9, 1, "nine"), (12, 2, "other format")):
        writer.connection.execute("INSERT INTO snapshots (seq, format, body) VALUES (?, ?, ?)", (seq, kind, body))
    assert reader.snapshot(1) == (9, "nine")
    assert reader.snapshot(3) is None


def test_a_journal_begins_with_its_creation(writer: Writer, reader: JournalReader) -> None:
    assert reader.created() is None
    writer.append(given_commands(1))
    with pytest.raises(JournalError, match="does not begin with JournalCreated"):
        reader.created()


def test_an_event_of_a_newer_version_is_refused_by_name(writer: Writer, reader: JournalReader) -> None:
    writer.connection.execute("INSERT INTO events (type, body, hash) VALUES ('Later', '{}', x'00')")
    with pytest.raises(UnknownEvent, match="'Later'"):
        list(reader.entries())


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal; it is made by `opensqt-mm run`"), open_reader(path):
        pass
    assert not path.exists()


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"a diary, not a journal" * 100)
    with pytest.raises(JournalError, match="is not an SQLite file"), open_reader(path):
        pass


def test_a_database_that_is_no_journal(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE cats (name TEXT)")
    other.close()
    with pytest.raises(JournalError, match="but not a journal"), open_reader(path):
        pass


def test_a_file_in_which_nothing_was_written_yet(path: Path) -> None:
    path.touch()
    with pytest.raises(JournalError, match="no event yet"), open_reader(path):
        pass


def test_a_journal_of_a_newer_layout(writer: Writer, path: Path) -> None:
    writer.connection.pragma("user_version", VERSION + 1)
    with pytest.raises(JournalError, match=f"reads up to {VERSION}; update opensqt"), open_reader(path):
        pass


def test_a_new_file_is_marked_as_a_journal_and_migrating_again_changes_nothing(path: Path, writer: Writer) -> None:
    writer.append(given_commands(2))
    migrate(writer.connection, str(path))
    assert check(writer.connection, str(path)) == VERSION
    assert writer.connection.pragma("application_id") == APPLICATION_ID
    assert writer.connection.execute("SELECT count(*) FROM events").get == 2


def test_a_reader_lives_on_when_the_writer_has_gone(path: Path) -> None:
    made = Writer(path)
    made.append(given_commands(2))
    with open_reader(path) as reader:
        made.connection.close()
        assert reader.last_seq() == 2
    with open_reader(path) as reader:
        assert reader.last_seq() == 2
