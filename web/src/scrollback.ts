// Older candles, fetched when the reader nears the left edge.

import { type Candle, parseHistory } from "./frames";

const PAGE = 500;
const PATIENCE_MS = 10_000;

export interface Wanted {
  readonly symbol: string;
  readonly interval: string;
  /** Opening time of the oldest candle that is there. */
  readonly before: number;
}

/** The query of `/api/history`. */
export function historyQuery({ symbol, interval, before }: Wanted): string {
  return new URLSearchParams({ symbol, interval, before: String(before), limit: String(PAGE) }).toString();
}

export class Scrollback {
  readonly #address: string;
  #busy = false;
  #nothingBefore = Number.NEGATIVE_INFINITY;
  #notUntil = 0;

  constructor(address: string) {
    this.#address = address;
  }

  /** At most one request at a time; undefined when there is nothing to fetch now. */
  async older(wanted: Wanted, now: number): Promise<readonly Candle[] | undefined> {
    if (this.#busy || wanted.before <= this.#nothingBefore || now < this.#notUntil) return undefined;
    this.#busy = true;
    try {
      const candles = await fetchHistory(`${this.#address}?${historyQuery(wanted)}`);
      if (candles === undefined) this.#notUntil = now + PATIENCE_MS;
      else if (!candles.some((candle) => candle.time < wanted.before)) this.#nothingBefore = wanted.before;
      return candles;
    } finally {
      this.#busy = false;
    }
  }
}

async function fetchHistory(address: string): Promise<readonly Candle[] | undefined> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? parseHistory(await answer.json()) : undefined;
  } catch (error) {
    if (isFetchFailure(error)) return undefined;
    throw error;
  }
}

/** No network (TypeError), too slow or aborted (DOMException), not JSON (SyntaxError). */
export function isFetchFailure(error: unknown): boolean {
  return error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError;
}
