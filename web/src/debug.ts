// `window.opensqt`: a read-only look at what is drawn, for browser tests and for the curious in a console.

import type { Board } from "./board";
import type { Chart } from "./chart";
import type { Feed } from "./feed";
import type { Sound } from "./sound";

export function exposeForTests(board: Board, chart: Chart, feed: Feed, sound: Sound): void {
  const view = {
    /** Candles, order lines and markers as lightweight-charts holds them. */
    get drawn() {
      return structuredClone(chart.drawn);
    },
    get state() {
      return feed.status.name;
    },
    get connects() {
      return feed.connects;
    },
    get tally() {
      return { ...board.tally };
    },
    get sound() {
      return { on: sound.isOn, played: sound.played };
    },
  };
  Object.defineProperty(window, "opensqt", { value: Object.freeze(view), enumerable: true });
}
