"""Replies about one account, as the venue lays them out, and what they are in our words."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from opensqt_core.account import Balance, FeeRates, FundingPayment, Position
from opensqt_core.errors import Rejected
from opensqt_core.order import Fill, Order
from opensqt_exchanges.binance.words import Refused, Wire, one_of, order_type, positive, side, status

_MARGIN_MODES = {"CROSSED": "cross", "ISOLATED": "isolated"}


class ListenKey(Wire):
    """POST /fapi/v1/listenKey."""

    listen_key: str

    def value(self) -> str:
        """Return the key."""
        return self.listen_key


class BalanceRow(Wire):
    """GET /fapi/v3/balance."""

    asset: str
    balance: Decimal
    cross_un_pnl: Decimal
    available_balance: Decimal
    update_time: int | None = None

    def value(self) -> Balance:
        """Return the asset. Unrealised profit of isolated positions is not part of `margin`: nothing new may use it."""
        return Balance(
            asset=self.asset,
            wallet=self.balance,
            margin=self.balance + self.cross_un_pnl,
            available=self.available_balance,
            updated_ms=self.update_time or None,
        )


class PositionRow(Wire):
    """GET /fapi/v3/positionRisk."""

    symbol: str
    position_side: str
    position_amt: Decimal
    entry_price: Decimal
    mark_price: Decimal
    un_realized_profit: Decimal
    liquidation_price: Decimal
    update_time: int

    def value(self) -> Position | None:
        """Return the one-way position, None for an empty row of hedge mode.

        Raises `Rejected` for a position of hedge mode, which a one-way position cannot express.
        """
        if self.position_side != "BOTH":
            if self.position_amt:
                raise Rejected("the account is in hedge mode; switch it to one-way position mode")
            return None
        return Position(
            symbol=self.symbol,
            quantity=self.position_amt,
            entry_price=self.entry_price,
            mark_price=self.mark_price,
            unrealised=self.un_realized_profit,
            liquidation_price=positive(self.liquidation_price),
            updated_ms=self.update_time or None,
        )


class SymbolConfigRow(Wire):
    """GET /fapi/v1/symbolConfig."""

    symbol: str
    margin_type: str
    leverage: int

    def value(self) -> tuple[str, int, str]:
        """Return symbol, leverage, and `cross` or `isolated`."""
        return self.symbol, self.leverage, one_of(_MARGIN_MODES, self.margin_type, "margin type")


class AccountConfig(Wire):
    """GET /fapi/v1/accountConfig."""

    dual_side_position: bool

    def value(self) -> bool:
        """Return whether the account is in hedge mode."""
        return self.dual_side_position


class CommissionRow(Wire):
    """GET /fapi/v1/commissionRate."""

    maker_commission_rate: Decimal
    taker_commission_rate: Decimal

    def value(self) -> FeeRates:
        """Return what is paid, as fractions."""
        return FeeRates(maker=self.maker_commission_rate, taker=self.taker_commission_rate)


class OrderRow(Wire):
    """An order in a reply. Placements and cancels have lacked `avgPrice` and `time` since July 2026."""

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    status: str
    time_in_force: str
    reduce_only: bool = False
    avg_price: Decimal | None = None
    time: int | None = None
    update_time: int | None = None

    def value(self) -> Order:
        """Return the order."""
        return Order(
            symbol=self.symbol,
            order_id=str(self.order_id),
            client_order_id=self.client_order_id or None,
            side=side(self.side),
            type=order_type(self.type),
            price=positive(self.price),
            quantity=self.orig_qty,
            filled=self.executed_qty,
            status=status(self.status),
            post_only=self.time_in_force == "GTX",
            reduce_only=self.reduce_only,
            average_price=positive(self.avg_price),
            reason="self_trade" if self.status == "EXPIRED_IN_MATCH" else None,
            created_ms=self.time,
            updated_ms=self.update_time,
        )


class UserTradeRow(Wire):
    """GET /fapi/v1/userTrades. It does not name the client order id."""

    symbol: str
    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    time: int

    def value(self) -> Fill:
        """Return the execution; commission is positive when paid."""
        return Fill(
            symbol=self.symbol,
            trade_id=str(self.id),
            order_id=str(self.order_id),
            client_order_id=None,
            side=side(self.side),
            price=self.price,
            quantity=self.qty,
            fee=self.commission,
            fee_asset=self.commission_asset,
            maker=self.maker,
            time_ms=self.time,
        )


class IncomeRow(Wire):
    """GET /fapi/v1/income; positive is received."""

    symbol: str
    income: Decimal
    asset: str
    tran_id: int | str
    time: int

    def value(self) -> FundingPayment:
        """Return the settlement."""
        return FundingPayment(
            symbol=self.symbol, payment_id=str(self.tran_id), amount=self.income, asset=self.asset, time_ms=self.time
        )


def batch(count: int) -> Callable[[bytes], list[Order | Refused]]:
    """Return how to read the reply to a batch: one item for each of the `count` that were sent, in their order."""

    def understand(reply: bytes) -> list[Order | Refused]:
        items = msgspec.json.decode(reply, type=list[msgspec.Raw])
        if len(items) != count:
            raise msgspec.ValidationError(f"{len(items)} answers to a batch of {count}")
        return [_item(item) for item in items]

    return understand


def _item(item: msgspec.Raw) -> Order | Refused:
    refused = msgspec.json.decode(item, type=Refused)
    return msgspec.json.decode(item, type=OrderRow).value() if refused.code is None else refused
