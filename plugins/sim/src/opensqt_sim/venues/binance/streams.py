"""Binance's WebSockets: who is subscribed to what, and what they are sent.

All-market streams (`!bookTicker`, `!ticker@arr`, ...), depth and composite-index streams are not simulated: they are
acknowledged and mute, as anything that does not exist is at this venue.
"""

from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import trio

from opensqt_core.clock import Clock
from opensqt_sim.engine import SimVenue
from opensqt_sim.model import BookChanged, CandleChanged, MarkChanged, Refusal, SimCandle, TradePrinted, VenueEvent
from opensqt_sim.venues.binance import market_frames, routes, user_frames
from opensqt_sim.venues.binance.commands import BadCommand, Command, parse_command
from opensqt_sim.venues.binance.routes import Address, Listener, RouteName, Stream
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared.listen_keys import ListenKeys
from opensqt_sim.venues.shared.subscriptions import Subscriptions
from opensqt_sim.wire.frames import text_frame
from opensqt_sim.wire.websocket import Topic, WebSocket

_encode = msgspec.json.Encoder().encode
_RAW, _WRAPPED = "raw", "wrapped"
PRIVATE = Topic("private")


@attrs.define(eq=False)
class _Connection:
    """What one socket has asked for."""

    socket: WebSocket
    address: Address
    asked: list[str] = attrs.field(factory=list)
    """Every stream, mute ones too, in order: what LIST_SUBSCRIPTIONS tells."""
    listeners: list[Listener] = attrs.field(factory=list)
    second: int = 0
    messages: int = 0
    """Received in that second."""

    @property
    def style(self) -> str:
        """How messages are wrapped."""
        return _WRAPPED if self.address.wrapped else _RAW


class Streams:
    """All WebSockets of the venue. `run` must be running."""

    def __init__(self, venue: SimVenue, settings: BinanceSettings, clock: Clock, listen_keys: ListenKeys) -> None:
        self._venue = venue
        self._settings = settings
        self._clock = clock
        self._listen_keys = listen_keys
        self._subscriptions = Subscriptions()
        self._private: list[_Connection] = []
        self._changed_candles: dict[str, SimCandle] = {}
        self.subscribed: Callable[[Topic], None] | None = None
        """Called whenever somebody begins to receive something."""

    # connections

    async def talk(self, socket: WebSocket) -> None:
        """Serve one socket until it ends, at the latest after the lifetime of a connection."""
        address = routes.address(socket.request)
        if address is None:
            socket.close(1008, "no such path")
            return
        connection = _Connection(socket, address)
        try:
            with trio.move_on_after(self._settings.connection_hours * 3600):
                for listener in address.listeners:
                    self._listen(connection, listener)
                self._subscribe(connection, address.streams)
                while True:
                    self._answer(connection, await socket.receive())
            socket.close(1001, "24 hours are over")
        finally:
            self._subscriptions.discard_all(socket, connection.asked)
            if connection in self._private:
                self._private.remove(connection)

    def _answer(self, connection: _Connection, text: str) -> None:
        if self._too_chatty(connection):
            connection.socket.close(1008, "Too many requests")
            return
        try:
            command = parse_command(text)
            result = self._obey(connection, command)
        except BadCommand as error:
            reply: dict[str, Any] = {"error": {"code": error.code, "msg": str(error)}, "id": error.id}
        else:
            reply = {"result": result, "id": command.id}
        connection.socket.send(text_frame(_encode(reply)))

    def _too_chatty(self, connection: _Connection) -> bool:
        second = self._clock.now_ms() // 1000
        connection.messages = connection.messages + 1 if second == connection.second else 1
        connection.second = second
        return connection.messages > self._settings.messages_per_second

    def _obey(self, connection: _Connection, command: Command) -> list[str] | None:
        match command.method:
            case "SUBSCRIBE":
                if len({*connection.asked, *command.params}) > self._settings.max_streams:
                    raise BadCommand(2, "Invalid request: too many streams on one connection", command.id)
                self._subscribe(connection, command.params)
            case "UNSUBSCRIBE":
                self._unsubscribe(connection, command.params)
            case "LIST_SUBSCRIPTIONS":
                return list(connection.asked)
        return None

    def _subscribe(self, connection: _Connection, names: tuple[str, ...]) -> None:
        for name in names:
            if name in connection.asked:
                continue
            connection.asked.append(name)
            stream = self._delivered(connection, name)
            if stream is None:
                continue
            self._watch(stream)
            self._subscriptions.add(name, connection.socket, style=connection.style)
            connection.socket.topics.add(stream.topic)
            self._note_subscribed(stream.topic)

    def _delivered(self, connection: _Connection, name: str) -> Stream | None:
        """Return the stream if this connection's route delivers it; everything else is mute."""
        stream = routes.stream(name, frozenset(self._venue.rules))
        route = connection.address.route
        if stream is None:
            return None
        if route is RouteName.LEGACY:
            return stream if self._settings.legacy_routes else None
        return stream if route is stream.route else None

    def _watch(self, stream: Stream) -> None:
        if stream.topic.channel.startswith("kline_") and stream.topic.symbol is not None:
            self._venue.watch_candles(stream.topic.symbol, stream.topic.channel.removeprefix("kline_"))

    def _unsubscribe(self, connection: _Connection, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in connection.asked:
                continue
            connection.asked.remove(name)
            self._subscriptions.discard(name, connection.socket)
            stream = self._delivered(connection, name)
            if stream is not None:
                connection.socket.topics.discard(stream.topic)

    def _listen(self, connection: _Connection, listener: Listener) -> None:
        """Attach a user data stream. A listen key that is wrong or over connects all the same, and is mute."""
        route = connection.address.route
        if route is RouteName.PRIVATE or (route is RouteName.LEGACY and self._settings.legacy_routes):
            connection.listeners.append(listener)
            if connection not in self._private:
                self._private.append(connection)
            connection.socket.topics.add(PRIVATE)
            self._note_subscribed(PRIVATE)

    def _note_subscribed(self, topic: Topic) -> None:
        if self.subscribed is not None:
            self.subscribed(topic)

    # what is sent

    def on_event(self, event: VenueEvent) -> None:
        """Send what an event of the engine means to whoever is subscribed."""
        match event:
            case BookChanged():
                name = f"{event.symbol.lower()}@bookTicker"
                if self._subscriptions.wanted(name):
                    self._publish(name, Topic("bookTicker", event.symbol), market_frames.book_ticker(event))
            case TradePrinted(trade=trade, ms=ms):
                name = f"{trade.symbol.lower()}@aggTrade"
                if self._subscriptions.wanted(name):
                    self._publish(name, Topic("aggTrade", trade.symbol), market_frames.agg_trade(trade, ms))
                name = f"{trade.symbol.lower()}@trade"
                if self._subscriptions.wanted(name):
                    self._publish(name, Topic("trade", trade.symbol), market_frames.trade(trade, ms))
            case CandleChanged(candle=candle):
                self._candle_changed(candle, event.ms)
            case MarkChanged():
                self._mark_changed(event)
            case _ if self._private:
                for frame in user_frames.frames(event):
                    self._tell_account(frame)

    def _candle_changed(self, candle: SimCandle, ms: int) -> None:
        name = f"{candle.symbol.lower()}@kline_{candle.interval}"
        if not candle.closed:
            self._changed_candles[name] = candle
            return
        self._changed_candles.pop(name, None)
        self._publish_candle(name, candle, ms)

    def _publish_candle(self, name: str, candle: SimCandle, ms: int) -> None:
        if self._subscriptions.wanted(name):
            self._publish(name, Topic(f"kline_{candle.interval}", candle.symbol), market_frames.kline(candle, ms))

    def _mark_changed(self, event: MarkChanged) -> None:
        """`@1s` at every second of market time, the plain stream at every third."""
        premium = event.premium
        third = premium.market_ms // 1000 % 3 == 0
        for suffix in ("@1s", "") if third else ("@1s",):
            name = f"{premium.symbol.lower()}@markPrice{suffix}"
            if self._subscriptions.wanted(name):
                self._publish(name, Topic("markPrice", premium.symbol), market_frames.mark_price(premium, event.ms))

    def _publish(self, name: str, topic: Topic, document: dict[str, Any]) -> None:
        self._subscriptions.publish(name, topic, lambda style: _frame(name, document, style))

    def _tell_account(self, document: dict[str, Any]) -> None:
        key = self._listen_keys.valid(self._clock.now_ms())
        if key is not None:
            self._tell_listeners(key, document)

    def _tell_listeners(self, key: str, document: dict[str, Any]) -> None:
        for connection in list(self._private):
            for listener in connection.listeners:
                wanted = listener.events is None or document["e"] in listener.events
                if wanted and listener.listen_key == key:
                    connection.socket.send(_frame(key, document, connection.style), PRIVATE)

    # what happens by itself

    async def run(self) -> None:
        """Send what is due by the clock: conflated candles, tickers, the end of listen keys; until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._every, self._settings.kline_seconds, self._flush)
            nursery.start_soon(self._every, self._settings.ticker_seconds, self._send_tickers)

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while True:
            await trio.sleep(seconds)
            act()

    def _flush(self) -> None:
        now_ms = self._clock.now_ms()
        changed, self._changed_candles = self._changed_candles, {}
        for name, candle in changed.items():
            self._publish_candle(name, candle, now_ms)
        expired = self._listen_keys.expired(now_ms)
        if expired is not None:
            self._tell_listeners(expired, user_frames.listen_key_expired(expired, now_ms))

    def _send_tickers(self) -> None:
        now_ms = self._clock.now_ms()
        for symbol in self._venue.rules:
            for channel, document in (("ticker", market_frames.ticker), ("miniTicker", market_frames.mini_ticker)):
                name = f"{symbol.lower()}@{channel}"
                if not self._subscriptions.wanted(name):
                    continue
                try:
                    day = self._venue.ticker(symbol)
                except Refusal:
                    continue  # nothing has traded yet
                self._publish(name, Topic(channel, symbol), document(day, now_ms))

    def close_listeners(self, key: str) -> None:
        """Disconnect whoever listens with a key that was closed."""
        for connection in list(self._private):
            if any(listener.listen_key == key for listener in connection.listeners):
                connection.socket.close(1000, "listen key closed")


def _frame(name: str, document: dict[str, Any], style: str) -> bytes:
    payload = _encode(document)
    if style == _WRAPPED:
        payload = b'{"stream":%b,"data":%b}' % (_encode(name), payload)
    return text_frame(payload)
