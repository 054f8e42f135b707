// Everything the page knows, folded from frames; and what has changed since it was last drawn.

import { Candles } from "./candles";
import { compare, isZero } from "./decimal";
import { Fills } from "./fills";
import type { Account, Candle, Frame, Parsed, Position, Risk, StreamPart } from "./frames";
import { OpenOrders } from "./orders";

/** What the panel counts as money (the other assets of a margin account are no balance of this market). */
const MONEY: ReadonlySet<string> = new Set(["USDT", "USDC"]);
/** Severities with which the daemon says that a risk is over. */
const CALM: ReadonlySet<string> = new Set(["ok", "info", "none", "normal", "cleared"]);

export interface Tally {
  readonly frames: number;
  readonly unknown: number;
  readonly malformed: number;
  /** Why the last one was refused. */
  readonly why: string;
}

/** What to draw. Candles: all anew, or those that moved, ascending. */
export interface Changes {
  readonly candles: "all" | readonly Candle[];
  readonly orders: boolean;
  readonly fills: boolean;
}

export class Board {
  readonly candles = new Candles();
  readonly orders = new OpenOrders();
  readonly fills = new Fills();
  symbol = "";
  account: Account | undefined;
  position: Position | undefined;
  /** Which way the price went with its last change. */
  direction: -1 | 0 | 1 = 0;
  parts: readonly StreamPart[] = [];
  /** When the running candle was last heard of, in the page's milliseconds. */
  candleHeardAt: number | undefined;
  #risks = new Map<string, Risk>();
  #tally: Tally = { frames: 0, unknown: 0, malformed: 0, why: "" };
  #reset = true;
  #moved = new Map<number, Candle>();
  #ordersMoved = true;
  #fillsMoved = true;

  get tally(): Tally {
    return this.#tally;
  }

  /** Risks that are not over, the latest last. */
  get risks(): readonly Risk[] {
    return [...this.#risks.values()];
  }

  receive(parsed: Parsed, now: number): void {
    const { frames, unknown, malformed } = this.#tally;
    switch (parsed.kind) {
      case "frame":
        this.#tally = { ...this.#tally, frames: frames + 1 };
        this.#apply(parsed.frame, now);
        break;
      case "unknown":
        this.#tally = { ...this.#tally, unknown: unknown + 1 };
        break;
      case "malformed":
        this.#tally = { ...this.#tally, malformed: malformed + 1, why: parsed.why };
        break;
    }
  }

  prepend(candles: readonly Candle[]): boolean {
    const changed = this.candles.prepend(candles) === "reset";
    this.#reset ||= changed;
    return changed;
  }

  /** The changes since the last call. */
  take(): Changes {
    const candles = this.#reset ? "all" : [...this.#moved.values()];
    const changes = { candles, orders: this.#ordersMoved, fills: this.#fillsMoved } as const;
    this.#reset = this.#ordersMoved = this.#fillsMoved = false;
    this.#moved.clear();
    return changes;
  }

  #apply(frame: Frame, now: number): void {
    switch (frame.type) {
      case "history":
        this.candles.replace(frame.candles);
        this.candleHeardAt = now;
        this.#reset = this.#fillsMoved = true;
        break;
      case "kline":
        this.#kline(frame.candle, now);
        break;
      case "account":
        this.symbol = frame.account.symbol || this.symbol;
        if (MONEY.has(frame.account.asset)) this.account = frame.account;
        break;
      case "position":
        this.position = isZero(frame.position.amount) ? undefined : frame.position;
        break;
      case "open_orders":
        this.orders.replace(frame.orders);
        this.#ordersMoved = true;
        break;
      case "order":
        this.orders.apply(frame.order);
        this.#ordersMoved = true;
        break;
      case "trade_event":
        this.fills.apply(frame.trade, this.candles.opening(frame.trade.time));
        this.#fillsMoved = true;
        break;
      case "risk_status":
        this.#risk(frame.risk);
        break;
      case "streams":
        this.#streams(frame.parts);
        break;
    }
  }

  #kline(candle: Candle, now: number): void {
    const before = this.candles.last;
    const change = this.candles.update(candle);
    if (change === "ignored") return;
    this.candleHeardAt = now;
    if (before !== undefined) this.direction = compare(candle.close, before.close) || this.direction;
    if (change === "reset") this.#reset = true;
    else this.#moved.set(candle.time, candle);
  }

  #risk(risk: Risk): void {
    this.#risks.delete(risk.kind);
    if (!CALM.has(risk.severity)) this.#risks.set(risk.kind, risk);
  }

  #streams(parts: readonly StreamPart[]): void {
    const byName = new Map([...this.parts, ...parts].map((part) => [part.name, part]));
    this.parts = [...byName.values()];
  }
}
