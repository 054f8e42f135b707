import { expect, it } from "vitest";
import { Fills, MOST_LISTED, MOST_MARKERS } from "../src/fills";
import { trade } from "./given";

it("counts every fill and adds its size exactly", () => {
  const fills = new Fills();
  for (let index = 0; index < 3; index += 1) fills.apply(trade("buy", 61 + index, "0.1"), 60);
  fills.apply(trade("sell", 65, "0.05"), 60);
  expect(fills.total("buy")).toEqual({ fills: 3, amount: "0.3" });
  expect(fills.total("sell")).toEqual({ fills: 1, amount: "0.05" });
});

it("gathers fills per candle and side, ascending even when they come late", () => {
  const fills = new Fills();
  fills.apply(trade("sell", 130), 120);
  fills.apply(trade("buy", 61), 60);
  fills.apply(trade("buy", 62), 60);
  fills.apply(trade("buy", 125), 120);
  expect(fills.markers(0)).toEqual([
    { time: 60, side: "buy", fills: 2 },
    { time: 120, side: "buy", fills: 1 },
    { time: 120, side: "sell", fills: 1 },
  ]);
  expect(fills.markers(120).map((marker) => marker.time)).toEqual([120, 120]);
});

it("draws few markers however many fills there were, the newest", () => {
  const fills = new Fills();
  for (let minute = 0; minute < 5_000; minute += 1) {
    fills.apply(trade("buy", minute * 60), minute * 60);
    fills.apply(trade("sell", minute * 60), minute * 60);
  }
  const markers = fills.markers(0);
  expect(markers.length).toBe(MOST_MARKERS);
  expect(markers.at(-1)?.time).toBe(4_999 * 60);
  expect(fills.total("buy").fills).toBe(5_000);
});

it("lists the newest first, and not all of them", () => {
  const fills = new Fills();
  for (let index = 0; index < 100; index += 1) fills.apply(trade("buy", index), 0);
  expect(fills.newest.length).toBe(MOST_LISTED);
  expect(fills.newest[0]?.time).toBe(99);
});
