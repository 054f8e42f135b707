// What tests are given: small values with every field filled in.

import { type Decimal, parseDecimal } from "../src/decimal";
import type { Candle, Order, Parsed, Side, Trade } from "../src/frames";
import { parseFrame } from "../src/frames";

export function d(text: string): Decimal {
  const value = parseDecimal(text);
  if (value === undefined) throw new Error(`"${text}" is no decimal`);
  return value;
}

export function candle(time: number, close = "100", volume = "1"): Candle {
  return { time, open: d(close), high: d(close), low: d(close), close: d(close), volume: d(volume) };
}

export function order(id: string, side: Side, price: string, status = "NEW", amount?: string): Order {
  return { id, side, price: d(price), status, amount: amount === undefined ? undefined : d(amount) };
}

export function trade(side: Side, time: number, amount = "0.1", price = "100"): Trade {
  return { side, price: d(price), amount: d(amount), time };
}

export function frame(type: string, data: unknown): Parsed {
  return parseFrame(JSON.stringify({ type, data }));
}
