"""The life of one WebSocket connection, without I/O: one market subscription, or the user data stream."""

from collections.abc import Callable, Iterable
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec
import structlog

from opensqt_core.exchange import AccountEvent
from opensqt_core.market import Candle
from opensqt_core.streams import SUBSCRIBED, Send, SessionLost, Subscribed
from opensqt_exchanges.binance.frames import COIN_MARGINED, AccountUpdate, Envelope, OrderUpdate

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = structlog.get_logger(__name__)
_envelope = msgspec.json.Decoder(Envelope).decode
_order_update = msgspec.json.Decoder(OrderUpdate).decode
_account_update = msgspec.json.Decoder(AccountUpdate).decode
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError)

_KNOWN_AND_IGNORED = frozenset(
    {
        "TRADE_LITE",  # an early notice; ORDER_TRADE_UPDATE follows with the same trade id and the fee
        "ACCOUNT_CONFIG_UPDATE",  # leverage and asset mode: read at start
        "MARGIN_CALL",  # the position's own figures say the same
        "ALGO_UPDATE",  # conditional orders: we place none, and one that triggers comes as an order
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
    }
)


class Oddities:
    """What this process has met and left aside, so that each is logged once."""

    def __init__(self) -> None:
        self._met: set[str] = set()

    def note(self, event: str, *, what: str) -> None:
        """Log the first of its kind."""
        if what not in self._met:
            self._met.add(what)
            _log.warning(event, venue="binance", what=what)


class MarketFrame(Protocol[T_co]):
    """A market event; its tag is the event's name."""

    __struct_config__: ClassVar[msgspec.structs.StructConfig]

    def value(self) -> T_co:
        """Return what it means."""
        ...


class MarketSession(Generic[T]):
    """One subscription on one connection.

    The venue acknowledges whatever it is asked, streams that do not exist and wrong routes included: only a value
    proves anything, which is why the driver wants a first one in time.
    """

    def __init__(
        self,
        stream: str,
        shape: type[MarketFrame[T]],
        oddities: Oddities,
        keep: Callable[[T], bool] = lambda _value: True,
    ) -> None:
        self._stream = stream
        self._decode = msgspec.json.Decoder(shape).decode
        self._event = shape.__struct_config__.tag
        self._oddities = oddities
        self._keep = keep

    def opened(self, now_ms: int) -> Iterable[Send | Subscribed]:  # noqa: ARG002 - the contract's
        """Subscribe."""
        request = {"method": "SUBSCRIBE", "params": [self._stream], "id": 1}
        return (Send(msgspec.json.encode(request).decode()),)

    def received(self, frame: str | bytes, now_ms: int) -> Iterable[T | Send | Subscribed]:  # noqa: ARG002
        """Return the value of an event, or `SUBSCRIBED` for the acknowledgement."""
        try:
            value = self._decode(frame).value()
        except _MALFORMED as error:
            return self._without_value(frame, error)
        return (value,) if self._keep(value) else ()

    def _without_value(self, frame: str | bytes, why: Exception) -> Iterable[Subscribed]:
        try:
            envelope = _envelope(frame)
        except _MALFORMED:
            envelope = Envelope()
        if envelope.code is not None or envelope.error is not None:
            raise SessionLost(f"{self._stream}: refused: {envelope.msg or envelope.error}") from None
        if envelope.e is None and envelope.id is not None:
            return (SUBSCRIBED,)
        if envelope.e in (None, self._event):
            raise SessionLost(f"{self._stream}: frame not understood: {why}") from why
        self._oddities.note("event_not_known", what=str(envelope.e))
        return ()


class ClosedOnce:
    """Lets pass what is new about the running candle, and each closed one once, even if the venue repeats it."""

    def __init__(self) -> None:
        self._closed_ms = -1

    def __call__(self, candle: Candle) -> bool:
        """Return whether the candle is news."""
        if candle.open_time_ms <= self._closed_ms:
            return False
        if candle.closed:
            self._closed_ms = candle.open_time_ms
        return True


class AccountSession:
    """The user data stream: connected is subscribed, the listenKey in the address says whose it is."""

    def __init__(self, oddities: Oddities) -> None:
        self._oddities = oddities

    def opened(self, now_ms: int) -> Iterable[Send | Subscribed]:  # noqa: ARG002 - the contract's
        """Nothing is sent, and no acknowledgement will come."""
        return (SUBSCRIBED,)

    def received(self, frame: str | bytes, now_ms: int) -> Iterable[AccountEvent | Send | Subscribed]:  # noqa: ARG002
        """Return executions before the order they belong to, and balances before positions."""
        try:
            envelope = _envelope(frame)
            if envelope.st == COIN_MARGINED:
                return ()
            match envelope.e:
                case "ORDER_TRADE_UPDATE":
                    return _order_update(frame).values()
                case "ACCOUNT_UPDATE":
                    return self._account(_account_update(frame))
        except _MALFORMED as error:
            raise SessionLost(f"account: frame not understood: {error}") from error
        if envelope.e is None:
            raise SessionLost(f"account: not an event: {envelope.msg or envelope.error}")
        if envelope.e == "listenKeyExpired":
            raise SessionLost("account: the listenKey expired")
        if envelope.e not in _KNOWN_AND_IGNORED:
            self._oddities.note("event_not_known", what=envelope.e)
        return ()

    def _account(self, update: AccountUpdate) -> Iterable[AccountEvent]:
        if update.hedged():
            self._oddities.note("hedge_position_left_out", what="hedge mode")
        return update.values()
