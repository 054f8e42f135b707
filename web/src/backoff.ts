// How long to wait before the next attempt.

const FIRST_MS = 500;
const CAP_MS = 15_000;

/** Doubles from half a second to 15 s. Half of it is drawn by lot, so that viewers of one daemon don't return at once. */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(CAP_MS, FIRST_MS * 2 ** Math.min(failures, 16));
  return Math.round(full / 2 + (full / 2) * random);
}
