import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/backoff";
import {
  Connection,
  closeReason,
  GIVE_UP_AFTER_MS,
  LASTED_MS,
  OPENING_LIMIT_MS,
  STALE_AFTER_MS,
} from "../src/connection";

const FRAME = { type: "frame" } as const;
const TICK = { type: "tick" } as const;
const RETRY = { type: "retry" } as const;
const CLOSED = { type: "closed", reason: "gone" } as const;
const begin = (random = 0) => new Connection(0, () => random);

describe("Connection", () => {
  it("is live with its first frame", () => {
    const connection = begin();
    expect(connection.status.name).toBe("connecting");
    connection.on(FRAME, 40);
    expect(connection.status).toEqual({ name: "live", since: 40, lastFrame: 40 });
  });

  it("waits after a close, then opens again", () => {
    const connection = begin();
    expect(connection.on(CLOSED, 100)).toBeUndefined();
    expect(connection.status).toEqual({ name: "waiting", until: 350, reason: "gone" });
    expect(connection.on(TICK, 349)).toBeUndefined();
    expect(connection.on(TICK, 350)).toBe("open");
    expect(connection.status.name).toBe("connecting");
  });

  it("waits longer each time, until a connection lasts", () => {
    const connection = begin(1);
    const waits: number[] = [];
    let now = 0;
    const fail = () => {
      connection.on(CLOSED, now);
      const { status } = connection;
      if (status.name !== "waiting") throw new Error(status.name);
      waits.push(status.until - now);
      now = status.until;
      connection.on(TICK, now);
    };
    for (let attempt = 0; attempt < 7; attempt += 1) fail();
    connection.on(FRAME, now);
    now += LASTED_MS - 1;
    connection.on(FRAME, now);
    fail();
    connection.on(FRAME, now);
    now += LASTED_MS;
    connection.on(FRAME, now);
    fail();
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 500]);
  });

  it("says stale when frames stop, live when they come again, and gives up in the end", () => {
    const connection = begin();
    connection.on(FRAME, 0);
    connection.on(TICK, STALE_AFTER_MS - 1);
    expect(connection.status.name).toBe("live");
    connection.on(TICK, STALE_AFTER_MS);
    expect(connection.status.name).toBe("stale");
    connection.on(FRAME, 20_000);
    expect(connection.status.name).toBe("live");
    connection.on(TICK, 20_000 + STALE_AFTER_MS);
    expect(connection.on(TICK, 20_000 + GIVE_UP_AFTER_MS - 1)).toBeUndefined();
    expect(connection.on(TICK, 20_000 + GIVE_UP_AFTER_MS)).toBe("close");
    expect(connection.status.name).toBe("waiting");
  });

  it("does not wait for ever for an answer", () => {
    const connection = begin();
    expect(connection.on(TICK, OPENING_LIMIT_MS - 1)).toBeUndefined();
    expect(connection.on(TICK, OPENING_LIMIT_MS)).toBe("close");
    expect(connection.status).toMatchObject({ name: "waiting", reason: "no answer" });
  });

  it("retries at once when asked to, but only while it waits", () => {
    const connection = begin();
    expect(connection.on(RETRY, 1)).toBeUndefined();
    connection.on(CLOSED, 2);
    expect(connection.on(RETRY, 3)).toBe("open");
  });

  it("takes no frame of a socket that it gave up", () => {
    const connection = begin();
    connection.on(CLOSED, 0);
    connection.on(FRAME, 1);
    expect(connection.status.name).toBe("waiting");
  });
});

it("draws half of every wait by lot and caps it", () => {
  expect([backoffMs(0, 0), backoffMs(0, 1), backoffMs(3, 0.5)]).toEqual([250, 500, 3_000]);
  expect([backoffMs(1_000, 0), backoffMs(1_000, 1)]).toEqual([7_500, 15_000]);
});

it("puts a close in words", () => {
  expect(closeReason(1006, "")).toBe("connection lost");
  expect(closeReason(1013, "outbox full")).toBe("this page could not keep up: outbox full");
});
