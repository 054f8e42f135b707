import { describe, expect, it } from "vitest";
import { chooseAddresses } from "../src/address";

const socket = (page: string, meta = "") => chooseAddresses(page, meta)?.socket;

describe("chooseAddresses", () => {
  it.each([
    ["http://localhost:8081/", "ws://localhost:8081/ws"],
    ["http://localhost:8081/live", "ws://localhost:8081/ws"],
    ["https://example.org/opensqt/live#chart", "wss://example.org/opensqt/ws"],
    ["http://localhost:8081/live?symbol=ETHUSDT", "ws://localhost:8081/ws?symbol=ETHUSDT"],
  ])("from %s alone takes its own origin: %s", (page, expected) => {
    expect(socket(page)).toBe(expected);
  });

  it.each([
    ["ws://10.0.0.1:9000/ws", "ws://10.0.0.1:9000/ws"],
    ["wss://example.org", "wss://example.org/ws"],
    ["https://example.org/live-feed", "wss://example.org/live-feed"],
    ["10.0.0.1:9000", "ws://10.0.0.1:9000/ws"],
    ["//example.org/feed", "ws://example.org/feed"],
    ["/other/ws", "ws://localhost:8081/other/ws"],
    ["ws://example.org/ws?symbol=BTCUSDT", "ws://example.org/ws?symbol=BTCUSDT"],
  ])("reads ?ws=%s as %s", (asked, expected) => {
    expect(socket(`http://localhost:8081/live?ws=${encodeURIComponent(asked)}`)).toBe(expected);
    expect(socket("http://localhost:8081/live", asked)).toBe(expected);
  });

  it("prefers the query to the meta element, and adds the symbol to either", () => {
    expect(socket("http://a/live?ws=b:1&symbol=ETHUSDT", "c:2")).toBe("ws://b:1/ws?symbol=ETHUSDT");
    expect(socket("https://a/live?symbol=ETHUSDT", "c:2")).toBe("wss://c:2/ws?symbol=ETHUSDT");
  });

  it.each(["javascript://x", "ftp://a/ws", "http://user:secret@a/ws", "http://", "a b"])("refuses %s", (asked) => {
    expect(socket("http://localhost/live", asked)).toBeUndefined();
  });

  it("asks the same daemon for health and history", () => {
    expect(chooseAddresses("https://a/x/live?symbol=E", "")).toEqual({
      socket: "wss://a/x/ws?symbol=E",
      health: "https://a/x/health",
      history: "https://a/x/api/history",
    });
    expect(chooseAddresses("http://a/live?ws=b:1", "")?.history).toBe("http://b:1/api/history");
  });
});
