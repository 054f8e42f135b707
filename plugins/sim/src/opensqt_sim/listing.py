"""One symbol of a simulated venue: its market as last seen, and what of it an order can take."""

from collections import deque
from decimal import Decimal

import attrs

from opensqt_core.order import Side
from opensqt_sim import funding
from opensqt_sim.account import Holding
from opensqt_sim.candles import Candles
from opensqt_sim.model import Book, FundingSettled, MarketTrade, Premium, Refusal, RefusalKind
from opensqt_sim.rules import Rules

RECENT_TRADES = 1000
_SECOND_MS = 1000
_ZERO = Decimal(0)


@attrs.frozen
class Take:
    """One step of an incoming order through the book."""

    price: Decimal
    quantity: Decimal


class Listing:
    """The state of one symbol. Only the engine writes it."""

    def __init__(self, rules: Rules, held: Holding, candles: Candles, funding_interval_ms: int) -> None:
        self.rules = rules
        self.instrument = rules.instrument
        self.symbol = rules.instrument.symbol
        self.held = held
        self.candles = candles
        self.book: Book | None = None
        self.update_id = 0
        self.last: MarketTrade | None = None
        self.recent: deque[MarketTrade] = deque(maxlen=RECENT_TRADES)
        self.market_ms = 0
        self.next_funding_ms = 0
        self.wake_ms = 0
        """Market time at which something is due besides matching: the next whole second."""
        self.settled: list[FundingSettled] = []
        self.countdown_ms: int | None = None
        """Wall time at which the dead-man's switch fires; None when it is not armed."""
        self._funding_interval_ms = funding_interval_ms
        self._bid_left = self._ask_left = _ZERO

    # the market as it comes in

    def start(self, market_ms: int, price: Decimal, interest: Decimal) -> None:
        """See the first market event: funding starts, with a past."""
        interval = self._funding_interval_ms
        self.next_funding_ms = funding.next_settlement(market_ms, interval)
        first = self.next_funding_ms - funding.HISTORY * interval
        self.settled = [
            FundingSettled(symbol=self.symbol, rate=interest, mark=price, market_ms=time)
            for time in range(first, self.next_funding_ms, interval)
            if time > 0
        ]

    def move_clock(self, market_ms: int) -> None:
        """Let market time go on; the next whole second is when to look again."""
        self.market_ms = market_ms
        self.wake_ms = market_ms - market_ms % _SECOND_MS + _SECOND_MS

    def settle(self, rate: Decimal) -> FundingSettled:
        """Record the settlement that is due and set the next."""
        settled = FundingSettled(symbol=self.symbol, rate=rate, mark=self.mark, market_ms=self.next_funding_ms)
        self.settled.append(settled)
        self.next_funding_ms += self._funding_interval_ms
        return settled

    def quote(self, book: Book) -> None:
        """Replace the touch. Its sizes are on offer anew."""
        self.book = book
        self.update_id += 1
        self._bid_left = book.bid_quantity
        self._ask_left = book.ask_quantity

    def infer(self, trade: MarketTrade) -> Book | None:
        """Make a touch from a trade where there is no quote feed: one tick wide, the trade on the taker's side."""
        if self.book is not None and not self.book.inferred:
            return None
        tick = self.instrument.tick_size
        bid, ask = trade.price, trade.price + tick
        if trade.taker_side is Side.BUY and trade.price > tick:
            bid, ask = trade.price - tick, trade.price
        if self.book is not None and (self.book.bid, self.book.ask) == (bid, ask):
            return None
        return Book(bid, trade.quantity, ask, trade.quantity, inferred=True)

    # prices

    @property
    def mark(self) -> Decimal:
        """Mid of the quotes; the last price where there is no quote feed; 0 before the first event."""
        return self.held.mark

    def update_mark(self) -> None:
        """Set the mark price from what was seen last."""
        book = self.book
        if book is not None and not book.inferred:
            self.held.mark = book.mid
        elif self.last is not None:
            self.held.mark = self.last.price

    @property
    def index(self) -> Decimal:
        """The last price; the mark before the first trade."""
        return self.last.price if self.last is not None else self.mark

    def premium(self, interest: Decimal) -> Premium:
        """Return mark, index and expected funding. Raises `Refusal` (NO_MARKET) before the first event."""
        mark, index = self.mark, self.index
        if not mark:
            raise Refusal(RefusalKind.NO_MARKET, f"{self.symbol} has no price yet")
        return Premium(
            symbol=self.symbol,
            mark=mark,
            index=index,
            funding_rate=funding.rate(mark, index, interest),
            next_funding_ms=self.next_funding_ms,
            market_ms=self.market_ms,
        )

    # what an order meets

    def touches(self, side: Side, price: Decimal | None) -> bool:
        """Return whether an incoming order at `price` (None: any) would match the touch."""
        book = self.book
        if book is None:
            return False
        if price is None:
            return True
        return price >= book.ask if side is Side.BUY else price <= book.bid

    def left(self, opposite: Side) -> Decimal | None:
        """Return what the touch of that side still offers; None: without limit (sizes of an inferred touch)."""
        if self.book is None:
            return _ZERO
        if self.book.inferred:
            return None
        return self._bid_left if opposite is Side.BUY else self._ask_left

    def consume(self, opposite: Side, quantity: Decimal) -> None:
        """Take from what the touch offers until the next quote."""
        if opposite is Side.BUY:
            self._bid_left = max(_ZERO, self._bid_left - quantity)
        else:
            self._ask_left = max(_ZERO, self._ask_left - quantity)

    def take(self, side: Side, limit: Decimal | None, quantity: Decimal) -> list[Take]:
        """Return what an incoming order finds: the touch, then one tick behind it without limit."""
        if not self.touches(side, limit) or self.book is None:
            return []
        touch = self.book.ask if side is Side.BUY else self.book.bid
        left = self.left(side.opposite)
        at_touch = quantity if left is None else min(quantity, left)
        steps = [Take(touch, at_touch)] if at_touch else []
        behind = touch + side.sign * self.instrument.tick_size
        reaches = limit is None or (limit - behind) * side.sign >= 0
        if quantity > at_touch and reaches and behind > 0:
            steps.append(Take(behind, quantity - at_touch))
        return steps

    def queue_at(self, side: Side, price: Decimal) -> Decimal | None:
        """Return what is ahead of an order that arrives now; None where the book does not show it."""
        book = self.book
        if book is None or book.inferred:
            return _ZERO
        touch, shown = (book.bid, book.bid_quantity) if side is Side.BUY else (book.ask, book.ask_quantity)
        if price == touch:
            return shown
        return _ZERO if (price - touch) * side.sign > 0 else None
