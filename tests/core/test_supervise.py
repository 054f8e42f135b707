"""Supervised streams in virtual time, against a venue that the test scripts frame by frame."""

import random
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from opensqt_core.clock import Clock
from opensqt_core.errors import AuthFailed, Banned, RateLimited, Unavailable
from opensqt_core.streams import (
    SUBSCRIBED,
    Heartbeat,
    Lost,
    Resumed,
    Send,
    SessionLost,
    Stream,
    StreamSpec,
    StreamState,
    Subscribed,
)
from opensqt_core.supervise import StreamBoard, open_stream

EPOCH_MS = 1_700_000_000_000


class ScriptedSocket:
    """The client's end of a connection; the test is the venue."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: list[str] = []
        self.pongs = True
        self.closed = False
        self.pings = 0
        self._feed, self._frames = trio.open_memory_channel[str | Exception](100_000)

    def feed(self, *frames: str) -> None:
        for frame in frames:
            self._feed.send_nowait(frame)

    def drop(self, error: Exception | None = None) -> None:
        self._feed.send_nowait(error or SessionLost("connection closed"))

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(text)

    async def receive(self) -> str | bytes:
        frame = await self._frames.receive()
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def ping(self) -> None:
        self.pings += 1
        if not self.pongs:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()


class Venue:
    """Hands out `ScriptedSocket`s; `obstacles` are met first, one per attempt (None: an attempt goes through)."""

    def __init__(self) -> None:
        self.sockets: list[ScriptedSocket] = []
        self.attempts: list[float] = []
        self.obstacles: list[Exception | float | None] = []
        self.on_connect: Callable[[ScriptedSocket], None] = lambda socket: None

    @property
    def open(self) -> list[ScriptedSocket]:
        return [socket for socket in self.sockets if not socket.closed]

    @asynccontextmanager
    async def connect(self, url: str, *, connect_timeout: float) -> AsyncIterator[ScriptedSocket]:
        self.attempts.append(trio.current_time())
        obstacle = self.obstacles.pop(0) if self.obstacles else None
        if isinstance(obstacle, Exception):
            raise obstacle
        await trio.sleep(obstacle or 0)
        socket = ScriptedSocket(url)
        self.sockets.append(socket)
        self.on_connect(socket)
        try:
            yield socket
        finally:
            socket.closed = True

    def always(self, *frames: str) -> None:
        """Have every connection begin with these frames."""
        self.on_connect = lambda socket: socket.feed(*frames)


class NumberSession:
    """A tiny protocol: `ack`, numbers, `echo`, and ways to fail."""

    def opened(self, now_ms: int) -> Iterable[Send | Subscribed]:
        return [Send("subscribe")]

    def received(self, frame: str | bytes, now_ms: int) -> Iterable[int | Send | Subscribed]:
        match frame:
            case "ack":
                return [SUBSCRIBED]
            case "echo":
                return [Send("echo")]
            case "noise":
                return []
            case "garbage":
                raise SessionLost("not understood: garbage")
            case "auth":
                raise AuthFailed("key expired")
            case "bug":
                raise ZeroDivisionError("oops")
        return [int(number) for number in str(frame).split(",")]


@pytest.fixture
def venue() -> Venue:
    return Venue()


async def address() -> str:
    return "wss://venue.example/ws?listenKey=hush-hush"


@pytest.fixture
def board() -> StreamBoard:
    return StreamBoard()


Open = Callable[..., AbstractAsyncContextManager[Stream[int]]]


@pytest.fixture
def opened(venue: Venue, board: StreamBoard, virtual_clock: Clock) -> Open:
    """Return a function that opens a stream of numbers with the given parts of a spec."""

    def opener(**parts: Any) -> AbstractAsyncContextManager[Stream[int]]:
        spec: StreamSpec[int] = StreamSpec(**{"name": "numbers", "url": address, "session": NumberSession, **parts})
        return open_stream(spec, board, clock=virtual_clock, connect=venue.connect, rng=random.Random(1))

    return opener


async def received(stream: Stream[int], count: int) -> list[int | Lost | Resumed]:
    items: list[int | Lost | Resumed] = []
    with trio.fail_after(3600):
        while len(items) < count:
            items.append(await stream.receive())
    return items


async def nothing_comes(stream: Stream[int], seconds: float = 1.0) -> bool:
    with trio.move_on_after(seconds):
        await stream.receive()
        return False
    return True


async def test_values_flow_without_markers_around_the_first_connect(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("noise", "ack", "1,2", "3")
    async with opened() as stream:
        await stream.wait_live()
        assert await received(stream, 3) == [1, 2, 3]
        assert stream.status.state is StreamState.LIVE
        assert stream.status.last_event_ms == EPOCH_MS
        assert stream.status.restarts == 0
        assert venue.sockets[0].sent == ["subscribe"]
        assert await nothing_comes(stream)
    assert venue.open == []


async def test_a_session_can_answer(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack", "echo", "1")
    async with opened() as stream:
        await received(stream, 1)
        assert venue.sockets[0].sent == ["subscribe", "echo"]


async def test_values_before_the_acknowledgement_come_after_it(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("1", "2", "ack", "3")
    async with opened() as stream:
        assert await received(stream, 3) == [1, 2, 3]


async def test_too_many_values_before_the_acknowledgement_end_the_connection(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.on_connect = lambda socket: socket.feed(*(["1,2,3", "ack"] if len(venue.sockets) == 1 else ["ack", "9"]))
    async with opened(buffer=2) as stream:
        assert await received(stream, 1) == [9]
        assert len(venue.sockets) == 2


async def test_wait_live_waits_for_the_acknowledgement(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async with opened() as stream:
        with trio.move_on_after(5) as impatient:
            await stream.wait_live()
        assert impatient.cancelled_caught
        assert stream.status.state is StreamState.CONNECTING
        venue.sockets[0].feed("ack")
        await stream.wait_live()
        await stream.wait_live()


async def test_a_drop_is_told_at_once_and_its_end_once(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack", "1")
    async with opened() as stream:
        assert await received(stream, 1) == [1]
        venue.obstacles = [Unavailable("no route"), OSError("unreachable")]
        await trio.sleep(5)
        venue.sockets[0].drop(SessionLost("closed (1006)"))
        lost, resumed, value = await received(stream, 3)
        assert lost == Lost(EPOCH_MS + 5000, "closed (1006)")
        assert isinstance(resumed, Resumed)
        assert resumed.gap_ms == round((trio.current_time() - 5) * 1000)
        assert value == 1
        assert await nothing_comes(stream)
        assert stream.status.restarts == 3
        assert stream.status.state is StreamState.LIVE
        assert stream.status.reason == ""


async def test_the_status_tells_what_goes_on(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")
    venue.obstacles = [None, 5.0]
    async with opened() as stream:
        await stream.wait_live()
        venue.sockets[0].drop()
        assert await received(stream, 1) == [Lost(EPOCH_MS, "connection closed")]
        assert stream.status.state is StreamState.BACKING_OFF
        assert stream.status.reason == "connection closed"
        await trio.sleep(1)
        assert stream.status.state.value == "connecting"
        assert stream.status.reason == "connection closed"


async def test_pauses_grow_are_capped_and_start_over_after_a_good_minute(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.obstacles = [Unavailable("down")] * 30
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        pauses = [later - sooner for sooner, later in zip(venue.attempts, venue.attempts[1:], strict=False)]
        assert pauses[0] <= 0.25
        assert max(pauses) <= 30
        assert max(pauses[8:]) > 5
        await trio.sleep(61)
        dropped = trio.current_time()
        venue.sockets[-1].drop()
        await received(stream, 2)
        assert venue.attempts[-1] - dropped <= 0.25


async def test_the_venues_own_waiting_time_is_respected(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.obstacles = [
        RateLimited("slow down", retry_after=40),
        Banned("out", until_ms=EPOCH_MS + 500_000),
    ]
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
    assert venue.attempts[1] == pytest.approx(40)
    assert venue.attempts[2] == pytest.approx(500, abs=1)


async def test_a_late_acknowledgement_ends_the_connection(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.on_connect = lambda socket: socket.feed(*(["noise"] if len(venue.sockets) == 1 else ["ack"]))
    async with opened(subscribe_within=3) as stream:
        await trio.sleep(2.9)
        assert venue.open == [venue.sockets[0]]
        await stream.wait_live()
        assert 3 <= trio.current_time() <= 3.3


async def test_a_mute_subscription_is_one_outage_until_a_value_comes(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack", "1")
    async with opened(first_value_within=4, subscribe_within=20) as stream:
        assert await received(stream, 1) == [1]
        venue.always("ack")
        venue.sockets[0].drop()
        (lost,) = await received(stream, 1)
        assert isinstance(lost, Lost)
        assert await nothing_comes(stream, 60)
        assert len(venue.sockets) > 3
        assert stream.status.state is not StreamState.LIVE
        venue.always("ack", "2")
        resumed, value = await received(stream, 2)
        assert isinstance(resumed, Resumed)
        assert value == 2


async def test_a_first_value_makes_the_first_connect_live(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.on_connect = lambda socket: socket.feed("ack") if len(venue.sockets) == 1 else socket.feed("ack", "7")
    async with opened(first_value_within=4) as stream:
        await stream.wait_live()
        assert await received(stream, 1) == [7]
        assert 4 <= trio.current_time() <= 4.3


async def test_silence_is_death_without_a_probe(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack", "1")
    async with opened(stale_after=5) as stream:
        await received(stream, 1)
        await trio.sleep(4)
        venue.sockets[0].feed("2")
        assert await received(stream, 1) == [2]
        lost, resumed, value = await received(stream, 3)
        assert lost == Lost(EPOCH_MS + 9000, "no value for 5 s")
        assert isinstance(resumed, Resumed)
        assert value == 1


async def test_frames_without_values_do_not_count_as_life(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack", "1")
    async with opened(stale_after=5) as stream:
        await received(stream, 1)
        for _ in range(4):
            await trio.sleep(1)
            venue.sockets[0].feed("noise")
        assert await received(stream, 1) == [Lost(EPOCH_MS + 5000, "no value for 5 s")]


async def test_a_probe_that_agrees_counts_as_an_event(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    asked: list[int | None] = []

    async def quiet(last: int | None) -> bool:
        asked.append(last)
        return True

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=quiet) as stream:
        await received(stream, 1)
        assert await nothing_comes(stream, 22)
        assert asked == [1, 1, 1, 1]
        assert stream.status.last_event_ms == EPOCH_MS + 20_000
        assert stream.status.last_event_monotonic == 20
        assert len(venue.sockets) == 1


async def test_a_probe_that_disagrees_is_given_a_second_for_what_is_under_way(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    async def newer(last: int | None) -> bool:
        return False

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=newer) as stream:
        await received(stream, 1)
        await trio.sleep(5.5)
        venue.sockets[0].feed("2")
        assert await received(stream, 1) == [2]
        (lost,) = await received(stream, 1)
        assert lost == Lost(EPOCH_MS + 11_500, "no value for 5 s, but the venue's REST has newer")


async def test_a_value_during_the_probe_outweighs_it(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def slow(last: int | None) -> bool:
        await trio.sleep(2)
        return False

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=slow) as stream:
        await received(stream, 1)
        await trio.sleep(6)
        venue.sockets[0].feed("2")
        assert await received(stream, 1) == [2]
        assert await nothing_comes(stream, 4)


@pytest.mark.parametrize("failure", [Unavailable("no route"), None], ids=["error", "hangs"])
async def test_without_an_answer_the_stream_is_stale_until_a_value_comes(
    autojump_clock: MockClock, opened: Open, venue: Venue, failure: Exception | None
) -> None:
    async def broken(last: int | None) -> bool:
        if failure is not None:
            raise failure
        await trio.sleep(1000)
        return False

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=broken) as stream:
        await received(stream, 1)
        (lost,) = await received(stream, 1)
        assert isinstance(lost, Lost)
        assert "no probe" in lost.reason
        assert stream.status.state is StreamState.STALE
        assert len(venue.sockets) == 1
        began = trio.current_time()
        venue.sockets[0].feed("2")
        assert await received(stream, 2) == [Resumed(round(began * 1000) - (lost.since_ms - EPOCH_MS)), 2]
        assert stream.status.state.value == "live"
        assert len(venue.sockets) == 1


async def test_a_stale_stream_recovers_when_the_probe_agrees_again(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    answers: list[bool | Exception] = [Unavailable("no route"), True]

    async def flaky(last: int | None) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=flaky) as stream:
        _, lost, resumed = await received(stream, 3)
        assert isinstance(lost, Lost)
        assert resumed == Resumed(1000)
        assert len(venue.sockets) == 1


async def test_three_probes_without_an_answer_end_the_connection(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    async def broken(last: int | None) -> bool:
        raise Unavailable("no route")

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=broken) as stream:
        _, lost, resumed, value = await received(stream, 4)
        assert isinstance(lost, Lost)
        assert isinstance(resumed, Resumed)
        assert 3000 <= resumed.gap_ms <= 3300
        assert value == 1
        assert len(venue.sockets) == 2


async def test_a_probe_that_is_refused_fails_the_stream(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def refused(last: int | None) -> bool:
        raise AuthFailed("key expired")

    venue.always("ack", "1")
    async with opened(stale_after=5, probe=refused) as stream:
        assert await received(stream, 2) == [1, Lost(EPOCH_MS + 5000, "key expired")]
        assert stream.status.state is StreamState.FAILED


async def test_no_frame_at_all_is_death_but_pongs_are_frames(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened(silent_after=12) as stream:
        await stream.wait_live()
        assert await received(stream, 1) == [Lost(EPOCH_MS + 12_000, "no frame for 12 s")]
    async with opened(silent_after=20) as stream:
        await stream.wait_live()
        assert await nothing_comes(stream, 300)


async def test_a_half_open_connection_is_found_by_its_missing_pong(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        await trio.sleep(20)
        assert venue.sockets[0].pings == 1
        venue.sockets[0].pongs = False
        assert await received(stream, 1) == [Lost(EPOCH_MS + 40_000, "no pong within 10 s")]


async def test_heartbeats_are_sent_on_time(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")
    async with opened(heartbeat=Heartbeat(7, lambda now_ms: f"beat {now_ms - EPOCH_MS}")) as stream:
        await stream.wait_live()
        await trio.sleep(15)
        assert venue.sockets[0].sent == ["subscribe", "beat 7000", "beat 14000"]


@pytest.mark.parametrize("error", [Unavailable("renewal failed"), SessionLost("listenKey expired")])
async def test_a_failing_background_ends_the_connection(
    autojump_clock: MockClock, opened: Open, venue: Venue, error: Exception
) -> None:
    async def renewal() -> None:
        await trio.sleep(30)
        raise error

    venue.always("ack")
    async with opened(background=renewal) as stream:
        await stream.wait_live()
        assert await received(stream, 1) == [Lost(EPOCH_MS + 30_000, str(error))]


async def test_a_background_that_returns_harms_nothing(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def once() -> None:
        await trio.sleep(1)

    venue.always("ack")
    async with opened(background=once) as stream:
        await stream.wait_live()
        assert await nothing_comes(stream, 100)


async def test_groups_of_transient_errors_are_transient(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def nested() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            await trio.sleep(1000)

    async def fail() -> None:
        await trio.sleep(3)
        raise Unavailable("inner")

    venue.always("ack")
    async with opened(background=nested) as stream:
        await stream.wait_live()
        lost, resumed = await received(stream, 2)
        assert lost == Lost(EPOCH_MS + 3000, "inner")
        assert isinstance(resumed, Resumed)


async def test_replacement_goes_unnoticed_and_keeps_the_old_until_the_new_delivers(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack", "1")
    async with opened(max_age=100, first_value_within=10) as stream:
        assert await received(stream, 1) == [1]
        venue.always()
        await trio.sleep(105)
        old, new = venue.sockets
        assert venue.open == [old, new]
        new.feed("ack")
        old.feed("2")
        assert await received(stream, 1) == [2]
        new.feed("3")
        assert await received(stream, 1) == [3]
        await trio.sleep(2)
        assert venue.open == [new]
        assert stream.status.state is StreamState.LIVE
        assert stream.status.restarts == 0
        assert await nothing_comes(stream)


async def test_what_the_replaced_connection_still_had_is_not_lost_unless_it_is_state(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    def key(number: int) -> Hashable | None:
        return "state" if number >= 100 else None

    venue.always("ack")
    async with opened(max_age=50, conflate=key) as stream:
        await stream.wait_live()
        await trio.sleep(50.5)
        old, _new = venue.sockets
        old.feed("7", "100")
        assert await received(stream, 1) == [7]
        assert await nothing_comes(stream, 5)
        assert venue.open == [venue.sockets[1]]


async def test_a_replacement_that_fails_leaves_the_old_alone(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened(max_age=50) as stream:
        await stream.wait_live()
        venue.obstacles = [Unavailable("no route")] * 4
        await trio.sleep(60)
        assert stream.status.state is StreamState.LIVE
        assert stream.status.restarts == 0
        assert venue.open == [venue.sockets[-1]]
        assert len(venue.sockets) == 2
        assert await nothing_comes(stream)


async def test_the_old_one_dying_during_replacement_is_an_outage(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened(max_age=50) as stream:
        await stream.wait_live()
        venue.obstacles = [8.0]
        await trio.sleep(52)
        venue.sockets[0].drop(SessionLost("cut"))
        assert await received(stream, 2) == [Lost(EPOCH_MS + 52_000, "cut"), Resumed(6000)]


async def test_the_new_one_dying_at_once_is_an_outage_and_the_old_goes_too(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened(max_age=50) as stream:
        await stream.wait_live()
        venue.on_connect = lambda socket: socket.feed("ack", "garbage")
        await trio.sleep(49)
        (lost,) = await received(stream, 1)
        assert lost == Lost(EPOCH_MS + 50_000, "not understood: garbage")
        venue.always("ack")
        await trio.sleep(5)
        assert len(venue.open) == 1


async def test_a_slow_consumer_gets_the_newest_state_and_every_fact(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    def key(number: int) -> Hashable | None:
        return number % 10 if number >= 100 else None

    venue.always("ack")
    async with opened(conflate=key, buffer=5) as stream:
        await stream.wait_live()
        venue.sockets[0].feed("101,102,111,121,112", "5", "131,141")
        await trio.sleep(1)
        assert await received(stream, 4) == [121, 112, 5, 141]
        venue.sockets[0].feed("151")
        assert await received(stream, 1) == [151]


async def test_overflow_discards_and_declares_a_gap(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")
    async with opened(buffer=3) as stream:
        await stream.wait_live()
        venue.always("ack", "9")
        venue.sockets[0].feed("1", "2", "3", "4", "5")
        await trio.sleep(1)
        lost, resumed, value = await received(stream, 3)
        assert lost == Lost(EPOCH_MS, "consumer is 3 values behind")
        assert isinstance(resumed, Resumed)
        assert value == 9
        assert stream.status.restarts == 1


async def test_a_consumer_that_never_comes_costs_bounded_memory_and_hears_of_one_outage(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack", "1,2,3,4")
    async with opened(buffer=3) as stream:
        await trio.sleep(600)
        assert len(venue.sockets) > 10
        venue.always("ack")
        await trio.sleep(60)
        lost, resumed = await received(stream, 2)
        assert lost == Lost(EPOCH_MS, "consumer is 3 values behind")
        assert isinstance(resumed, Resumed)
        assert resumed.gap_ms > 600_000
        assert await nothing_comes(stream)


async def test_outages_nobody_heard_of_are_merged(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        for _ in range(50):
            venue.sockets[-1].drop()
            await trio.sleep(40)
        lost, resumed = await received(stream, 2)
        assert lost == Lost(EPOCH_MS, "connection closed")
        assert isinstance(resumed, Resumed)
        assert await nothing_comes(stream)


async def test_the_consumer_can_ask_for_another_connection(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        stream.restart("placed order never showed up")
        stream.restart("again")
        lost, resumed = await received(stream, 2)
        assert lost == Lost(EPOCH_MS, "placed order never showed up")
        assert isinstance(resumed, Resumed)
        assert len(venue.sockets) == 2


async def test_refused_login_fails_the_stream_and_only_it(
    autojump_clock: MockClock, opened: Open, venue: Venue, board: StreamBoard
) -> None:
    async def other_address() -> str:
        return "refused"

    venue.on_connect = lambda socket: socket.feed("ack", *(["auth"] if socket.url == "refused" else []))
    async with opened(name="healthy") as healthy, opened(name="refused", url=other_address) as refused:
        await healthy.wait_live()
        (lost,) = await received(refused, 1)
        assert isinstance(lost, Lost)
        assert lost.reason == "key expired"
        refused.restart("try")
        assert await nothing_comes(refused, 600)
        assert {name: status.state for name, status in board.statuses.items()} == {
            "healthy": StreamState.LIVE,
            "refused": StreamState.FAILED,
        }
        assert await nothing_comes(healthy, 60)
        assert len(venue.sockets) == 2
    assert board.statuses == {}


async def test_refused_before_ever_live_is_told(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.obstacles = [AuthFailed("no such key")]
    async with opened() as stream:
        assert await received(stream, 1) == [Lost(EPOCH_MS, "no such key")]
        assert stream.status.state is StreamState.FAILED


async def test_bugs_restart_the_stream_within_a_budget(
    autojump_clock: MockClock, opened: Open, venue: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        for _ in range(5):
            venue.sockets[-1].feed("bug")
            lost, resumed = await received(stream, 2)
            assert isinstance(lost, Lost)
            assert lost.reason == "ZeroDivisionError: oops"
            assert isinstance(resumed, Resumed)
        venue.sockets[-1].feed("bug")
        await received(stream, 1)
        assert stream.status.state is StreamState.FAILED
        assert len(venue.sockets) == 6
    assert "Traceback" in capsys.readouterr().out


async def test_rare_bugs_never_use_up_the_budget(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")
    async with opened() as stream:
        await stream.wait_live()
        for _ in range(20):
            venue.sockets[-1].feed("bug")
            await received(stream, 2)
            await trio.sleep(125)
        assert stream.status.state is StreamState.LIVE


async def test_a_bug_in_a_group_counts_as_a_bug(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def background() -> None:
        await trio.sleep(1)
        raise ExceptionGroup("both", [Unavailable("x"), KeyError("y")])

    venue.always("ack")
    async with opened(background=background) as stream:
        await stream.wait_live()
        (lost,) = await received(stream, 1)
        assert lost == Lost(EPOCH_MS + 1000, "KeyError: 'y'")


async def test_reasons_hold_no_listen_key(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def leaking() -> None:
        await trio.sleep(1)
        raise OSError(await address())

    venue.always("ack")
    async with opened(background=leaking) as stream:
        await stream.wait_live()
        (lost,) = await received(stream, 1)
        assert isinstance(lost, Lost)
        assert "hush" not in lost.reason
        assert "hush" not in stream.status.reason
        assert "hush" not in repr(stream.status)


async def test_an_address_that_never_comes_is_given_up(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    calls: list[float] = []

    async def slow() -> str:
        calls.append(trio.current_time())
        await trio.sleep(0 if len(calls) > 1 else 1000)
        return "ws://x"

    venue.always("ack")
    async with opened(url=slow) as stream:
        await stream.wait_live()
        assert 60 <= trio.current_time() <= 61


async def test_leaving_in_any_phase_leaves_nothing_behind(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    venue.obstacles = [1000.0]
    async with opened() as stream:
        await trio.sleep(1)  # connecting
        assert stream.status.state is StreamState.CONNECTING
    venue.obstacles = [Unavailable("x")] * 12
    async with opened() as stream:
        await trio.sleep(20)  # backing off
    with trio.move_on_after(1):
        async with opened() as stream:  # cancelled from outside
            await stream.wait_live()
    assert venue.open == []
    assert trio.lowlevel.current_statistics().tasks_living <= 4


async def test_what_the_block_raises_comes_out_as_it_is(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack")

    async def fail_inside() -> None:
        async with opened() as stream:
            await stream.wait_live()
            raise AuthFailed("mine")

    with pytest.raises(AuthFailed, match="mine"):
        await fail_inside()
    assert venue.open == []


async def test_closing_the_stream_ends_the_subscription(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack", "1")
    async with opened() as stream:
        await stream.wait_live()
        async with trio.open_nursery() as nursery:

            async def consume() -> None:
                await stream.receive()
                with pytest.raises(trio.ClosedResourceError):
                    await stream.receive()

            nursery.start_soon(consume)
            await trio.sleep(1)
            await stream.aclose()
        await trio.sleep(1)
        assert venue.open == []
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive()


async def test_streams_of_one_name_are_told_apart(
    autojump_clock: MockClock, opened: Open, venue: Venue, board: StreamBoard
) -> None:
    async with opened(), opened() as second:
        assert list(board.statuses) == ["numbers", "numbers #2"]
        assert board.statuses["numbers #2"] is second.status
    async with opened():
        assert list(board.statuses) == ["numbers"]


async def test_a_long_backlog_does_not_starve_others(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    venue.always("ack", ",".join(map(str, range(5000))))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with opened() as stream, trio.open_nursery() as nursery:
        await trio.sleep(1)
        nursery.start_soon(other)
        assert await received(stream, 5000) == list(range(5000))
        assert turns > 50
        nursery.cancel_scope.cancel()


async def test_a_snapshot_stands_in_for_a_quiet_market(autojump_clock: MockClock, opened: Open, venue: Venue) -> None:
    async def newest() -> int | None:
        await trio.sleep(0.5)
        return 42

    venue.always("ack")
    async with opened(snapshot=newest) as stream:
        await stream.wait_live()
        assert await received(stream, 1) == [42]
        assert stream.status.last_event_ms == EPOCH_MS + 500
        venue.sockets[0].drop()
        lost, resumed, value = await received(stream, 3)
        assert isinstance(lost, Lost)
        assert isinstance(resumed, Resumed)
        assert value == 42


async def test_a_snapshot_never_follows_a_value_of_the_stream(
    autojump_clock: MockClock, opened: Open, venue: Venue
) -> None:
    asked = 0

    async def newest() -> int | None:
        nonlocal asked
        asked += 1
        await trio.sleep(2)
        return 42

    venue.always("1", "ack")
    async with opened(snapshot=newest) as stream:
        assert await received(stream, 1) == [1]
        assert await nothing_comes(stream, 5)
        assert asked == 0
    venue.always("ack")
    async with opened(snapshot=newest) as stream:
        await trio.sleep(1)
        venue.sockets[-1].feed("2")
        assert await received(stream, 1) == [2]
        assert await nothing_comes(stream, 5)
        assert asked == 1


@pytest.mark.parametrize("failure", [Unavailable("no route"), None])
async def test_without_a_snapshot_the_stream_speaks_alone(
    autojump_clock: MockClock, opened: Open, venue: Venue, failure: Exception | None
) -> None:
    async def newest() -> int | None:
        if failure is not None:
            raise failure
        return None

    venue.always("ack")
    async with opened(snapshot=newest) as stream:
        await stream.wait_live()
        assert await nothing_comes(stream, 5)
        venue.sockets[0].feed("1")
        assert await received(stream, 1) == [1]
        assert len(venue.sockets) == 1
