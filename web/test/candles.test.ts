import { describe, expect, it } from "vitest";
import { Candles, intervalName, MOST_CANDLES } from "../src/candles";
import { candle } from "./given";

const times = (candles: Candles) => candles.bars.map((bar) => bar.time);

function given(...openings: number[]): Candles {
  const candles = new Candles();
  candles.replace(openings.map((time) => candle(time)));
  return candles;
}

describe("Candles", () => {
  it("brings history into order, the newest of each time winning", () => {
    const candles = new Candles();
    candles.replace([candle(120, "2"), candle(60, "1"), candle(120, "3")]);
    expect(candles.bars).toEqual([candle(60, "1"), candle(120, "3")]);
  });

  it("moves the last candle, begins new ones and never goes back", () => {
    const candles = given(60, 120);
    expect(candles.update(candle(120, "5"))).toBe("update");
    expect(candles.update(candle(180))).toBe("update");
    expect(candles.update(candle(60, "9"))).toBe("ignored");
    expect(candles.bars).toEqual([candle(60), candle(120, "5"), candle(180)]);
  });

  it("starts from a kline when there is no history", () => {
    const candles = given();
    expect(candles.update(candle(60))).toBe("update");
    expect(candles.last).toEqual(candle(60));
  });

  it("replaces everything on a new snapshot", () => {
    const candles = given(60, 120, 180);
    candles.replace([candle(300)]);
    expect(times(candles)).toEqual([300]);
  });

  it("puts older candles in front and leaves those that overlap alone", () => {
    const candles = given(180, 240);
    expect(candles.prepend([candle(60), candle(120), candle(180, "7")])).toBe("reset");
    expect(candles.bars).toEqual([candle(60), candle(120), candle(180), candle(240)]);
    expect(candles.prepend([candle(60, "8")])).toBe("ignored");
  });

  it("is bounded at both ends", () => {
    const candles = new Candles();
    candles.replace(Array.from({ length: MOST_CANDLES - 1 }, (_, index) => candle(1_000_000 + index * 60)));
    candles.prepend([candle(60), candle(120)]);
    expect(candles.bars.length).toBe(MOST_CANDLES);
    expect(candles.first?.time).toBe(120);
    expect(candles.isFull).toBe(true);
    let resets = 0;
    for (let index = 0; index < 1_001; index += 1) {
      if (candles.update(candle(10_000_000 + index * 60)) === "reset") resets += 1;
    }
    expect(resets).toBe(1);
    expect(candles.bars.length).toBe(MOST_CANDLES);
  });

  it("learns the interval from what was loaded, past holes", () => {
    expect(given(0, 300, 600, 1_500).interval).toBe(300);
    expect(given(60).interval).toBe(60);
    expect(given(0, 300).opening(899)).toBe(600);
  });

  it("finds the candle of an opening time", () => {
    const candles = given(60, 120, 240);
    expect(candles.at(120)?.time).toBe(120);
    expect([candles.at(0), candles.at(180), candles.at(300)]).toEqual([undefined, undefined, undefined]);
  });
});

it.each([
  [60, "1m"],
  [900, "15m"],
  [14_400, "4h"],
  [86_400, "1d"],
  [604_800, "1w"],
  [1, "1s"],
])("calls %d seconds %s", (seconds, name) => {
  expect(intervalName(seconds)).toBe(name);
});
