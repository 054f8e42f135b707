import { describe, expect, it } from "vitest";
import { parseFrame, parseHistory, parseStreams } from "../src/frames";
import { frame } from "./given";

const CANDLE = { time: 1_700_000_040, open: "1.0", high: "2", low: "0.5", close: "1.5", volume: "10" };
const ORDER = {
  id: "9223372036854775807",
  price: "3000.10",
  side: "BUY",
  status: "NEW",
  type: "LIMIT",
  symbol: "ETHUSDT",
};
const TRADE = { side: "buy", price: "3000.1", amount: "0.05", symbol: "ETHUSDT", time: 1_700_000_041 };
const ACCOUNT = { asset: "usdt", free: "1", balance: "3", marginBalance: "2", symbol: "ETHUSDT" };
const POSITION = { symbol: "ETHUSDT", amount: "-0.5", entryPrice: "3000", unrealizedPnL: "1.25", holdSide: "short" };

describe("frames that are understood", () => {
  it("keeps every digit of prices", () => {
    expect(frame("kline", { ...CANDLE, close: "1.50000000" })).toEqual({
      kind: "frame",
      frame: { type: "kline", candle: { ...CANDLE, close: "1.50000000" } },
    });
  });

  it("reads history as a list of candles", () => {
    expect(frame("history", [CANDLE])).toEqual({ kind: "frame", frame: { type: "history", candles: [CANDLE] } });
  });

  it("takes a time that came as text", () => {
    expect(frame("kline", { ...CANDLE, time: "1700000040" })).toMatchObject({
      frame: { candle: { time: 1_700_000_040 } },
    });
  });

  it("tells the array of open orders from one change", () => {
    expect(frame("orders", [ORDER])).toMatchObject({ frame: { type: "open_orders", orders: [{ id: ORDER.id }] } });
    expect(frame("orders", [])).toMatchObject({ frame: { type: "open_orders", orders: [] } });
    expect(frame("orders", { ...ORDER, status: "FILLED" })).toMatchObject({
      frame: { type: "order", order: { id: ORDER.id, side: "buy", status: "FILLED", amount: undefined } },
    });
  });

  it("reads an order's size where there is one, and an older server's numeric id", () => {
    expect(frame("orders", { ...ORDER, id: 42, amount: "0.05" })).toMatchObject({
      frame: { order: { id: "42", amount: "0.05" } },
    });
  });

  it("takes the first balance that is known", () => {
    const balance = (account: object) => frame("account", account);
    expect(balance(ACCOUNT)).toMatchObject({ frame: { account: { asset: "USDT", balance: "3" } } });
    expect(balance({ ...ACCOUNT, balance: null })).toMatchObject({ frame: { account: { balance: "2" } } });
    expect(balance({ asset: "USDC", free: "1", symbol: "X" })).toMatchObject({ frame: { account: { balance: "1" } } });
  });

  it("gives a short a negative amount, whichever way the venue writes it", () => {
    expect(frame("position", POSITION)).toMatchObject({ frame: { position: { amount: "-0.5" } } });
    expect(frame("position", { ...POSITION, amount: "0.5" })).toMatchObject({
      frame: { position: { amount: "-0.5" } },
    });
    expect(frame("position", { ...POSITION, amount: "0" })).toMatchObject({ frame: { position: { amount: "0" } } });
    expect(frame("position", { ...POSITION, unrealizedPnL: null })).toMatchObject({
      frame: { position: { unrealised: undefined } },
    });
  });

  it("reads fills, risks and streams", () => {
    expect(frame("trade_event", TRADE)).toMatchObject({ frame: { trade: { side: "buy", amount: "0.05" } } });
    expect(frame("risk_status", { type: "drawdown", severity: "WARNING", message: "m" })).toMatchObject({
      frame: { risk: { kind: "drawdown", severity: "warning", message: "m" } },
    });
    expect(frame("streams", { name: "candles", state: "stale", restarts: 2 })).toMatchObject({
      frame: { parts: [{ name: "candles", state: "stale", reason: "" }] },
    });
  });
});

describe("frames that are not", () => {
  it("counts unknown types apart from malformed ones", () => {
    expect(frame("slots", { levels: [] })).toEqual({ kind: "unknown", type: "slots" });
  });

  it.each([
    ["{", "not JSON"],
    ["", "not JSON"],
    ["null", "frame is not an object"],
    ["[1]", "frame is not an object"],
    ['{"data":1}', "frame.type is not a string"],
    [new ArrayBuffer(2), "not a text frame"],
  ])("refuses %j", (text, why) => {
    expect(parseFrame(text)).toEqual({ kind: "malformed", why });
  });

  it.each([
    ["kline", { ...CANDLE, close: 1.5 }, "kline.close is not a decimal string"],
    ["kline", { ...CANDLE, time: 1.5 }, "kline.time is not a time in unix seconds"],
    ["kline", { ...CANDLE, time: null }, "kline.time is not a time in unix seconds"],
    ["kline", { ...CANDLE, time: 1_700_000_040_000 }, "kline.time is not a time in unix seconds"],
    ["kline", { ...CANDLE, high: "1e40" }, "kline.high is too large to draw"],
    ["history", CANDLE, "history is not a list"],
    ["history", [CANDLE, { ...CANDLE, low: "x" }], "history[1].low is not a decimal string"],
    ["orders", { ...ORDER, id: 2 ** 60 }, "orders.id is not a string"],
    ["orders", { ...ORDER, status: "DONE" }, "orders.status is none of the six"],
    ["orders", [{ ...ORDER, side: "LONG" }], "orders[0].side is neither buy nor sell"],
    ["orders", null, "orders is not an object"],
    ["account", { asset: "USDT", symbol: "X" }, "account has no balance"],
    ["position", { ...POSITION, amount: undefined }, "position.amount is not a decimal string"],
    ["trade_event", [TRADE], "trade_event is not an object"],
    ["risk_status", {}, "risk_status.type is not a string"],
  ])("refuses a %s that says %j", (type, data, why) => {
    expect(frame(type, data)).toEqual({ kind: "malformed", why });
  });
});

describe("bodies of the HTTP API", () => {
  it("takes history bare or wrapped like the frame", () => {
    expect(parseHistory([CANDLE])).toEqual([CANDLE]);
    expect(parseHistory({ type: "history", data: [CANDLE] })).toEqual([CANDLE]);
    expect(parseHistory({ error: "no" })).toBeUndefined();
    expect(parseHistory("no")).toBeUndefined();
  });

  it("takes streams by name, as objects or words, or as a list", () => {
    const parts = [{ name: "candles", state: "live", reason: "" }];
    expect(parseStreams({ candles: "live" })).toEqual(parts);
    expect(parseStreams({ candles: { state: "live", restarts: 0 } })).toEqual(parts);
    expect(parseStreams([{ name: "candles", state: "live", reason: "" }])).toEqual(parts);
    expect(parseStreams({ candles: 3 })).toBeUndefined();
  });
});
