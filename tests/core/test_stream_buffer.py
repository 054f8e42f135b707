"""The buffer between a stream and its consumer, against a plain model of what a consumer may see."""

from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from opensqt_core._stream_buffer import Overflow, StreamBuffer
from opensqt_core.streams import Lost, Resumed

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 40)),
        st.sampled_from([("lost", 0), ("resumed", 0), ("get", 0), ("get", 0)]),
    ),
    max_size=120,
)


def key(number: int) -> int | None:
    return number % 3 if number >= 20 else None


@given(steps=STEPS, conflated=st.booleans())
def test_markers_alternate_facts_are_complete_and_memory_is_bounded(
    steps: list[tuple[str, int]], *, conflated: bool
) -> None:
    async def main() -> None:
        buffer: StreamBuffer[int] = StreamBuffer(5, key if conflated else None)
        down, now_ms = False, 0
        seen: list[Any] = []
        kept: list[int] = []
        for step, number in steps:
            now_ms += 10
            if step == "put" and not down:
                try:
                    buffer.put(number)
                    kept.append(number)
                except Overflow:
                    buffer.put_lost(now_ms, "overflow", discard=True)
                    kept = [value for value in seen if isinstance(value, int)]
                    down = True
            elif step == "lost" and not down:
                buffer.put_lost(now_ms, "cut", discard=False)
                down = True
            elif step == "resumed" and down:
                buffer.put_resumed(now_ms)
                down = False
            elif step == "get":
                with trio.move_on_after(0):
                    seen.append(await buffer.get())
            assert len(buffer._cells) <= 5 + 2 * 6
        with trio.move_on_after(1):
            while True:
                seen.append(await buffer.get())
        check(seen, kept, down=down)

    def check(seen: list[Any], kept: list[int], *, down: bool) -> None:
        markers = [item for item in seen if not isinstance(item, int)]
        assert all(isinstance(marker, Lost) for marker in markers[0::2])
        assert all(isinstance(marker, Resumed) and marker.gap_ms > 0 for marker in markers[1::2])
        assert len(markers) % 2 == down
        values = [item for item in seen if isinstance(item, int)]
        if conflated:
            assert [v for v in values if v < 20] == [v for v in kept if v < 20]
            assert values[-1:] == kept[-1:] or not kept or kept[-1] >= 20
        else:
            assert values == kept

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_closing_wakes_everybody(autojump_clock: MockClock) -> None:
    buffer: StreamBuffer[int] = StreamBuffer(5)
    closed = 0

    async def consume() -> None:
        nonlocal closed
        try:
            await buffer.get()
        except trio.ClosedResourceError:
            closed += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(consume)
        await trio.sleep(1)
        buffer.close()
        buffer.put(1)
    assert closed == 3
