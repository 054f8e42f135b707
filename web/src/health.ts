// What the daemon says of itself: which of its streams are live, and how many people watch.

import { parseStreams, type StreamPart } from "./frames";
import { isFetchFailure } from "./scrollback";

const EVERY_MS = 15_000;
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

/** Asks now and then while the page is in sight, until the daemon proves not to answer pages of this origin. */
export function watchHealth(address: string, heard: (health: Health) => void): void {
  const ask = async () => {
    if (document.visibilityState === "visible") {
      const health = await fetchHealth(address);
      if (health === "refused") return;
      if (health !== undefined) heard(health);
    }
    // Viewers who opened the page together should not ask together.
    setTimeout(ask, EVERY_MS * (0.75 + Math.random() / 2));
  };
  void ask();
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
