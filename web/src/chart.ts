// The chart's shell: draws what the board says with lightweight-charts. Numbers here are coordinates.

import {
  type CandlestickData,
  CandlestickSeries,
  type CandlestickSeriesOptions,
  createChart,
  createSeriesMarkers,
  type HistogramData,
  HistogramSeries,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { scaleOf } from "./decimal";
import type { FillMarker } from "./fills";
import type { Candle, Side } from "./frames";
import { difference, type OrderLine } from "./orders";
import { labelled, openFor } from "./scale";
import { type Colours, readColours } from "./theme";

const LABELS_PER_SIDE = 4;
/** On a narrow chart labels would hide the newest candles. */
const NARROW = { width: 560, labels: 1 };
/** Pixels right of the newest candle, for the labels of order lines. */
const LABEL_ROOM = 84;
const MOST_DECIMALS = 8;
/** The left edge is near when fewer bars than this lie beyond what is visible. */
const NEAR_EDGE = 20;
/** What is in sight at first: this many of the newest bars, and room for labels. */
const FIRST_SIGHT = 120;
const NARROWEST_BAR = 4;

export class Chart {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<"Candlestick">;
  readonly #volume: ISeriesApi<"Histogram">;
  readonly #markers: ISeriesMarkersPluginApi<Time>;
  #drawn: ReadonlyMap<string, OrderLine> = new Map();
  #lines = new Map<string, IPriceLine>();
  #labels: ReadonlySet<string> = new Set();
  #fills: readonly FillMarker[] = [];
  #decimals = -1;
  #isPlaced = false;
  #isTouched = false;
  #colours: Colours;

  constructor(container: HTMLElement) {
    this.#colours = readColours();
    this.#chart = createChart(container, {
      autoSize: true,
      // Its logo brings a style element, which a strict Content-Security-Policy blocks; the page's foot names the library.
      layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 12 },
      rightPriceScale: { scaleMargins: { top: 0.1, bottom: 0.24 } },
      // A finger that moves up or down on the chart scrolls the page.
      handleScroll: { vertTouchDrag: false },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffsetPixels: LABEL_ROOM, minBarSpacing: 1 },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, {
      autoscaleInfoProvider: (original: Parameters<AutoscaleProvider>[0]) => this.#autoscale(original),
    });
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: "",
      priceFormat: { type: "volume" },
      priceLineVisible: false,
      lastValueVisible: false,
    });
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.#markers = createSeriesMarkers(this.#candles, [], { autoScale: false });
    for (const gesture of ["pointerdown", "wheel", "touchstart"]) {
      container.addEventListener(
        gesture,
        () => {
          this.#isTouched = true;
        },
        { passive: true, capture: true },
      );
    }
    this.repaint([]);
  }

  /** Reads the colours again, after the system changed between dark and light. */
  repaint(bars: readonly Candle[]): void {
    const colours = readColours();
    this.#colours = colours;
    this.#chart.applyOptions({
      layout: { textColor: colours.text },
      grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
      rightPriceScale: { borderColor: colours.border },
      timeScale: { borderColor: colours.border },
      crosshair: {
        vertLine: { color: colours.text, labelBackgroundColor: colours.label },
        horzLine: { color: colours.text, labelBackgroundColor: colours.label },
      },
    });
    this.#candles.applyOptions({
      upColor: colours.buy,
      downColor: colours.sell,
      borderVisible: false,
      wickUpColor: colours.buy,
      wickDownColor: colours.sell,
    });
    for (const [id, line] of this.#lines) line.applyOptions({ color: this.#colour(this.#drawn.get(id)?.side) });
    this.drawMarkers(this.#fills);
    if (bars.length > 0) this.drawAll(bars);
  }

  drawAll(bars: readonly Candle[]): void {
    this.#precision(bars.at(-1));
    this.#candles.setData(bars.map(toBar));
    this.#volume.setData(bars.map((candle) => this.#toVolume(candle)));
    if (!this.#isPlaced && bars.length > 0) this.#place(bars.length);
  }

  draw(candle: Candle): void {
    this.#precision(candle);
    this.#candles.update(toBar(candle));
    this.#volume.update(this.#toVolume(candle));
  }

  drawLines(wanted: ReadonlyMap<string, OrderLine>): void {
    const { gone, changed } = difference(this.#drawn, wanted);
    for (const id of gone) this.#removeLine(id);
    for (const line of changed) {
      this.#removeLine(line.id);
      this.#lines.set(
        line.id,
        this.#candles.createPriceLine({
          price: Number(line.price),
          color: this.#colour(line.side),
          lineWidth: 1,
          lineStyle: LineStyle.Dashed,
          axisLabelVisible: this.#labels.has(line.id),
          title: line.title,
        }),
      );
    }
    this.#drawn = wanted;
  }

  /** Moves the labels to the lines nearest to the market. */
  label(market: number): void {
    const prices = [...this.#drawn.values()].map(({ id, price }) => ({ id, price: Number(price) }));
    const perSide = this.#chart.timeScale().width() < NARROW.width ? NARROW.labels : LABELS_PER_SIDE;
    const labels = labelled(prices, market, perSide);
    for (const [id, line] of this.#lines) {
      const visible = labels.has(id);
      if (line.options().axisLabelVisible !== visible) line.applyOptions({ axisLabelVisible: visible });
    }
    this.#labels = labels;
  }

  drawMarkers(fills: readonly FillMarker[]): void {
    this.#fills = fills;
    this.#markers.setMarkers(fills.map((fill) => this.#toMarker(fill)));
  }

  /** Calls with whether the newest candle is in sight, whenever the view moves. */
  onView(moved: (isNewest: boolean) => void): void {
    const scale = this.#chart.timeScale();
    scale.subscribeVisibleLogicalRangeChange(() => moved(scale.scrollPosition() > -1));
  }

  /** Back to the newest candle. */
  showNewest(isAnimated: boolean): void {
    const scale = this.#chart.timeScale();
    scale.scrollToPosition(LABEL_ROOM / scale.options().barSpacing, isAnimated);
  }

  /** Calls when a reader who moves the chart nears its left edge; never by itself, or every viewer would fetch. */
  onLeftEdge(reached: () => void): void {
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (this.#isTouched && range !== null && range.from < NEAR_EDGE) reached();
    });
  }

  /** Calls with the time under the pointer, or undefined when it left. */
  onPointer(moved: (time: number | undefined) => void): void {
    this.#chart.subscribeCrosshairMove(({ time }) => moved(typeof time === "number" ? time : undefined));
  }

  /** What the library itself says it draws: for tests, which must not believe our own books. */
  get drawn(): Drawn {
    const bars = this.#candles.data();
    return {
      candles: bars.length,
      volumes: this.#volume.data().length,
      first: bars.at(0),
      last: bars.at(-1),
      lines: this.#candles.priceLines().map((line) => line.options()),
      markers: this.#markers.markers(),
    };
  }

  /** Sizes the bars so that the newest of them fill the width, beside the labels. */
  #place(bars: number): void {
    this.#isPlaced = true;
    const scale = this.#chart.timeScale();
    const width = scale.width() - LABEL_ROOM;
    if (width > 0) scale.applyOptions({ barSpacing: Math.max(NARROWEST_BAR, width / Math.min(bars, FIRST_SIGHT)) });
    this.showNewest(false);
  }

  #autoscale(original: Parameters<AutoscaleProvider>[0]): ReturnType<AutoscaleProvider> {
    const scale = original();
    if (scale?.priceRange == null) return scale;
    const { minValue, maxValue } = scale.priceRange;
    const prices = [...this.#drawn.values()].map((line) => Number(line.price));
    const { min, max } = openFor({ min: minValue, max: maxValue }, prices);
    return { ...scale, priceRange: { minValue: min, maxValue: max } };
  }

  #precision(candle: Candle | undefined): void {
    if (candle === undefined) return;
    const decimals = Math.min(MOST_DECIMALS, Math.max(this.#decimals, scaleOf(candle.close), scaleOf(candle.open)));
    if (decimals === this.#decimals) return;
    this.#decimals = decimals;
    this.#candles.applyOptions({ priceFormat: { type: "price", precision: decimals, minMove: 1 / 10 ** decimals } });
  }

  #removeLine(id: string): void {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    this.#candles.removePriceLine(line);
    this.#lines.delete(id);
  }

  #colour(side: Side | undefined): string {
    return side === "sell" ? this.#colours.sell : this.#colours.buy;
  }

  #toVolume({ time, open, close, volume }: Candle): HistogramData {
    const isUp = Number(close) >= Number(open);
    const color = isUp ? this.#colours.buySoft : this.#colours.sellSoft;
    return { time: time as UTCTimestamp, value: Number(volume), color };
  }

  #toMarker({ time, side, fills }: FillMarker): SeriesMarker<Time> {
    return {
      time: time as UTCTimestamp,
      position: side === "buy" ? "belowBar" : "aboveBar",
      shape: side === "buy" ? "arrowUp" : "arrowDown",
      color: this.#colour(side),
      id: `${side}-${time}`,
      text: fills > 1 ? String(fills) : "",
    };
  }
}

type AutoscaleProvider = NonNullable<CandlestickSeriesOptions["autoscaleInfoProvider"]>;

export interface Drawn {
  readonly candles: number;
  readonly volumes: number;
  readonly first: unknown;
  readonly last: unknown;
  readonly lines: readonly unknown[];
  readonly markers: readonly unknown[];
}

function toBar({ time, open, high, low, close }: Candle): CandlestickData {
  return {
    time: time as UTCTimestamp,
    open: Number(open),
    high: Number(high),
    low: Number(low),
    close: Number(close),
  };
}
