import { describe, expect, it } from "vitest";
import { Board } from "../src/board";
import { candle, frame } from "./given";

const ORDER = { id: "1", price: "99", side: "BUY", status: "NEW", type: "LIMIT", symbol: "ETHUSDT" };
const POSITION = { symbol: "ETHUSDT", amount: "0.5", entryPrice: "3000", unrealizedPnL: "1" };

function connected(): Board {
  const board = new Board();
  const told = (type: string, data: unknown) => board.receive(frame(type, data), 0);
  told("history", [candle(0), candle(60)]);
  told("account", { asset: "USDT", balance: "1000", symbol: "ETHUSDT" });
  told("position", POSITION);
  told("orders", [ORDER]);
  board.take();
  return board;
}

describe("Board", () => {
  it("holds the snapshot", () => {
    const board = connected();
    expect(board.symbol).toBe("ETHUSDT");
    expect(board.account?.balance).toBe("1000");
    expect(board.position?.amount).toBe("0.5");
    expect(board.orders.size).toBe(1);
    expect(board.candles.last?.time).toBe(60);
  });

  it("draws all of it at first, then only what moved", () => {
    const board = new Board();
    expect(board.take()).toEqual({ candles: "all", orders: true, fills: true });
    expect(board.take()).toEqual({ candles: [], orders: false, fills: false });
    board.receive(frame("kline", candle(60, "101")), 1);
    board.receive(frame("kline", candle(60, "102")), 2);
    board.receive(frame("kline", candle(120, "103")), 3);
    expect(board.take().candles).toEqual([candle(60, "102"), candle(120, "103")]);
  });

  it("ignores a candle from the past: nothing moves, and it does not count as news", () => {
    const board = connected();
    board.receive(frame("kline", candle(0, "500")), 99);
    expect(board.take().candles).toEqual([]);
    expect([board.candleHeardAt, board.direction]).toEqual([0, 0]);
  });

  it("clears a position that went to zero", () => {
    const board = connected();
    board.receive(frame("position", { ...POSITION, amount: "0" }), 1);
    expect(board.position).toBeUndefined();
  });

  it("shows only stable coins as the balance", () => {
    const board = connected();
    board.receive(frame("account", { asset: "BNB", balance: "3", symbol: "ETHUSDT" }), 1);
    expect(board.account?.asset).toBe("USDT");
  });

  it("puts a fill on the candle it happened in", () => {
    const board = connected();
    const fill = { side: "sell", price: "100", amount: "0.1", symbol: "ETHUSDT", time: 119 };
    board.receive(frame("trade_event", fill), 1);
    expect(board.fills.markers(0)).toEqual([{ time: 60, side: "sell", fills: 1 }]);
    expect(board.take().fills).toBe(true);
  });

  it("follows the price's direction and keeps it while the price stands", () => {
    const board = connected();
    board.receive(frame("kline", candle(60, "99")), 1);
    board.receive(frame("kline", candle(60, "99", "2")), 2);
    expect(board.direction).toBe(-1);
  });

  it("keeps a risk until the daemon says that it is over", () => {
    const board = connected();
    const risk = { type: "drawdown", severity: "critical", message: "paused" };
    board.receive(frame("risk_status", risk), 1);
    expect(board.risks.map(({ message }) => message)).toEqual(["paused"]);
    board.receive(frame("risk_status", { ...risk, severity: "ok" }), 2);
    expect(board.risks).toEqual([]);
  });

  it("keeps one state per stream", () => {
    const board = connected();
    board.receive(frame("streams", [{ name: "candles", state: "live", reason: "" }]), 1);
    board.receive(frame("streams", { name: "candles", state: "stale", reason: "" }), 2);
    board.receive(frame("streams", { name: "orders", state: "live", reason: "" }), 3);
    expect(board.parts).toEqual([
      { name: "candles", state: "stale", reason: "" },
      { name: "orders", state: "live", reason: "" },
    ]);
  });

  it("counts what it could not read and stays as it was", () => {
    const board = connected();
    board.receive(frame("kline", { time: 1 }), 1);
    board.receive(frame("hello", {}), 2);
    expect(board.tally).toMatchObject({
      frames: 4,
      unknown: 1,
      malformed: 1,
      why: "kline.open is not a decimal string",
    });
    expect(board.take()).toEqual({ candles: [], orders: false, fills: false });
  });
});
