"""Who listens to what: encodes a message once and hands the same bytes to every subscriber."""

from collections.abc import Callable, Iterable

import attrs

from opensqt_sim.wire.websocket import Topic, WebSocket


@attrs.define
class Subscriptions:
    """Stream names and the sockets that asked for them.

    `frame` makes the bytes for one way in which sockets want a stream wrapped (the `style` given on subscribing).
    """

    _streams: dict[str, dict[str, set[WebSocket]]] = attrs.field(factory=dict, init=False)

    def add(self, stream: str, socket: WebSocket, *, style: str = "") -> None:
        """Have `socket` receive a stream from now on."""
        self._streams.setdefault(stream, {}).setdefault(style, set()).add(socket)

    def discard(self, stream: str, socket: WebSocket) -> None:
        """Have `socket` receive a stream no longer."""
        styles = self._streams.get(stream, {})
        for style in [style for style, sockets in styles.items() if socket in sockets]:
            styles[style].discard(socket)
            if not styles[style]:
                del styles[style]
        if not styles:
            self._streams.pop(stream, None)

    def discard_all(self, socket: WebSocket, streams: Iterable[str]) -> None:
        """Forget a socket that is gone."""
        for stream in list(streams):
            self.discard(stream, socket)

    def wanted(self, stream: str) -> bool:
        """Whether anybody listens: if not, nothing need be encoded."""
        return stream in self._streams

    def publish(self, stream: str, topic: Topic, frame: Callable[[str], bytes]) -> None:
        """Send to every subscriber; `frame(style)` is called once for each style in use."""
        for style, sockets in self._streams.get(stream, {}).items():
            data = frame(style)
            for socket in list(sockets):
                socket.send(data, topic)
