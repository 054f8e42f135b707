"""The account of a simulated venue: wallet, one-way positions at average cost, cross margin.

- A position is kept as quantity and cost, both signed, so that closing it books to the last digit what was paid. What a
  partial close takes out of the cost is rounded to 8 digits; the rest stays in the position, so nothing is lost.
- Unrealised = quantity·mark - cost. Equity = wallet + unrealised of all positions.
- Initial margin of a symbol = max(|position + open buys|, |position - open sells|) / leverage: the position at mark,
  the orders at their prices, reduce-only orders not counted. An order that would raise it beyond equity is refused.
- Maintenance margin = |position at mark|·rate, one tier. Equity below the sum of it means liquidation.
"""

from decimal import ROUND_HALF_EVEN, Decimal

from opensqt_core.order import Side
from opensqt_sim.model import SimBalance, SimPosition
from opensqt_sim.resting import Resting
from opensqt_sim.rules import AccountSettings, Rules

ZERO = Decimal(0)
_EIGHT = Decimal("0.00000001")


def round_money(amount: Decimal) -> Decimal:
    """Round to the 8 digits that venues book fees, profit and funding with."""
    return amount.quantize(_EIGHT, ROUND_HALF_EVEN)


class Holding:
    """What the account has in one symbol: a position, its leverage, its open orders."""

    def __init__(self, rules: Rules, leverage: int) -> None:
        self.rules = rules
        self.symbol = rules.instrument.symbol
        self.leverage = leverage
        self.quantity = ZERO
        self.cost = ZERO
        self.realised = ZERO
        self.cash_flow = ZERO
        """Sells - buys in quote, minus fees, plus funding."""
        self.mark = ZERO
        self.buys = Resting(Side.BUY)
        self.sells = Resting(Side.SELL)
        self.updated_ms = 0

    @property
    def entry_price(self) -> Decimal:
        """Average price of what is held; 0 when flat."""
        return self.cost / self.quantity if self.quantity else ZERO

    @property
    def notional(self) -> Decimal:
        """Signed value of the position at mark."""
        return self.quantity * self.mark

    @property
    def unrealised(self) -> Decimal:
        """Profit if closed at mark."""
        return self.quantity * self.mark - self.cost

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin."""
        return abs(self.notional) * self.rules.maintenance_rate

    def resting(self, side: Side) -> Resting:
        """Return our open orders of one side."""
        return self.buys if side is Side.BUY else self.sells

    def initial_margin(
        self, *, more_buys: Decimal = ZERO, more_sells: Decimal = ZERO, leverage: int | None = None
    ) -> Decimal:
        """Return the initial margin with further open orders of these notionals, at another leverage if given."""
        notional = self.notional
        long = notional + self.buys.notional() + more_buys
        short = notional - self.sells.notional() - more_sells
        return max(abs(long), abs(short)) / (leverage or self.leverage)

    def trade(self, side: Side, price: Decimal, quantity: Decimal) -> Decimal:
        """Apply one fill and return the profit it locked in."""
        sign = side.sign
        realised = ZERO
        closing = min(quantity, abs(self.quantity)) if self.quantity * sign < 0 else ZERO
        if closing:
            whole = closing == abs(self.quantity)
            released = self.cost if whole else round_money(self.cost * closing / abs(self.quantity))
            realised = -sign * closing * price - released
            self.cost -= released
            self.quantity += sign * closing
            self.realised += realised
        opening = quantity - closing
        self.quantity += sign * opening
        self.cost += sign * opening * price
        return realised


class Account:
    """Wallet and holdings, and what they allow."""

    def __init__(self, settings: AccountSettings) -> None:
        self.settings = settings
        self.wallet = settings.balance
        self.holdings: dict[str, Holding] = {}

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealised profit."""
        return self.wallet + sum((held.unrealised for held in self.holdings.values() if held.quantity), ZERO)

    @property
    def maintenance(self) -> Decimal:
        """Maintenance margin of all positions."""
        return sum((held.maintenance for held in self.holdings.values() if held.quantity), ZERO)

    @property
    def initial_margin(self) -> Decimal:
        """Initial margin of all positions and open orders."""
        return sum((held.initial_margin() for held in self.holdings.values()), ZERO)

    def fill(self, held: Holding, side: Side, price: Decimal, quantity: Decimal, fee: Decimal) -> Decimal:
        """Book one fill: position, wallet, cash flow. Returns the realised profit, without the fee."""
        realised = held.trade(side, price, quantity)
        self.wallet += realised - fee
        held.cash_flow -= side.sign * price * quantity + fee
        return realised

    def receive_funding(self, held: Holding, amount: Decimal) -> None:
        """Book a settlement; negative is paid."""
        self.wallet += amount
        held.cash_flow += amount

    def affords(self, held: Holding, side: Side, notional: Decimal, *, replaced: Decimal = ZERO) -> bool:
        """Return whether an order of `notional` may be added (in place of an open one of the same side)."""
        more = notional - replaced
        after = held.initial_margin(more_buys=more) if side is Side.BUY else held.initial_margin(more_sells=more)
        before = held.initial_margin()
        return after <= before or self.initial_margin - before + after <= self.equity

    def affords_leverage(self, held: Holding, leverage: int) -> bool:
        """Return whether the margin held for this symbol may follow another leverage."""
        before, after = held.initial_margin(), held.initial_margin(leverage=leverage)
        return after <= before or self.initial_margin - before + after <= self.equity

    @property
    def ruined(self) -> bool:
        """Whether there is a position and equity is below maintenance margin."""
        maintenance = self.maintenance
        return maintenance > 0 and self.equity < maintenance

    def balance(self) -> SimBalance:
        """Return the account's one asset."""
        initial = self.initial_margin
        unrealised = self.equity - self.wallet
        return SimBalance(
            asset=self.settings.asset,
            wallet=self.wallet,
            unrealised=unrealised,
            initial_margin=initial,
            maintenance_margin=self.maintenance,
            available=max(ZERO, self.wallet + unrealised - initial),
        )

    def position(self, held: Holding) -> SimPosition:
        """Return one symbol's position, flat or not."""
        return SimPosition(
            symbol=held.symbol,
            quantity=held.quantity,
            entry_price=held.entry_price,
            mark_price=held.mark,
            unrealised=held.unrealised,
            realised=held.realised,
            liquidation_price=self.liquidation_price(held),
            leverage=held.leverage,
            notional=held.notional,
            initial_margin=held.initial_margin(),
            maintenance_margin=held.maintenance,
            updated_ms=held.updated_ms,
        )

    def liquidation_price(self, held: Holding) -> Decimal | None:
        """Return the mark at which equity equals maintenance while other symbols stand still; None if there is none."""
        if not held.quantity:
            return None
        spare = self.equity - held.unrealised - (self.maintenance - held.maintenance)
        slope = held.quantity - abs(held.quantity) * held.rules.maintenance_rate
        price = (held.cost - spare) / slope
        return round_money(price) if price > 0 else None
