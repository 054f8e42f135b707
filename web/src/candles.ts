// The candles that the chart holds: ascending, one per opening time, bounded.

import type { Candle } from "./frames";

/** What the chart has to do after a change. */
export type CandleChange = "reset" | "update" | "ignored";

/** Two weeks of minutes; beyond it the oldest go, so that a page left open for weeks stays quick. */
export const MOST_CANDLES = 20_000;
const TRIM_AT = MOST_CANDLES + 1_000;
const DEFAULT_INTERVAL = 60;

export class Candles {
  #bars: Candle[] = [];
  #interval = DEFAULT_INTERVAL;

  get bars(): readonly Candle[] {
    return this.#bars;
  }

  get first(): Candle | undefined {
    return this.#bars[0];
  }

  get last(): Candle | undefined {
    return this.#bars.at(-1);
  }

  get isFull(): boolean {
    return this.#bars.length >= MOST_CANDLES;
  }

  /** Seconds per candle: the smallest step seen in what was loaded. */
  get interval(): number {
    return this.#interval;
  }

  /** The candle that opened at `time`. */
  at(time: number): Candle | undefined {
    let [low, high] = [0, this.#bars.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bars[middle]?.time ?? time) < time) low = middle + 1;
      else high = middle;
    }
    const found = this.#bars[low];
    return found?.time === time ? found : undefined;
  }

  replace(candles: readonly Candle[]): CandleChange {
    this.#bars = ascending(candles).slice(-MOST_CANDLES);
    this.#interval = smallestStep(this.#bars);
    return "reset";
  }

  /** The running candle moved, or a new one began. One that is older than the last is never drawn again. */
  update(candle: Candle): CandleChange {
    const last = this.last;
    if (last !== undefined && candle.time < last.time) return "ignored";
    if (last?.time === candle.time) this.#bars.pop();
    this.#bars.push(candle);
    if (this.#bars.length <= TRIM_AT) return "update";
    this.#bars = this.#bars.slice(-MOST_CANDLES);
    return "reset";
  }

  /** Older candles from scrolling back; those that the chart has already are left as they are. */
  prepend(candles: readonly Candle[]): CandleChange {
    const first = this.first?.time ?? Number.POSITIVE_INFINITY;
    const room = MOST_CANDLES - this.#bars.length;
    const older = ascending(candles.filter((candle) => candle.time < first));
    if (older.length === 0 || room <= 0) return "ignored";
    this.#bars = [...older.slice(-room), ...this.#bars];
    return "reset";
  }

  /** The opening time of the candle that `time` falls into. */
  opening(time: number): number {
    return time - (time % this.#interval);
  }
}

function ascending(candles: readonly Candle[]): Candle[] {
  const byTime = new Map(candles.map((candle) => [candle.time, candle]));
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}

function smallestStep(bars: readonly Candle[]): number {
  let step = Number.POSITIVE_INFINITY;
  for (let index = 1; index < bars.length; index += 1) {
    step = Math.min(step, (bars[index]?.time ?? 0) - (bars[index - 1]?.time ?? 0));
  }
  return Number.isFinite(step) ? step : DEFAULT_INTERVAL;
}

/** `1m`, `4h`, `1d`: how `/api/history` and people call an interval of so many seconds. */
export function intervalName(seconds: number): string {
  for (const [unit, size] of [
    ["w", 604_800],
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
  ] as const) {
    if (seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}
