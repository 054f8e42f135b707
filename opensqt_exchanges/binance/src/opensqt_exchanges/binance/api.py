"""The driver's line to the venue: calls out, typed replies and streams back, the clock kept in step."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

import attrs
import msgspec
import trio

from opensqt_core.clock import Clock, VenueClock
from opensqt_core.errors import AuthFailed, ClockSkew, ExchangeError, OutcomeUnknown, Unavailable
from opensqt_core.ratelimit import RateLimiter
from opensqt_core.rest import RestRequest, RestSession, retry_read
from opensqt_core.streams import Stream, StreamSpec
from opensqt_core.supervise import StreamBoard, open_stream
from opensqt_core.websocket import Socket
from opensqt_exchanges.binance.calls import Call, server_time
from opensqt_exchanges.binance.errors import SEEN_DURING_BANS

T = TypeVar("T")

SYNCHRONISE_EVERY = 600.0
_HOLD_UP = 1.0
_BEFORE_LAST_TRY = 5.0


@attrs.frozen(kw_only=True)
class Api:
    """Reads and writes. Reads are repeated when the venue is briefly away; writes never.

    The clock is measured before the first signed request, ten minutes after the last measurement, and when the venue
    refuses our time.
    """

    limiter: RateLimiter
    _rest: RestSession
    _clock: Clock
    _venue_clock: VenueClock
    _board: StreamBoard
    _connect: Callable[..., AbstractAsyncContextManager[Socket]]
    _measuring: trio.Lock = attrs.field(factory=trio.Lock)

    async def read(self, call: Call[T]) -> T:
        """Return the reply's meaning. One that cannot be understood is `Unavailable`."""

        async def once() -> T:
            return _understood(call, await self._send(call.request))

        try:
            return await retry_read(once)
        except AuthFailed as error:
            if error.code != SEEN_DURING_BANS:
                raise
        await trio.sleep(_BEFORE_LAST_TRY)
        return await once()

    async def write(self, call: Call[T]) -> T:
        """Return the reply's meaning; `OutcomeUnknown` if it has none.

        Signed anew, once, after a `ClockSkew`: the venue looked at the time and at nothing else.
        """
        try:
            reply = await self._send(call.request)
        except ClockSkew:
            reply = await self._send(call.request)
        return _understood(call, reply)

    async def now_ms(self) -> int:
        """Return the venue's time, measured if need be."""
        await self._keep_in_step()
        return self._venue_clock.now_ms()

    async def server_time_ms(self) -> int:
        """Measure the venue's clock."""
        call = server_time()
        sent_ms = self._clock.now_ms()
        reply = await self._rest.send(call.request)
        received_ms = self._clock.now_ms()
        server_ms = _understood(call, reply)
        self._venue_clock.observe(server_ms, sent_ms, received_ms)
        return server_ms

    def open_stream(self, spec: StreamSpec[T]) -> AbstractAsyncContextManager[Stream[T]]:
        """Open a supervised stream that shows its state on the venue's board."""
        return open_stream(spec, self._board, clock=self._clock, connect=self._connect)

    async def _send(self, request: RestRequest) -> bytes:
        if request.signed:
            await self._keep_in_step()
        return await self._rest.send(request)

    async def _keep_in_step(self) -> None:
        if not self._venue_clock.synchronised:
            async with self._measuring:
                if not self._venue_clock.synchronised:
                    await self.server_time_ms()
        elif self._venue_clock.age_s() >= SYNCHRONISE_EVERY and not self._measuring.locked():
            # The old measurement is good enough for a cancel: this one may neither fail nor delay it for long.
            async with self._measuring:
                with trio.move_on_after(_HOLD_UP), suppress(ExchangeError):
                    await self.server_time_ms()


def _understood(call: Call[T], reply: bytes) -> T:
    try:
        return call.understand(reply)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = OutcomeUnknown if call.request.write else Unavailable
        raise kind(f"{call.request.endpoint}: reply not understood: {error}") from error
