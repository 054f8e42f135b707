import { afterEach, describe, expect, it, vi } from "vitest";
import { parseHealth } from "../src/health";
import { historyQuery, Scrollback } from "../src/scrollback";
import { candle } from "./given";

const WANTED = { symbol: "ETHUSDT", interval: "1m", before: 600 };

afterEach(() => vi.unstubAllGlobals());

function answering(...bodies: unknown[]) {
  const answer = vi.fn(async () => {
    const body = bodies.shift();
    if (body instanceof Error) throw body;
    return { ok: true, json: async () => body };
  });
  vi.stubGlobal("fetch", answer);
  return answer;
}

describe("Scrollback", () => {
  it("asks for what precedes the first candle", async () => {
    const asked = answering([candle(540)]);
    expect(await new Scrollback("/api/history").older(WANTED, 0)).toEqual([candle(540)]);
    expect(asked).toHaveBeenCalledWith(
      "/api/history?symbol=ETHUSDT&interval=1m&before=600&limit=500",
      expect.objectContaining({ signal: expect.any(AbortSignal) }),
    );
  });

  it("asks once at a time, and not again where history begins", async () => {
    const asked = answering([candle(540)], []);
    const scrollback = new Scrollback("/h");
    const first = scrollback.older(WANTED, 0);
    expect(await scrollback.older(WANTED, 0)).toBeUndefined();
    await first;
    const oldest = { ...WANTED, before: 540 };
    expect(await scrollback.older(oldest, 0)).toEqual([]);
    expect(await scrollback.older(oldest, 0)).toBeUndefined();
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it("rests after a failure", async () => {
    const asked = answering(new TypeError("Failed to fetch"), [candle(540)]);
    const scrollback = new Scrollback("/h");
    expect(await scrollback.older(WANTED, 1_000)).toBeUndefined();
    expect(await scrollback.older(WANTED, 10_999)).toBeUndefined();
    expect(asked).toHaveBeenCalledTimes(1);
    expect(await scrollback.older(WANTED, 11_000)).toEqual([candle(540)]);
  });

  it("escapes what goes into the query", () => {
    expect(historyQuery({ ...WANTED, symbol: "A&b=c" })).toBe("symbol=A%26b%3Dc&interval=1m&before=600&limit=500");
  });
});

describe("parseHealth", () => {
  it("reads streams and viewers", () => {
    expect(parseHealth({ status: "ok", clients: 3, time: 1, streams: { candles: { state: "stale" } } })).toEqual({
      clients: 3,
      parts: [{ name: "candles", state: "stale", reason: "" }],
    });
    expect(parseHealth({ status: "ok" })).toEqual({ clients: undefined, parts: [] });
  });

  it.each([null, "ok", { streams: 3 }, { streams: { a: {} } }])("refuses %j", (body) => {
    expect(parseHealth(body)).toBeUndefined();
  });
});
