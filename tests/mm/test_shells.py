"""The small shells around the pure core: adoption, confirmations, locks, the control socket, the journal's writer."""

from decimal import Decimal
from pathlib import Path

import apsw
import pytest
import trio
from tests.mm.given import BUY, CREATED, INSTRUMENT, Story, settings

from opensqt_core.journal.reader import open_reader
from opensqt_core.journal.schema import APPLICATION_ID, JournalError
from opensqt_mm import journal as writing
from opensqt_mm.adoption import adopt
from opensqt_mm.confirmations import Confirmations
from opensqt_mm.control import NotRunning, Refused, call, serve_control, socket_path
from opensqt_mm.fold import fold_all
from opensqt_mm.journal import InlineJournal, ThreadJournal, open_journal
from opensqt_mm.ladder import Ladder
from opensqt_mm.locks import Locked, hold, is_held
from opensqt_mm.state import State
from opensqt_mm.status import read_state

D = Decimal
LADDER = Ladder(D(3000), D(10), D("0.01"))


def test_an_adopted_position_runs_upward_from_the_dearer_of_entry_and_next_level() -> None:
    slots = adopt(D("0.25"), D(3021), D(3001), ladder=LADDER, instrument=INSTRUMENT, settings=settings())
    assert [slot.level for slot in slots] == [3, 4, 5]
    assert sum(slot.quantity for slot in slots) == D("0.25")
    assert slots[0].quantity == INSTRUMENT.floor_quantity(D(300) / LADDER.price(3))
    cheap = adopt(D("0.05"), D(2900), D(3001), ladder=LADDER, instrument=INSTRUMENT, settings=settings())
    assert [(slot.level, slot.quantity) for slot in cheap] == [(1, D("0.05"))]


def test_a_short_position_cannot_be_adopted() -> None:
    with pytest.raises(ValueError, match="short position"):
        adopt(D(-1), D(3000), D(3000), ladder=LADDER, instrument=INSTRUMENT, settings=settings())


def test_an_acknowledged_order_that_does_not_show_up_is_overdue() -> None:
    confirmations = Confirmations()
    confirmations.expect("a", ended=False, now=0)
    assert confirmations.overdue(5, within=5) is None
    assert confirmations.overdue(5.1, within=5) == "a"
    confirmations.mention("a", ended=False)
    assert confirmations.overdue(99, within=5) is None


def test_a_stream_that_was_faster_than_the_reply_counts() -> None:
    confirmations = Confirmations()
    confirmations.mention("a", ended=False)
    confirmations.expect("a", ended=False, now=0)
    assert confirmations.overdue(99, within=5) is None
    confirmations.expect("a", ended=True, now=0)
    assert confirmations.overdue(99, within=5) == "a"
    confirmations.mention("a", ended=True)
    assert confirmations.overdue(99, within=5) is None
    confirmations.expect("b", ended=True, now=0)
    confirmations.clear()
    assert confirmations.overdue(99, within=5) is None


def test_a_lock_has_one_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    assert not is_held(path)
    with hold(path, "the thing"):
        assert is_held(path)
        with pytest.raises(Locked, match="the thing is in use by another process"), hold(path, "the thing"):
            pass
    assert not is_held(path)


async def test_control_answers_commands_and_says_why_it_does_not(tmp_path: Path) -> None:
    path = tmp_path / "mm.sock"

    async def greet(arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return {"hello": arguments}

    async def refuse(_: object) -> object:
        await trio.lowlevel.checkpoint()
        raise Refused("not now")

    with pytest.raises(NotRunning):
        await call(path, "greet")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_control, path, {"greet": greet, "refuse": refuse})
        await trio.testing.wait_all_tasks_blocked()
        assert await call(path, "greet", name="x") == {"hello": {"name": "x"}}
        with pytest.raises(Refused, match="not now"):
            await call(path, "refuse")
        with pytest.raises(Refused, match="unknown command 'dance'; there are greet, refuse"):
            await call(path, "dance")
        async with await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(b'{"command": 5}\n')
            assert b"request not understood" in await stream.receive_some()
        assert path.stat().st_mode & 0o777 == 0o600
        nursery.cancel_scope.cancel()
    assert not path.exists()


def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "mm.sqlite"
    assert socket_path(tmp_path / "m").name == "m.sock"
    assert len(str(socket_path(deep))) < 108


def story() -> Story:
    told = Story()
    for level in range(-5, 0):
        told.ack(told.intend(level, BUY))
    return told


@pytest.mark.parametrize("kind", [InlineJournal, ThreadJournal])
async def test_a_journal_gives_back_what_was_written(
    kind: type[InlineJournal] | type[ThreadJournal], tmp_path: Path
) -> None:
    path, told = tmp_path / "mm.sqlite", story()
    with open_journal(path, "process") as file:
        await kind(file).append(told.events, told.state)
    with open_journal(path, "power") as file:
        assert file.load() == told.state
    with open_reader(path) as reader:
        assert reader.created() == CREATED
        assert [entry.event for entry in reader.entries()] == told.events


def test_snapshots_shorten_the_replay_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SNAPSHOT_EVERY", 3)
    path, told = tmp_path / "mm.sqlite", story()
    with open_journal(path, "process") as file:
        for number in range(len(told.events)):
            file.append(told.events[number : number + 1], fold_all(State(), told.events[: number + 1]))
    with open_journal(path, "process") as file:
        assert file.load() == told.state
    with open_reader(path) as reader:
        assert read_state(reader) == told.state
        connection = apsw.Connection(str(path))
        assert connection.execute("SELECT count(*) FROM snapshots").get == 2
        connection.close()


def test_a_journal_survives_a_writer_that_was_killed_in_a_transaction(tmp_path: Path) -> None:
    path, told = tmp_path / "mm.sqlite", story()
    with open_journal(path, "process") as file:
        file.append(told.events[:3], fold_all(State(), told.events[:3]))
    other = apsw.Connection(str(path))
    other.execute("BEGIN; INSERT INTO events VALUES (99, 'x', 'y', x'00')")
    other.close()
    with open_journal(path, "process") as file:
        assert file.load() == fold_all(State(), told.events[:3])


def test_what_is_not_a_journal_is_refused_by_name(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to look like a file with a header " * 20)
    with pytest.raises(JournalError, match=r"notes\.txt: is not an SQLite file"), open_journal(text, "power"):
        pass
    foreign = tmp_path / "foreign.sqlite"
    connection = apsw.Connection(str(foreign))
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(JournalError, match="not a journal"), open_journal(foreign, "power"):
        pass
    newer = tmp_path / "newer.sqlite"
    connection = apsw.Connection(str(newer))
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(JournalError, match="has schema 99"), open_journal(newer, "power"):
        pass
    with pytest.raises(JournalError, match="cannot be opened"), open_journal(tmp_path / "no" / "mm.sqlite", "power"):
        pass


def test_an_event_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mm.sqlite"
    with open_journal(path, "process"):
        pass
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO events VALUES (1, 'Teleported', '{}', x'00')")
    connection.close()
    with open_journal(path, "process") as file, pytest.raises(JournalError, match="event 1: event 'Teleported'"):
        file.load()
