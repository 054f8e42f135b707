// The page about itself: connection, parts of the daemon that are down, age of what is shown, sound.

import type { Board } from "./board";
import { mark, notice, show } from "./dom";
import type { Feed } from "./feed";
import type { Sound } from "./sound";
import { age, count, stateWords, troubledParts } from "./words";

/** A running candle that did not change for this long is worth a word. */
const OLD_CANDLE_MS = 10_000;

export function drawState(board: Board, feed: Feed, now: number, since: string): void {
  const { status, failures } = feed;
  const { label, spoken, detail } = stateWords(status, failures, now);
  const parts = troubledParts(board.parts);
  const missing = parts === "" ? "" : `Not live: ${parts}`;
  mark("state", { "data-state": status.name === "live" && missing !== "" ? "partial" : status.name });
  show("state-text", label);
  show("state-detail", detail);
  show("announcer", missing === "" ? spoken : `${spoken}. ${missing}`);
  notice("parts", missing);
  notice("risk", board.risks.map((risk) => risk.message).join(" · "));

  const silence = board.candleHeardAt === undefined ? 0 : now - board.candleHeardAt;
  show("price-age", silence >= OLD_CANDLE_MS ? `${age(silence)} ago` : "");
  // Fills that happened while this page was away are in no frame it got.
  const gaps = Math.max(0, feed.connects - 1);
  show("since", gaps === 0 ? `since ${since} UTC` : `since ${since} UTC, with ${count(gaps, "gap", "gaps")}`);

  const { malformed, why } = board.tally;
  const unread = malformed === 0 ? "" : `${count(malformed, "frame", "frames")} could not be read`;
  show("trouble", unread, { title: why });
}

export function drawViewers(clients: number | undefined): void {
  show("viewers", clients === undefined ? "" : `${clients} watching`);
}

export function drawSound(sound: Sound): void {
  const asked = sound.isBlocked ? "Click for sound" : "Sound on";
  mark("sound", { "aria-pressed": String(sound.isOn) });
  show("sound-text", sound.isOn ? asked : "Sound off");
}
