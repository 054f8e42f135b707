// How far the price scale opens so that the nearest order lines are in sight.

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Candles keep at least this share of the height. */
const CANDLES_SHARE = 0.55;

/**
 * Opens the candles' range for order prices, nearest first, for as long as the candles stay readable. Prices here are
 * coordinates, not money.
 */
export function openFor(candles: Range, prices: readonly number[]): Range {
  const middle = (candles.min + candles.max) / 2;
  // A flat market has no height of its own: a thousandth of the price stands for it.
  const height = Math.max(candles.max - candles.min, middle / 1_000);
  let { min, max } = candles;
  for (const price of [...prices].sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))) {
    const [lower, upper] = [Math.min(min, price), Math.max(max, price)];
    if ((upper - lower) * CANDLES_SHARE > height) break;
    [min, max] = [lower, upper];
  }
  return { min, max };
}

/** The ids of the lines that carry a label on the axis: the nearest few on each side, or labels would hide each other. */
export function labelled(
  lines: Iterable<{ readonly id: string; readonly price: number }>,
  market: number,
  perSide: number,
): ReadonlySet<string> {
  const nearest = [...lines].sort((a, b) => Math.abs(a.price - market) - Math.abs(b.price - market));
  const above = nearest.filter((line) => line.price > market).slice(0, perSide);
  const below = nearest.filter((line) => line.price <= market).slice(0, perSide);
  return new Set([...above, ...below].map((line) => line.id));
}
