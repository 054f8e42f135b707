// What the daemon says of itself: which of its streams are live, and how many people watch.

import { parseStreams, type StreamPart } from "./frames";
import { isFetchFailure } from "./scrollback";

const EVERY_MS = 15_000;
/** While something is not live: recovery should show soon. */
const TROUBLED_EVERY_MS = 4_000;
const FIRST_MS = 1_000;
const PATIENCE_MS = 5_000;

export interface Health {
  readonly parts: readonly StreamPart[];
  readonly clients: number | undefined;
}

/** The body of `/health`, whatever its status code: a 503 carries the same object. */
export function parseHealth(body: unknown): Health | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { streams, clients } = body as Readonly<Record<string, unknown>>;
  const parts = streams === undefined ? [] : parseStreams(streams);
  if (parts === undefined) return undefined;
  return { parts, clients: Number.isSafeInteger(clients) ? (clients as number) : undefined };
}

/** Asks now and then while it `isWanted`, until the daemon proves not to answer pages of this origin. */
export function watchHealth(address: string, isWanted: () => boolean, heard: (health: Health) => void): void {
  let wait = EVERY_MS;
  const ask = async () => {
    if (isWanted()) {
      const health = await fetchHealth(address);
      if (health === "refused") return;
      if (health !== undefined) heard(health);
      wait = health?.parts.every((part) => part.state === "live") ? EVERY_MS : TROUBLED_EVERY_MS;
    }
    // Viewers who opened the page together should not ask together.
    setTimeout(ask, wait * (0.75 + Math.random() / 2));
  };
  setTimeout(ask, FIRST_MS);
}

async function fetchHealth(address: string): Promise<Health | "refused" | undefined> {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
    return parseHealth(await answer.json());
  } catch (error) {
    if (!isFetchFailure(error)) throw error;
    const isElsewhere = new URL(address).origin !== location.origin;
    return isElsewhere && error instanceof TypeError ? "refused" : undefined;
  }
}
