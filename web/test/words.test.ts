import { describe, expect, it } from "vitest";
import { age, clock, count, positionWords, stateWords, troubledParts } from "../src/words";
import { d } from "./given";

describe("stateWords", () => {
  it("counts down, but tells ears only what changed", () => {
    const status = { name: "waiting", until: 3_000, reason: "connection lost" } as const;
    const [early, late] = [stateWords(status, 1, 100), stateWords(status, 1, 2_500)];
    expect([early.label, late.label]).toEqual(["Reconnecting in 3 s", "Reconnecting in 1 s"]);
    expect(early.spoken).toBe(late.spoken);
    expect(early.detail).toBe("connection lost");
  });

  it("names the other states", () => {
    expect(stateWords({ name: "connecting", since: 0 }, 0, 0).label).toBe("Connecting");
    expect(stateWords({ name: "connecting", since: 0 }, 2, 0).detail).toBe("attempt 3");
    expect(stateWords({ name: "live", since: 0, lastFrame: 0 }, 0, 0).label).toBe("Live");
    expect(stateWords({ name: "stale", since: 0, lastFrame: 1_000 }, 0, 18_999).label).toBe("No data for 17 s");
  });
});

describe("positionWords", () => {
  const position = (amount: string, unrealised?: string) => ({
    symbol: "ETHUSDT",
    amount: d(amount),
    entryPrice: d("3000.5000"),
    unrealised: unrealised === undefined ? undefined : d(unrealised),
  });

  it("says long, short or flat", () => {
    expect(positionWords(position("0.500", "1.25"))).toEqual({
      side: "long",
      amount: "0.5",
      entry: "3,000.50",
      unrealised: "+1.25",
      trend: 1,
    });
    expect(positionWords(position("-2", "-0.1"))).toMatchObject({ side: "short", amount: "2", unrealised: "−0.1" });
    expect(positionWords(position("1"))).toMatchObject({ unrealised: "–", trend: 0 });
    expect(positionWords(undefined)).toMatchObject({ side: "flat", amount: "0", entry: "–" });
  });
});

it("names the parts that are not live", () => {
  const parts = [
    { name: "candles", state: "stale", reason: "" },
    { name: "orders", state: "live", reason: "" },
    { name: "account", state: "backing-off", reason: "no answer" },
  ];
  expect(troubledParts(parts)).toBe("candles stale, account backing-off (no answer)");
});

it("writes times, ages and counts", () => {
  expect(clock(1_700_000_041)).toBe("22:14:01");
  expect([age(11_900), age(125_000)]).toEqual(["11 s", "2 min"]);
  expect([count(1, "gap", "gaps"), count(2, "gap", "gaps")]).toEqual(["1 gap", "2 gaps"]);
});
