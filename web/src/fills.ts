// Fills: counted, summed exactly, listed newest first, and gathered per candle into few markers.

import { add, type Decimal, ZERO } from "./decimal";
import type { Side, Trade } from "./frames";

/** Thousands of markers make the chart crawl (lightweight-charts#767): one per candle and side, and only the newest. */
export const MOST_MARKERS = 300;
export const MOST_LISTED = 30;

export interface FillMarker {
  /** Opening time of the candle. */
  readonly time: number;
  readonly side: Side;
  readonly fills: number;
}

export interface SideTotal {
  readonly fills: number;
  readonly amount: Decimal;
}

export class Fills {
  #totals: Record<Side, SideTotal> = { buy: { fills: 0, amount: ZERO }, sell: { fills: 0, amount: ZERO } };
  #newest: Trade[] = [];
  /** Per side: candle's opening time to number of fills. */
  #gathered: Record<Side, Map<number, number>> = { buy: new Map(), sell: new Map() };

  get newest(): readonly Trade[] {
    return this.#newest;
  }

  total(side: Side): SideTotal {
    return this.#totals[side];
  }

  apply(trade: Trade, opening: number): void {
    const { fills, amount } = this.#totals[trade.side];
    this.#totals[trade.side] = { fills: fills + 1, amount: add(amount, trade.amount) };
    this.#newest = [trade, ...this.#newest.slice(0, MOST_LISTED - 1)];
    const gathered = this.#gathered[trade.side];
    gathered.set(opening, (gathered.get(opening) ?? 0) + 1);
    forgetOldest(gathered);
  }

  /** Ascending by time, as the chart wants them; those before the first candle have nowhere to stand. */
  markers(since: number): readonly FillMarker[] {
    return (["buy", "sell"] as const)
      .flatMap((side) => [...this.#gathered[side]].map(([time, fills]) => ({ time, side, fills })))
      .filter((marker) => marker.time >= since)
      .sort((a, b) => a.time - b.time)
      .slice(-MOST_MARKERS);
  }
}

function forgetOldest(gathered: Map<number, number>): void {
  if (gathered.size <= MOST_MARKERS) return;
  let oldest = Number.POSITIVE_INFINITY;
  for (const time of gathered.keys()) oldest = Math.min(oldest, time);
  gathered.delete(oldest);
}
