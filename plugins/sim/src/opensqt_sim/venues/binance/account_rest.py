"""The account by REST: balances, positions, settings, history of money (section "Account Endpoints")."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from opensqt_sim.engine import SimVenue
from opensqt_sim.venues.binance import codes, instruments, params, render
from opensqt_sim.venues.binance.render import plain
from opensqt_sim.venues.binance.settings import BinanceSettings
from opensqt_sim.venues.shared.calls import Call, VenueError
from opensqt_sim.venues.shared.routing import Route

_WEEK_MS = 7 * 86_400_000
_MAX_NOTIONAL = Decimal(100_000_000)
_MAX_LEVERAGE = 125


class AccountRest:
    """Handlers of the account's endpoints.

    The engine knows one-way positions on cross margin. Margin type and position mode can be switched all the same, so
    that a client which insists on the right ones has something to refuse: `ISOLATED` is remembered and reported but
    changes no figures; in hedge mode every order is refused with -4061.
    """

    def __init__(self, venue: SimVenue, settings: BinanceSettings) -> None:
        self._venue = venue
        self._settings = settings
        self._isolated: set[str] = set()
        self.hedge_mode = False

    def routes(self) -> list[Route]:
        """Return all endpoints of the account."""
        get, post = "GET", "POST"
        one = {"symbol"}
        return [
            *(_route(get, f"/fapi/{v}/balance", "balances", self._balances, weight=5) for v in ("v2", "v3")),
            _route(get, "/fapi/v2/account", "account", self._account_v2, weight=5),
            _route(get, "/fapi/v3/account", "account", self._account_v3, weight=5),
            _route(get, "/fapi/v2/positionRisk", "positions", self._positions_v2, one, weight=5),
            _route(get, "/fapi/v3/positionRisk", "positions", self._positions_v3, one, weight=5),
            _route(get, "/fapi/v1/symbolConfig", "symbol_settings", self._symbol_config, one, weight=5),
            _route(get, "/fapi/v1/accountConfig", "account_config", self._account_config, weight=5),
            _route(get, "/fapi/v1/commissionRate", "fee_rates", self._commission_rate, one, weight=20),
            _route(get, "/fapi/v1/leverageBracket", "leverage_brackets", self._brackets, one),
            _route(get, "/fapi/v1/rateLimit/order", "order_limits", self._order_limits),
            _route(
                get,
                "/fapi/v1/userTrades",
                "fills",
                self._user_trades,
                one | {"orderId", "startTime", "endTime", "fromId", "limit"},
                weight=5,
            ),
            _route(
                get,
                "/fapi/v1/income",
                "income",
                self._income,
                one | {"incomeType", "startTime", "endTime", "limit"},
                weight=30,
            ),
            _route(post, "/fapi/v1/leverage", "set_leverage", self._set_leverage, one | {"leverage"}),
            _route(post, "/fapi/v1/marginType", "set_margin_type", self._set_margin_type, one | {"marginType"}),
            _route(get, "/fapi/v1/positionSide/dual", "position_mode", self._position_mode, weight=30),
            _route(
                post, "/fapi/v1/positionSide/dual", "set_position_mode", self._set_position_mode, {"dualSidePosition"}
            ),
        ]

    def symbol(self, given: Mapping[str, str]) -> str:
        """Return the symbol, which must be there. Raises -1102, -1121."""
        symbol = params.text(given, "symbol")
        if symbol not in self._venue.rules:
            raise codes.invalid_symbol()
        return symbol

    def _symbol_or_none(self, call: Call) -> str | None:
        return self.symbol(call.params) if "symbol" in call.params else None

    def _balances(self, call: Call) -> Any:
        return [render.balance(entry, call.now_ms) for entry in self._venue.balances()]

    def _account_v2(self, call: Call) -> Any:
        return self._account(call, [render.account_position(each) for each in self._venue.positions()])

    def _account_v3(self, call: Call) -> Any:
        return self._account(call, [render.account_position(each) for each in self._in_use()])

    def _in_use(self) -> list[Any]:
        """v3 lists only symbols with a position or an open order."""
        busy = {order.symbol for order in self._venue.open_orders()}
        return [each for each in self._venue.positions() if each.quantity or each.symbol in busy]

    def _account(self, call: Call, positions: list[Any]) -> Any:
        balances = self._venue.balances()
        wallet = sum((each.wallet for each in balances), Decimal(0))
        unrealised = sum((each.unrealised for each in balances), Decimal(0))
        initial = plain(sum((each.initial_margin for each in balances), Decimal(0)))
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
            "totalInitialMargin": initial,
            "totalMaintMargin": plain(sum((each.maintenance_margin for each in balances), Decimal(0))),
            "totalWalletBalance": plain(wallet),
            "totalUnrealizedProfit": plain(unrealised),
            "totalMarginBalance": plain(wallet + unrealised),
            "totalPositionInitialMargin": initial,
            "totalOpenOrderInitialMargin": "0",
            "totalCrossWalletBalance": plain(wallet),
            "totalCrossUnPnl": plain(unrealised),
            "availableBalance": plain(sum((each.available for each in balances), Decimal(0))),
            "maxWithdrawAmount": plain(sum((min(each.available, each.wallet) for each in balances), Decimal(0))),
            "assets": [render.account_asset(each, call.now_ms) for each in balances],
            "positions": positions,
        }

    def _positions_v2(self, call: Call) -> Any:
        asset = self._venue.settings.asset
        return [
            render.position_risk_v2(
                each, asset=asset, max_notional=_MAX_NOTIONAL, isolated=each.symbol in self._isolated
            )
            for each in self._venue.positions(self._symbol_or_none(call))
        ]

    def _positions_v3(self, call: Call) -> Any:
        symbol = self._symbol_or_none(call)
        positions = self._in_use() if symbol is None else self._venue.positions(symbol)
        return [render.position_risk(each, asset=self._venue.settings.asset) for each in positions]

    def _symbol_config(self, call: Call) -> Any:
        symbol = self._symbol_or_none(call)
        return [
            {
                "symbol": each,
                "marginType": "ISOLATED" if each in self._isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": self._venue.leverage(each),
                "maxNotionalValue": plain(_MAX_NOTIONAL),
            }
            for each in ([symbol] if symbol else self._venue.rules)
        ]

    def _account_config(self, call: Call) -> Any:  # noqa: ARG002 - a handler
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": self.hedge_mode,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }

    def _commission_rate(self, call: Call) -> Any:
        return {
            "symbol": self.symbol(call.params),
            "makerCommissionRate": plain(self._venue.settings.maker_fee),
            "takerCommissionRate": plain(self._venue.settings.taker_fee),
        }

    def _brackets(self, call: Call) -> Any:
        """One bracket: the engine's maintenance margin has one tier."""
        symbol = self._symbol_or_none(call)
        return [
            {
                "symbol": each,
                "notionalCoef": 1,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": self._venue.rules[each].max_leverage,
                        "notionalCap": int(_MAX_NOTIONAL),
                        "notionalFloor": 0,
                        "maintMarginRatio": msgspec.Raw(plain(self._venue.rules[each].maintenance_rate).encode()),
                        "cum": 0,
                    }
                ],
            }
            for each in ([symbol] if symbol else self._venue.rules)
        ]

    def _order_limits(self, call: Call) -> Any:  # noqa: ARG002 - a handler
        return instruments.order_limits(self._settings)

    def _user_trades(self, call: Call) -> Any:
        symbol = self.symbol(call.params)
        first = params.integer(call.params, "fromId")
        if first is not None and {"startTime", "endTime"} & call.params.keys():
            raise codes.bad_combination()
        start_ms, end_ms = time_window(call, memory_ms=self._settings.fill_memory_ms, unbounded=first is not None)
        fills = self._venue.fills(
            symbol,
            start_ms=start_ms,
            end_ms=end_ms,
            from_id=first,
            order_id=params.integer(call.params, "orderId"),
            limit=None,
        )
        newest = first is None and "startTime" not in call.params
        return page([render.user_trade(fill) for fill in fills], _limit(call, 500), newest=newest)

    def _income(self, call: Call) -> Any:
        symbol = self._symbol_or_none(call)
        kind = params.optional(call.params, "incomeType")
        start_ms, end_ms = time_window(call, memory_ms=self._settings.fill_memory_ms)
        entries = [
            render.funding_income(each)
            for each in self._venue.funding_payments(symbol, start_ms=start_ms, end_ms=end_ms)
        ]
        for fill in self._venue.fills(symbol, start_ms=start_ms, end_ms=end_ms):
            entries += render.fill_income(fill)
        chosen = [entry for entry in entries if kind in (None, entry["incomeType"])]
        chosen.sort(key=lambda entry: entry["time"])
        return page(chosen, _limit(call, 100), newest="startTime" not in call.params)

    def _set_leverage(self, call: Call) -> Any:
        symbol = self.symbol(call.params)
        leverage = params.integer(call.params, "leverage")
        if leverage is None:
            raise codes.missing("leverage")
        if not 1 <= leverage <= min(_MAX_LEVERAGE, self._venue.rules[symbol].max_leverage):
            raise VenueError(-4028, f"Leverage {leverage} is not valid")
        self._venue.set_leverage(symbol, leverage, call.now_ms)
        return {"leverage": leverage, "maxNotionalValue": plain(_MAX_NOTIONAL), "symbol": symbol}

    def _set_margin_type(self, call: Call) -> Any:
        symbol = self.symbol(call.params)
        kind = params.text(call.params, "marginType")
        if kind not in ("ISOLATED", "CROSSED"):
            raise codes.invalid_data("marginType")
        if (kind == "ISOLATED") == (symbol in self._isolated):
            raise VenueError(-4046, "No need to change margin type.")
        if self._venue.open_orders(symbol):
            raise VenueError(-4047, "Margin type cannot be changed if there exists open orders.")
        if self._venue.positions(symbol)[0].quantity:
            raise VenueError(-4048, "Margin type cannot be changed if there exists position.")
        self._isolated ^= {symbol}
        return {"code": 200, "msg": "success"}

    def _position_mode(self, call: Call) -> Any:  # noqa: ARG002 - a handler
        return {"dualSidePosition": self.hedge_mode}

    def _set_position_mode(self, call: Call) -> Any:
        params.text(call.params, "dualSidePosition")
        wanted = params.boolean(call.params, "dualSidePosition")
        if wanted == self.hedge_mode:
            raise VenueError(-4059, "No need to change position side.")
        if self._venue.open_orders():
            raise VenueError(-4067, "Position side cannot be changed if there exists open orders.")
        if any(position.quantity for position in self._venue.positions()):
            raise VenueError(-4068, "Position side cannot be changed if there exists position.")
        self.hedge_mode = wanted
        return {"code": 200, "msg": "success"}


def time_window(call: Call, *, memory_ms: int, unbounded: bool = False) -> tuple[int, int | None]:
    """Return the times asked for, within the venue's memory: at most seven days, the last seven if none are given."""
    start_ms, end_ms = params.integer(call.params, "startTime"), params.integer(call.params, "endTime")
    oldest_ms = call.now_ms - memory_ms
    if unbounded:
        return oldest_ms, None
    if start_ms is None:
        start_ms = (end_ms if end_ms is not None else call.now_ms) - _WEEK_MS
    elif end_ms is None:
        end_ms = start_ms + _WEEK_MS
    elif end_ms < start_ms:
        raise VenueError(-1023, "Start time is greater than end time.")
    elif end_ms - start_ms > _WEEK_MS:
        raise VenueError(-4165, "Invalid time interval. Maximum time interval is 7 days.")
    return max(start_ms, oldest_ms), end_ms


def page(rows: list[Any], size: int, *, newest: bool) -> list[Any]:
    """Return the newest or the oldest rows, in their order."""
    return rows[-size:] if newest else rows[:size]


def _limit(call: Call, default: int) -> int:
    return params.limit(call.params, default=default, largest=1000)


def _route(
    method: str,
    path: str,
    endpoint: str,
    handler: Callable[[Call], Any],
    names: set[str] | None = None,
    *,
    weight: int = 1,
) -> Route:
    return Route(
        method=method,
        path=path,
        endpoint=endpoint,
        handler=handler,
        params=frozenset(names or ()),
        weight=weight,
    )
