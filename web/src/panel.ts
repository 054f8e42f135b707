// The panel beside the chart: market, account, position, orders and fills in words.

import type { Board } from "./board";
import { intervalName } from "./candles";
import { type Decimal, readable } from "./decimal";
import { element, make, show } from "./dom";
import type { Candle, Side, Trade } from "./frames";
import type { Level } from "./orders";
import { clock, NOTHING, positionWords, TREND } from "./words";

/** Rungs on each side of the price: fewer where height is short, so that fills stay in sight. */
const LADDER_ROWS = { tall: 8, short: 5 };
const SHORT = "(max-height: 860px), (max-width: 860px)";
const FILL_ROWS = 12;

export function drawNumbers(board: Board): void {
  drawMarket(board);
  drawAccount(board);
  show("open-orders", String(board.orders.size));
  drawCount(board, "buy");
  drawCount(board, "sell");
}

function drawMarket({ candles, direction, symbol }: Board): void {
  const close = candles.last?.close;
  const price = close === undefined ? NOTHING : readable(close);
  const trend = TREND[direction];
  show("symbol", symbol || NOTHING);
  show("interval", intervalName(candles.interval));
  show("price", price, { "data-value": close ?? "", "data-trend": trend });
  show("ladder-price", price, { "data-trend": trend });
  const title = close === undefined ? "OpenSQT live" : `${price} ${symbol} · OpenSQT live`;
  if (document.title !== title) document.title = title;
}

function drawAccount({ account, position }: Board): void {
  const balance = account?.balance;
  show("balance", balance === undefined ? NOTHING : readable(balance, 2), exactly(balance));
  show("asset", account?.asset ?? "");
  const words = positionWords(position);
  show("position-side", words.side, { "data-side": words.side });
  show("position-amount", words.amount, { "data-value": position?.amount ?? "0" });
  show("position-entry", words.entry, exactly(position?.entryPrice));
  show("position-pnl", words.unrealised, {
    ...exactly(position?.unrealised),
    "data-trend": TREND[words.trend],
  });
}

/** The value with all its digits, for tests and for whoever points at what had to be cut short. */
function exactly(value: Decimal | undefined): Readonly<Record<string, string>> {
  return { "data-value": value ?? "", title: value ?? "" };
}

function drawCount(board: Board, side: Side): void {
  const { fills, amount } = board.fills.total(side);
  show(`${side}s`, String(fills));
  show(`${side}s-amount`, readable(amount, 0), { "data-value": amount });
}

export function drawLadder({ orders }: Board): void {
  const [asks, bids] = [orders.ladder("sell"), orders.ladder("buy")];
  const rows = matchMedia(SHORT).matches ? LADDER_ROWS.short : LADDER_ROWS.tall;
  // The nearest sell stands lowest, right above the price.
  element("asks").replaceChildren(...asks.slice(0, rows).reverse().map(rung));
  element("bids").replaceChildren(...bids.slice(0, rows).map(rung));
  show("asks-more", beyond(asks.length - rows));
  show("bids-more", beyond(bids.length - rows));
}

function rung({ price, amount, orders }: Level): HTMLElement {
  const several = orders > 1 ? `× ${orders}` : "";
  const size = amount === undefined ? several : readable(amount, 0);
  return make("li", "rung", make("span", "rung-price", readable(price)), make("span", "rung-size", size));
}

function beyond(levels: number): string {
  return levels > 0 ? `${levels} more` : "";
}

export function drawFills({ fills }: Board): void {
  element("fills").replaceChildren(...fills.newest.slice(0, FILL_ROWS).map(fillRow));
  element("fills-empty").hidden = fills.newest.length > 0;
}

function fillRow({ side, price, amount, time }: Trade): HTMLElement {
  const row = make(
    "li",
    "fill",
    make("span", "fill-time", clock(time)),
    make("span", "fill-side", side),
    make("span", "fill-size", readable(amount, 0)),
    make("span", "fill-price", readable(price)),
  );
  row.dataset.side = side;
  return row;
}

/** The candle under the pointer, or the running one. */
export function drawLegend(candle: Candle | undefined): void {
  if (candle === undefined) return;
  const { time, open, high, low, close, volume } = candle;
  const figure = (name: string, value: string) =>
    make("span", "figure", make("span", "figure-name", name), make("span", "figure-value", value));
  const price = (name: string, value: Decimal) => figure(name, readable(value));
  const legend = element("legend");
  legend.dataset.trend = Number(close) >= Number(open) ? "up" : "down";
  legend.replaceChildren(
    make("span", "figure-time", clock(time).slice(0, 5)),
    price("O", open),
    price("H", high),
    price("L", low),
    price("C", close),
    figure("V", readable(volume, 0)),
  );
}
