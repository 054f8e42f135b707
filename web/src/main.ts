// Puts the parts together and draws at the screen's pace, however fast frames come.

import { chooseAddresses } from "./address";
import { Board } from "./board";
import { intervalName } from "./candles";
import { Chart } from "./chart";
import { exposeForTests } from "./debug";
import { element, notice } from "./dom";
import { Feed } from "./feed";
import { type Candle, parseFrame } from "./frames";
import { watchHealth } from "./health";
import { drawFills, drawLadder, drawLegend, drawNumbers } from "./panel";
import { Scrollback } from "./scrollback";
import { Sound } from "./sound";
import { drawSound, drawState, drawViewers } from "./status";
import { onThemeChange } from "./theme";
import { clock } from "./words";

/** Lists and markers cost more than a price: a few times a second is as fast as anyone reads. */
const SLOW_DRAW_MS = 200;

function start(): void {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="opensqt-ws"]')?.content ?? "";
  const addresses = chooseAddresses(location.href, meta);
  if (addresses === undefined) {
    notice("parts", "The address in ?ws= or in opensqt-ws is no WebSocket address");
    return;
  }
  const board = new Board();
  const chart = new Chart(element("chart"));
  const sound = new Sound("coin.mp3");
  const since = clock(Date.now() / 1_000);
  const feed = new Feed(addresses.socket, {
    text: (data, now) => {
      const parsed = parseFrame(data);
      board.receive(parsed, now);
      if (parsed.kind === "frame" && parsed.frame.type === "trade_event") sound.fill(now);
      painter.request();
    },
    status: () => drawState(board, feed, performance.now(), since),
  });
  const painter = new Painter(board, chart);
  wireScrollback(board, chart, painter, new Scrollback(addresses.history));
  wirePointer(board, chart, painter);
  wireSound(sound);
  onThemeChange(() => chart.repaint(board.candles.bars));
  wireNewest(chart);
  const isWatched = () => document.visibilityState === "visible" && feed.status.name !== "waiting";
  watchHealth(addresses.health, isWatched, ({ parts, clients }) => {
    board.parts = parts;
    drawViewers(clients);
  });
  exposeForTests(board, chart, feed, sound);
  painter.request();
  feed.start();
  drawState(board, feed, performance.now(), since);
}

class Painter {
  /** The candle under the pointer; undefined shows the running one. */
  pointed: Candle | undefined;
  readonly #board: Board;
  readonly #chart: Chart;
  #requested = false;
  #slowAt = Number.NEGATIVE_INFINITY;
  #ordersDue = true;
  #fillsDue = true;

  constructor(board: Board, chart: Chart) {
    this.#board = board;
    this.#chart = chart;
  }

  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    requestAnimationFrame((now) => {
      this.#requested = false;
      this.#paint(now);
    });
  }

  #paint(now: number): void {
    const { candles, orders, fills } = this.#board.take();
    if (candles === "all") this.#chart.drawAll(this.#board.candles.bars);
    else for (const candle of candles) this.#chart.draw(candle);
    this.#ordersDue ||= orders;
    this.#fillsDue ||= fills;
    if (orders) this.#chart.drawLines(this.#board.orders.lines());
    drawNumbers(this.#board);
    drawLegend(this.pointed ?? this.#board.candles.last);
    if (now - this.#slowAt >= SLOW_DRAW_MS) this.#paintSlowly(now);
    // What was put off is drawn even if no further frame comes.
    else if (this.#ordersDue || this.#fillsDue) this.request();
  }

  #paintSlowly(now: number): void {
    this.#slowAt = now;
    const { candles, fills } = this.#board;
    if (candles.last !== undefined) this.#chart.label(Number(candles.last.close));
    if (this.#ordersDue) drawLadder(this.#board);
    if (this.#fillsDue) {
      drawFills(this.#board);
      this.#chart.drawMarkers(fills.markers(candles.first?.time ?? Number.POSITIVE_INFINITY));
    }
    this.#ordersDue = this.#fillsDue = false;
  }
}

function wireScrollback(board: Board, chart: Chart, painter: Painter, scrollback: Scrollback): void {
  chart.onLeftEdge(async () => {
    const { first, interval, isFull } = board.candles;
    if (first === undefined || isFull || board.symbol === "") return;
    const wanted = { symbol: board.symbol, interval: intervalName(interval), before: first.time };
    const older = await scrollback.older(wanted, performance.now());
    // A new connection may have replaced the candles in the meantime: then these are not what precedes them.
    if (older !== undefined && board.candles.first?.time === wanted.before && board.prepend(older)) painter.request();
  });
}

function wirePointer(board: Board, chart: Chart, painter: Painter): void {
  chart.onPointer((time) => {
    painter.pointed = time === undefined ? undefined : board.candles.at(time);
    painter.request();
  });
}

function wireNewest(chart: Chart): void {
  const button = element("newest");
  button.addEventListener("click", () => chart.showNewest(true));
  chart.onView((isNewest) => {
    button.hidden = isNewest;
  });
}

function wireSound(sound: Sound): void {
  drawSound(sound);
  element("sound").addEventListener("click", () => {
    sound.toggle();
    drawSound(sound);
  });
  addEventListener("pointerdown", () => {
    sound.allow();
    drawSound(sound);
  });
  setInterval(() => drawSound(sound), 1_000);
}

start();
