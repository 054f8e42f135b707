"""Everything a simulated venue can be asked. Nothing here changes anything."""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from opensqt_sim.execution import Execution
from opensqt_sim.ledger import Ledger
from opensqt_sim.listing import Listing
from opensqt_sim.model import (
    Book,
    FundingPayment,
    FundingSettled,
    MarketTrade,
    Premium,
    Refusal,
    RefusalKind,
    SimBalance,
    SimCandle,
    SimFill,
    SimOrder,
    SimPosition,
    Ticker,
)
from opensqt_sim.records import page, within
from opensqt_sim.rules import AccountSettings, Rules

_DAY_MS = 86_400_000


class VenueView:
    """The read side of `SimVenue`. Every method that takes a symbol raises `Refusal` (UNKNOWN_SYMBOL).

    Lists are in order of time, oldest first. With a `start_ms` (or `from_id`) a `limit` keeps the first ones from
    there, without it the newest ones. Time ranges include both ends and are wall time, except for candles and funding
    rates, which are the market's.
    """

    settings: AccountSettings
    rules: dict[str, Rules]
    """By symbol."""
    ledger: Ledger

    def __init__(self, settings: AccountSettings, rules: Iterable[Rules]) -> None:
        self.settings = settings
        self.rules = {each.instrument.symbol: each for each in rules}
        self.ledger = Ledger()
        self._execution = Execution(settings)
        self._listings: dict[str, Listing] = {}

    # orders and money

    def order(self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None) -> SimOrder:
        """Return an order in any status; of several with one client order id the newest.

        Raises `Refusal` (UNKNOWN_ORDER).
        """
        self._listing(symbol)
        return self._execution.records.find(symbol, order_id=order_id, client_order_id=client_order_id).snapshot()

    def open_orders(self, symbol: str | None = None) -> Sequence[SimOrder]:
        """Return open orders in order of their ids."""
        chosen = self._chosen(symbol)
        return [order.snapshot() for order in self._execution.records.open.values() if order.symbol in chosen]

    def orders(
        self,
        symbol: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        from_id: int | None = None,
        limit: int | None = None,
    ) -> Sequence[SimOrder]:
        """Return orders in any status, by their creation time."""
        chosen = self._chosen(symbol)
        found = [
            order
            for order in self._execution.records.orders.values()
            if order.symbol in chosen
            and within(order.created_ms, start_ms, end_ms)
            and (from_id is None or order.order_id >= from_id)
        ]
        oldest_first = start_ms is not None or from_id is not None
        return [order.snapshot() for order in page(found, oldest_first=oldest_first, limit=limit)]

    def fills(
        self,
        symbol: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        from_id: int | None = None,
        order_id: int | None = None,
        limit: int | None = None,
    ) -> Sequence[SimFill]:
        """Return executions of the account; `from_id` is a trade id."""
        chosen = self._chosen(symbol)
        found = [
            fill
            for fill in self._execution.records.fills
            if fill.symbol in chosen
            and within(fill.ms, start_ms, end_ms)
            and (from_id is None or fill.trade_id >= from_id)
            and (order_id is None or fill.order_id == order_id)
        ]
        return page(found, oldest_first=start_ms is not None or from_id is not None, limit=limit)

    def funding_payments(
        self,
        symbol: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """Return what funding did to the account."""
        chosen = self._chosen(symbol)
        found = [
            payment
            for payment in self._execution.records.funding
            if payment.symbol in chosen and within(payment.ms, start_ms, end_ms)
        ]
        return page(found, oldest_first=start_ms is not None, limit=limit)

    def balances(self) -> Sequence[SimBalance]:
        """Return the assets of the account: one."""
        return [self._execution.account.balance()]

    def positions(self, symbol: str | None = None) -> Sequence[SimPosition]:
        """Return one position for each symbol of the venue, flat ones too; or exactly the one asked for."""
        account = self._execution.account
        return [account.position(self._listings[each].held) for each in self._chosen(symbol)]

    def cash_flow(self, symbol: str | None = None) -> Decimal:
        """Return sells - buys in quote, minus fees, plus funding, since the start."""
        return sum((self._listings[each].held.cash_flow for each in self._chosen(symbol)), Decimal(0))

    def leverage(self, symbol: str) -> int:
        """Return the account's leverage on a symbol."""
        return self._listing(symbol).held.leverage

    # the market

    def market_ms(self, symbol: str) -> int:
        """Return the market's time as last seen; 0 before the first event."""
        return self._listing(symbol).market_ms

    def book(self, symbol: str) -> Book:
        """Return best bid and offer. Raises `Refusal` (NO_MARKET) before the first event."""
        book = self._listing(symbol).book
        if book is None:
            raise Refusal(RefusalKind.NO_MARKET, f"{symbol} has no price yet")
        return book

    def update_id(self, symbol: str) -> int:
        """Return how often best bid and offer have changed."""
        return self._listing(symbol).update_id

    def trades(self, symbol: str, *, limit: int = 500) -> Sequence[MarketTrade]:
        """Return the newest public trades (at most 1000 are kept)."""
        return page(tuple(self._listing(symbol).recent), oldest_first=False, limit=limit)

    def premium(self, symbol: str) -> Premium:
        """Return mark, index and expected funding. Raises `Refusal` (NO_MARKET) before the first event."""
        return self._listing(symbol).premium(self.settings.funding_interest)

    def funding_rates(
        self, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None, limit: int | None = None
    ) -> Sequence[FundingSettled]:
        """Return settled rates (by market time), including a hundred before the first market event."""
        found = [rate for rate in self._listing(symbol).settled if within(rate.market_ms, start_ms, end_ms)]
        return page(found, oldest_first=start_ms is not None, limit=limit)

    def candles(
        self,
        symbol: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> Sequence[SimCandle]:
        """Return candles that open in the range; the running one has `closed` False.

        Raises `ValueError` for an interval that core does not know.
        """
        listing = self._listing(symbol)
        return listing.candles.rows(
            interval, start_ms=start_ms, end_ms=end_ms, limit=limit, market_ms=listing.market_ms
        )

    def ticker(self, symbol: str) -> Ticker:
        """Return the last 24 hours. Raises `Refusal` (NO_MARKET) before the first trade or candle."""
        listing = self._listing(symbol)
        rows = self.candles(symbol, "1m", limit=_DAY_MS // 60_000)
        if not rows:
            raise Refusal(RefusalKind.NO_MARKET, f"{symbol} has not traded yet")
        zero = Decimal(0)
        return Ticker(
            symbol=symbol,
            last=rows[-1].close,
            last_quantity=listing.last.quantity if listing.last is not None else zero,
            open=rows[0].open,
            high=max(row.high for row in rows),
            low=min(row.low for row in rows),
            volume=sum((row.volume for row in rows), zero),
            quote_volume=sum((row.quote_volume for row in rows), zero),
            trades=sum(row.trades for row in rows),
            open_time_ms=rows[0].open_time_ms,
            close_time_ms=listing.market_ms,
        )

    def _listing(self, symbol: str) -> Listing:
        try:
            return self._listings[symbol]
        except KeyError:
            raise Refusal(RefusalKind.UNKNOWN_SYMBOL, f"there is no {symbol} here") from None

    def _chosen(self, symbol: str | None) -> Collection[str]:
        if symbol is None:
            return self._listings.keys()
        return (self._listing(symbol).symbol,)
