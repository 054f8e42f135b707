// The connection as a state machine: events and the time in, commands for the socket out. No socket, no timer here.

import { backoffMs } from "./backoff";

/** Silence after which the page says so. The daemon sends each change of the candle, so a busy symbol never gets here. */
export const STALE_AFTER_MS = 15_000;
/** Silence after which the socket is given up: a half-open connection never reports its end. */
export const GIVE_UP_AFTER_MS = 60_000;
export const OPENING_LIMIT_MS = 10_000;
/** A connection that lasted this long was a good one: the next failure starts from a short wait. */
export const LASTED_MS = 10_000;

export type Status =
  | { readonly name: "connecting"; readonly since: number }
  | { readonly name: "live"; readonly since: number; readonly lastFrame: number }
  | { readonly name: "stale"; readonly since: number; readonly lastFrame: number }
  | { readonly name: "waiting"; readonly until: number; readonly reason: string };

export type Command = "open" | "close";

export type Happening =
  | { readonly type: "frame" }
  | { readonly type: "closed"; readonly reason: string }
  | { readonly type: "tick" }
  | { readonly type: "retry" };

export class Connection {
  #status: Status;
  #failures = 0;
  readonly #random: () => number;

  /** Begins by connecting: the caller opens the first socket. */
  constructor(now: number, random: () => number) {
    this.#status = { name: "connecting", since: now };
    this.#random = random;
  }

  get status(): Status {
    return this.#status;
  }

  /** Attempts that failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  on(happening: Happening, now: number): Command | undefined {
    switch (happening.type) {
      case "frame":
        this.#frame(now);
        return undefined;
      case "closed":
        this.#wait(happening.reason, now);
        return undefined;
      case "tick":
        return this.#tick(now);
      case "retry":
        return this.#status.name === "waiting" ? this.#connect(now) : undefined;
    }
  }

  #frame(now: number): void {
    const status = this.#status;
    if (status.name === "waiting") return; // a socket that was given up has no say
    const since = status.name === "connecting" ? now : status.since;
    this.#status = { name: "live", since, lastFrame: now };
    if (now - since >= LASTED_MS) this.#failures = 0;
  }

  #tick(now: number): Command | undefined {
    const status = this.#status;
    switch (status.name) {
      case "connecting":
        return now - status.since >= OPENING_LIMIT_MS ? this.#giveUp("no answer", now) : undefined;
      case "live":
        if (now - status.lastFrame >= STALE_AFTER_MS) this.#status = { ...status, name: "stale" };
        return undefined;
      case "stale":
        return now - status.lastFrame >= GIVE_UP_AFTER_MS ? this.#giveUp("it went silent", now) : undefined;
      case "waiting":
        return now >= status.until ? this.#connect(now) : undefined;
    }
  }

  #connect(now: number): Command {
    this.#status = { name: "connecting", since: now };
    return "open";
  }

  #giveUp(reason: string, now: number): Command {
    this.#wait(reason, now);
    return "close";
  }

  #wait(reason: string, now: number): void {
    this.#status = { name: "waiting", until: now + backoffMs(this.#failures, this.#random()), reason };
    this.#failures += 1;
  }
}

/** A close in words, for the state line. Codes: RFC 6455 section 7.4.1, and 4401 for a token that expired. */
export function closeReason(code: number, reason: string): string {
  const words: Readonly<Record<number, string>> = {
    1001: "the daemon is going away",
    1008: "refused by policy",
    1011: "an error in the daemon",
    1013: "this page could not keep up",
    4401: "the token expired",
  };
  const known = words[code] ?? "connection lost";
  return reason === "" ? known : `${known}: ${reason}`;
}
