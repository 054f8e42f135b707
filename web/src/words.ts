// Everything the page says that depends on what happens.

import type { Status } from "./connection";
import { absolute, type Decimal, readable, signOf } from "./decimal";
import type { Position, StreamPart } from "./frames";

export interface StateWords {
  /** For the pill: changes with every second. */
  readonly label: string;
  /** For ears: changes only with the state. */
  readonly spoken: string;
  readonly detail: string;
}

export function stateWords(status: Status, failures: number, now: number): StateWords {
  switch (status.name) {
    case "connecting":
      return failures === 0
        ? { label: "Connecting", spoken: "Connecting", detail: "" }
        : { label: "Connecting", spoken: "Reconnecting", detail: `attempt ${failures + 1}` };
    case "live":
      return { label: "Live", spoken: "Live: data is arriving", detail: "" };
    case "stale":
      return {
        label: `No data for ${seconds(now - status.lastFrame)} s`,
        spoken: "No data is arriving",
        detail: "what is shown may be old",
      };
    case "waiting":
      return {
        label: `Reconnecting in ${Math.max(1, Math.ceil((status.until - now) / 1_000))} s`,
        spoken: "Connection lost, reconnecting",
        detail: status.reason,
      };
  }
}

/** `candles stale (no answer), orders backing-off`: the parts of the daemon that are not live. */
export function troubledParts(parts: readonly StreamPart[]): string {
  return parts
    .filter((part) => part.state !== "live")
    .map(({ name, state, reason }) => `${name} ${state}${reason === "" ? "" : ` (${reason})`}`)
    .join(", ");
}

export interface PositionWords {
  readonly side: "long" | "short" | "flat";
  readonly amount: string;
  readonly entry: string;
  readonly unrealised: string;
  readonly trend: -1 | 0 | 1;
}

export const NOTHING = "–";
export const TREND = { "-1": "down", 0: "even", 1: "up" } as const;

export function positionWords(position: Position | undefined): PositionWords {
  if (position === undefined) return { side: "flat", amount: "0", entry: NOTHING, unrealised: NOTHING, trend: 0 };
  const { amount, entryPrice, unrealised } = position;
  return {
    side: signOf(amount) < 0 ? "short" : "long",
    amount: readable(absolute(amount), 0),
    entry: readable(entryPrice, 2),
    unrealised: unrealised === undefined ? NOTHING : signed(unrealised),
    trend: unrealised === undefined ? 0 : signOf(unrealised),
  };
}

export function signed(value: Decimal): string {
  return signOf(value) > 0 ? `+${readable(value, 2)}` : readable(value, 2);
}

/** `12:03:07`, UTC like the chart's axis. */
export function clock(unixSeconds: number): string {
  return new Date(unixSeconds * 1_000).toISOString().slice(11, 19);
}

export function age(ms: number): string {
  const whole = seconds(ms);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min`;
}

export function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1_000));
}
