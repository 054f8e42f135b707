"""The simulated venue: one account, several symbols, no I/O. It is fed a market and requests, and tells events.

An incoming order
- that reaches the touch takes what the touch shows, at the touch; whatever is left, if its limit allows, fills one tick
  behind the touch, where size is without limit (what is really there is not in our data). What the touch shows is
  there once: the next quote offers it anew. Fee: taker.
- rests with what is left (GTC), or that part expires (IOC, market). FOK is refused (FOK_UNFILLABLE) unless all of it
  would fill, post-only (WOULD_TAKE) if any of it would, against our own orders too; neither leaves a record.
- that would meet one of our own resting orders: EXPIRE_MAKER expires every resting one in its way, EXPIRE_TAKER what is
  left of the incoming one when it gets there, EXPIRE_BOTH that and the first resting one.

A resting order is behind others: the size shown at the touch if it joins the touch, nobody if it improves it. Behind
the touch nobody can be seen: then the size shown when the touch first comes to its price counts (nobody, if a trade
prints there before any quote shows it). It fills, as maker at its own price and in price-time order among our own,
- entirely, when a trade prints through its price;
- when a trade prints at its price and the taker was on the other side: first the queue, then our part of what is left;
- when a quote shows the opposite touch at or through its price: up to the size shown.
Our orders never change the market that is replayed. Without a quote feed the touch is inferred from the last trade
(one tick wide): it decides what an incoming order takes, without limit; resting orders fill by prints alone and have
no queue before them.

Reduce-only as on Binance: refused if it would not reduce, or if all reduce-only orders of its side together would
exceed the position. Whenever the position has become smaller than they are together, the last in line (worst price,
then youngest) expire whole until the rest fits.

An amended order keeps its ids, loses its place and may take. As on Binance it is cancelled if its new quantity is
filled already or if, post-only, it would take.

Mark price: mid of the quotes, or the last price without them. Index: the last price. Margin: `opensqt_sim.account`.
Liquidation, when equity falls below maintenance margin: every open order expires, every position is closed at the mark
(nearest tick), fee taker, client order id `autoclose-<order id>`. There is no insurance fund: the wallet may go below
zero.

Order of events in one call: the market's own (`BookChanged`; `TradePrinted`, then `CandleChanged`), then what it did to
us; of a fill first `AccountChanged`, then `OrderChanged`, then what the smaller position knocked out.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from opensqt_core.order import NewOrder, OrderStatus, OrderType, Side, TimeInForce
from opensqt_sim import funding, matching
from opensqt_sim.account import Holding
from opensqt_sim.admission import admit_amendment, admit_new
from opensqt_sim.candles import Candles
from opensqt_sim.listing import Listing
from opensqt_sim.model import (
    AccountReason,
    Book,
    BookChanged,
    CandleChanged,
    Change,
    FundingPaid,
    FundingPayment,
    LeverageChanged,
    Listener,
    MarkChanged,
    MarketTrade,
    Origin,
    Reason,
    Refusal,
    RefusalKind,
    SelfTradePrevention,
    SimCandle,
    SimOrder,
    TradePrinted,
)
from opensqt_sim.rules import AccountSettings, Rules
from opensqt_sim.views import VenueView


class SimVenue(VenueView):
    """Requests and market inputs; lookups are inherited. Each call tells its events before it returns.

    `now_ms` is the wall clock (server time), `market_ms` the market's own. A call that raises `Refusal` did nothing.
    """

    def __init__(self, rules: Iterable[Rules], settings: AccountSettings | None = None) -> None:
        super().__init__(settings or AccountSettings(), rules)
        for each in self.rules.values():
            instrument = each.instrument
            if instrument.quote != self.settings.asset:
                raise ValueError(
                    f"{instrument.symbol} is quoted in {instrument.quote}, the account holds {self.settings.asset}"
                )
            held = Holding(each, min(self.settings.leverage, each.max_leverage))
            candles = Candles(instrument.symbol, self._candle_changed)
            self._listings[instrument.symbol] = Listing(each, held, candles, self.settings.funding_interval_ms)
            self._execution.account.holdings[instrument.symbol] = held
        self._now_ms = 0

    def subscribe(self, listener: Listener) -> None:
        """Tell every event to `listener` from now on."""
        self._execution.listeners += (listener,)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop telling a listener. Raises `ValueError` if it is not subscribed."""
        listeners = list(self._execution.listeners)
        listeners.remove(listener)
        self._execution.listeners = tuple(listeners)

    def watch_candles(self, symbol: str, interval: str) -> None:
        """Tell `CandleChanged` for this interval from now on: at every trade, and once as closed.

        Raises `Refusal` (UNKNOWN_SYMBOL), `ValueError` for an interval that core does not know.
        """
        self._listing(symbol).candles.watch(interval)

    def seed_candles(self, symbol: str, history: Iterable[SimCandle]) -> None:
        """Put closed 1m candles before the first trade (`candles.minute_candle` makes them). Raises `ValueError`."""
        self._listing(symbol).candles.seed(history)

    # requests

    def place(
        self,
        order: NewOrder,
        now_ms: int,
        *,
        self_trade: SelfTradePrevention = SelfTradePrevention.EXPIRE_MAKER,
        origin: Origin = Origin.API,
    ) -> SimOrder:
        """Place an order and return its state after matching. Raises `Refusal`."""
        listing = self._listing(order.symbol)
        admit_new(self._execution, listing, order, self_trade)
        placed = SimOrder(
            order_id=self._execution.records.new_order_id(),
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            price=order.price,
            quantity=order.quantity,
            self_trade=self_trade,
            origin=origin,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self._execution.accept(placed, now_ms)
        matching.run_incoming(self._execution, listing, placed, now_ms)
        self._liquidate_if_ruined(now_ms)
        return placed.snapshot()

    def cancel(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None, now_ms: int
    ) -> SimOrder:
        """Cancel one open order by either id. Raises `Refusal` (UNKNOWN_ORDER if it is not open)."""
        listing = self._listing(symbol)
        order = self._open_order(symbol, order_id, client_order_id)
        self._execution.end(listing, order, OrderStatus.CANCELED, Reason.CANCELED, now_ms)
        return order.snapshot()

    def cancel_all(self, symbol: str, now_ms: int, *, reason: Reason = Reason.CANCEL_ALL) -> Sequence[SimOrder]:
        """Cancel every open order of a symbol and return them, oldest first."""
        listing = self._listing(symbol)
        orders = [order for order in self._execution.records.open.values() if order.symbol == symbol]
        for order in orders:
            self._execution.end(listing, order, OrderStatus.CANCELED, reason, now_ms)
        return [order.snapshot() for order in orders]

    def amend(
        self,
        symbol: str,
        *,
        order_id: int | None = None,
        client_order_id: str | None = None,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        now_ms: int,
    ) -> SimOrder:
        """Change price and total quantity of an open limit order (`side` only to be compared). Raises `Refusal`.

        The result may be CANCELED: see the module's docstring.
        """
        listing = self._listing(symbol)
        order = self._open_order(symbol, order_id, client_order_id)
        execution = self._execution
        admit_amendment(execution, listing, order, side=side, price=price, quantity=quantity)
        if quantity <= order.filled:
            execution.end(listing, order, OrderStatus.CANCELED, Reason.AMEND_FILLED, now_ms)
        elif order.post_only and matching.would_match(listing, order.side, price):
            execution.end(listing, order, OrderStatus.CANCELED, Reason.AMEND_WOULD_TAKE, now_ms)
        else:
            listing.held.resting(order.side).remove(order)
            order.price, order.quantity = price, quantity
            execution.order_changed(order, Change.AMENDMENT, now_ms, note="amended")
            matching.run_incoming(execution, listing, order, now_ms)
            self._liquidate_if_ruined(now_ms)
        return order.snapshot()

    def set_leverage(self, symbol: str, leverage: int, now_ms: int) -> None:
        """Set the leverage of a symbol. Raises `Refusal` (BAD_LEVERAGE, INSUFFICIENT_MARGIN)."""
        listing = self._listing(symbol)
        if not 1 <= leverage <= listing.rules.max_leverage:
            raise Refusal(
                RefusalKind.BAD_LEVERAGE, f"leverage {leverage} is not within 1..{listing.rules.max_leverage}"
            )
        if not self._execution.account.affords_leverage(listing.held, leverage):
            raise Refusal(RefusalKind.INSUFFICIENT_MARGIN, f"not enough margin for leverage {leverage}")
        listing.held.leverage = leverage
        if self._execution.listeners:
            self._execution.tell(LeverageChanged(symbol, leverage, now_ms))

    def set_countdown(self, symbol: str, countdown_ms: int, now_ms: int) -> None:
        """Arm the dead-man's switch: cancel all orders of the symbol in `countdown_ms` of wall time; 0 disarms."""
        self._listing(symbol).countdown_ms = now_ms + countdown_ms if countdown_ms else None

    # market inputs

    def on_book(self, symbol: str, book: Book, market_ms: int, now_ms: int) -> None:
        """Let best bid and offer change."""
        listing = self._listings[symbol]
        if market_ms >= listing.wake_ms:
            self._advance(listing, market_ms, now_ms, first_price=book.mid)
        listing.quote(book)
        listing.update_mark()
        execution = self._execution
        if execution.listeners:
            execution.tell(BookChanged(symbol, book, listing.update_id, market_ms, now_ms))
        held = listing.held
        buys, sells = held.buys.best, held.sells.best
        if (buys is not None and buys >= book.bid) or (sells is not None and sells <= book.ask):
            matching.match_book(execution, listing, book, now_ms)
        if held.quantity:
            self._liquidate_if_ruined(now_ms)

    def on_trade(self, trade: MarketTrade, now_ms: int) -> None:
        """Let a trade print."""
        listing = self._listings[trade.symbol]
        if trade.market_ms >= listing.wake_ms:
            self._advance(listing, trade.market_ms, now_ms, first_price=trade.price)
        execution = self._execution
        listing.last = trade
        listing.recent.append(trade)
        inferred = listing.infer(trade)
        if inferred is not None:
            listing.quote(inferred)
        listing.update_mark()
        self._now_ms = now_ms
        if execution.listeners:
            execution.tell(TradePrinted(trade, now_ms))
            if inferred is not None:
                execution.tell(BookChanged(trade.symbol, inferred, listing.update_id, trade.market_ms, now_ms))
        listing.candles.add(trade)
        held = listing.held
        buys, sells = held.buys.best, held.sells.best
        if (buys is not None and buys >= trade.price) or (sells is not None and sells <= trade.price):
            matching.match_trade(execution, listing, trade, now_ms)
        if held.quantity:
            self._liquidate_if_ruined(now_ms)

    def on_clock(self, now_ms: int, market_ms: int | None = None) -> None:
        """Let time pass: dead-man's switches by wall time, candles and funding by market time (None: it stands still).

        A market time before the last event's is ignored: the market never goes back.
        """
        for listing in self._listings.values():
            if listing.countdown_ms is not None and now_ms >= listing.countdown_ms:
                listing.countdown_ms = None
                self.cancel_all(listing.symbol, now_ms, reason=Reason.DEAD_MAN)
            if market_ms is not None and listing.market_ms and market_ms >= listing.wake_ms:
                self._advance(listing, market_ms, now_ms, first_price=listing.mark)

    # what is due by market time

    def _advance(self, listing: Listing, market_ms: int, now_ms: int, *, first_price: Decimal) -> None:
        self._now_ms = now_ms
        if not listing.market_ms:
            listing.start(market_ms, first_price, self.settings.funding_interest)
        while listing.next_funding_ms <= market_ms:
            self._settle_funding(listing, now_ms)
        listing.move_clock(market_ms)
        listing.candles.advance(market_ms)
        if self._execution.listeners and listing.mark:
            self._execution.tell(MarkChanged(listing.premium(self.settings.funding_interest), now_ms))

    def _settle_funding(self, listing: Listing, now_ms: int) -> None:
        settled = listing.settle(funding.rate(listing.mark, listing.index, self.settings.funding_interest))
        held, records = listing.held, self._execution.records
        if not held.quantity:
            return
        amount = funding.payment(held.quantity, settled.mark, settled.rate)
        payment = FundingPayment(
            payment_id=len(records.funding) + 1,
            symbol=listing.symbol,
            amount=amount,
            asset=self.settings.asset,
            rate=settled.rate,
            ms=now_ms,
            market_ms=settled.market_ms,
        )
        records.funding.append(payment)
        self._execution.account.receive_funding(held, amount)
        held.updated_ms = now_ms
        self._execution.tell(FundingPaid(payment, now_ms))
        self._execution.account_changed(AccountReason.FUNDING_FEE, listing, now_ms)

    def _candle_changed(self, candle: SimCandle) -> None:
        self._execution.tell(CandleChanged(candle, self._now_ms))

    # liquidation

    def _liquidate_if_ruined(self, now_ms: int) -> None:
        if not self._execution.account.ruined:
            return
        execution = self._execution
        for order in tuple(execution.records.open.values()):
            execution.end(self._listings[order.symbol], order, OrderStatus.EXPIRED, Reason.LIQUIDATION, now_ms)
        for listing in self._listings.values():
            if listing.held.quantity:
                self._close_at_mark(listing, now_ms)

    def _close_at_mark(self, listing: Listing, now_ms: int) -> None:
        quantity = listing.held.quantity
        order_id = self._execution.records.new_order_id()
        order = SimOrder(
            order_id=order_id,
            client_order_id=f"autoclose-{order_id}",
            symbol=listing.symbol,
            side=Side.SELL if quantity > 0 else Side.BUY,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            post_only=False,
            reduce_only=False,
            price=None,
            quantity=abs(quantity),
            self_trade=SelfTradePrevention.EXPIRE_MAKER,
            origin=Origin.LIQUIDATION,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self._execution.accept(order, now_ms)
        price = listing.instrument.round_price(listing.mark)
        self._execution.fill(
            listing, order, price, order.quantity, maker=False, now_ms=now_ms, change=Change.CALCULATED
        )

    def _open_order(self, symbol: str, order_id: int | None, client_order_id: str | None) -> SimOrder:
        order = self._execution.records.find(symbol, order_id=order_id, client_order_id=client_order_id)
        if not order.open:
            raise Refusal(RefusalKind.UNKNOWN_ORDER, f"order {order.order_id} is not open but {order.status}")
        return order
