// The edge: text from the socket becomes a typed frame, an unknown type, or a refusal with its reason.

import { type Decimal, parseDecimal } from "./decimal";

export interface Candle {
  /** Opening time, unix seconds. */
  readonly time: number;
  readonly open: Decimal;
  readonly high: Decimal;
  readonly low: Decimal;
  readonly close: Decimal;
  readonly volume: Decimal;
}

export interface Account {
  readonly asset: string;
  /** `balance`, else `marginBalance`, else `free`: the first that the daemon knows. */
  readonly balance: Decimal;
  readonly symbol: string;
}

export interface Position {
  readonly symbol: string;
  /** Signed: negative is short. */
  readonly amount: Decimal;
  readonly entryPrice: Decimal;
  readonly unrealised: Decimal | undefined;
}

export type Side = "buy" | "sell";

export const OPEN_STATUSES: ReadonlySet<string> = new Set(["NEW", "PARTIALLY_FILLED"]);
const STATUSES: ReadonlySet<string> = new Set([...OPEN_STATUSES, "FILLED", "CANCELED", "REJECTED", "EXPIRED"]);

export interface Order {
  readonly id: string;
  readonly price: Decimal;
  readonly side: Side;
  readonly status: string;
  /** Additive: v1 daemons need not send it. */
  readonly amount: Decimal | undefined;
}

export interface Trade {
  readonly side: Side;
  readonly price: Decimal;
  readonly amount: Decimal;
  /** The venue's trade time, unix seconds. */
  readonly time: number;
}

export interface Risk {
  readonly kind: string;
  readonly severity: string;
  readonly message: string;
}

export interface StreamPart {
  readonly name: string;
  /** `connecting`, `live`, `stale`, `backing-off` or `failed`. */
  readonly state: string;
  /** Why it is not live; may be empty. */
  readonly reason: string;
}

export type Frame =
  | { readonly type: "history"; readonly candles: readonly Candle[] }
  | { readonly type: "kline"; readonly candle: Candle }
  | { readonly type: "account"; readonly account: Account }
  | { readonly type: "position"; readonly position: Position }
  | { readonly type: "open_orders"; readonly orders: readonly Order[] }
  | { readonly type: "order"; readonly order: Order }
  | { readonly type: "trade_event"; readonly trade: Trade }
  | { readonly type: "risk_status"; readonly risk: Risk }
  | { readonly type: "streams"; readonly parts: readonly StreamPart[] };

export type Parsed =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "unknown"; readonly type: string }
  | { readonly kind: "malformed"; readonly why: string };

type Fields = Readonly<Record<string, unknown>>;

class Malformed extends Error {}

export function parseFrame(text: unknown): Parsed {
  if (typeof text !== "string") return { kind: "malformed", why: "not a text frame" };
  try {
    const { type, data } = fields(JSON.parse(text), "frame");
    if (typeof type !== "string") throw new Malformed("frame.type is not a string");
    const frame = read(type, data);
    return frame === undefined ? { kind: "unknown", type } : { kind: "frame", frame };
  } catch (error) {
    if (error instanceof Malformed) return { kind: "malformed", why: error.message };
    if (error instanceof SyntaxError) return { kind: "malformed", why: "not JSON" };
    throw error;
  }
}

/** The candles of `/api/history`: an array, or an object whose `data` is one. */
export function parseHistory(body: unknown): readonly Candle[] | undefined {
  try {
    return list(Array.isArray(body) ? body : fields(body, "body").data, "history", candle);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** The `streams` of `/health`, or of a `streams` frame: by name, or a list, or one part alone. */
export function parseStreams(body: unknown): readonly StreamPart[] | undefined {
  try {
    return streams(body);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function read(type: string, data: unknown): Frame | undefined {
  switch (type) {
    case "history":
      return { type, candles: list(data, "history", candle) };
    case "kline":
      return { type, candle: candle(data, "kline") };
    case "account":
      return { type, account: account(data) };
    case "position":
      return { type, position: position(data) };
    case "orders":
      return Array.isArray(data)
        ? { type: "open_orders", orders: list(data, "orders", order) }
        : { type: "order", order: order(data, "orders") };
    case "trade_event":
      return { type, trade: trade(data) };
    case "risk_status":
      return { type, risk: risk(data) };
    case "streams":
      return { type, parts: streams(data) };
    default:
      return undefined;
  }
}

function candle(value: unknown, at: string): Candle {
  const from = fields(value, at);
  return {
    time: seconds(from, "time", at),
    open: drawable(from, "open", at),
    high: drawable(from, "high", at),
    low: drawable(from, "low", at),
    close: drawable(from, "close", at),
    volume: drawable(from, "volume", at),
  };
}

function account(value: unknown): Account {
  const from = fields(value, "account");
  const known = ["balance", "marginBalance", "free"].find((key) => isGiven(from[key]));
  if (known === undefined) throw new Malformed("account has no balance");
  return {
    asset: text(from, "asset", "account").toUpperCase(),
    balance: decimal(from, known, "account"),
    symbol: text(from, "symbol", "account"),
  };
}

function position(value: unknown): Position {
  const from = fields(value, "position");
  const amount = decimal(from, "amount", "position");
  // Some readers' venues report a short as a positive size beside its side.
  const negate = from.holdSide === "short" && !amount.startsWith("-") && /[1-9]/.test(amount);
  return {
    symbol: text(from, "symbol", "position"),
    amount: negate ? (`-${amount}` as Decimal) : amount,
    entryPrice: decimal(from, "entryPrice", "position"),
    unrealised: isGiven(from.unrealizedPnL) ? decimal(from, "unrealizedPnL", "position") : undefined,
  };
}

function order(value: unknown, at: string): Order {
  const from = fields(value, at);
  const status = text(from, "status", at).toUpperCase();
  if (!STATUSES.has(status)) throw new Malformed(`${at}.status is none of the six`);
  return {
    id: identifier(from, at),
    price: drawable(from, "price", at),
    side: side(from, at),
    status,
    amount: isGiven(from.amount) ? decimal(from, "amount", at) : undefined,
  };
}

function trade(value: unknown): Trade {
  const from = fields(value, "trade_event");
  return {
    side: side(from, "trade_event"),
    price: drawable(from, "price", "trade_event"),
    amount: decimal(from, "amount", "trade_event"),
    time: seconds(from, "time", "trade_event"),
  };
}

function risk(value: unknown): Risk {
  const from = fields(value, "risk_status");
  return {
    kind: text(from, "type", "risk_status"),
    severity: text(from, "severity", "risk_status").toLowerCase(),
    message: text(from, "message", "risk_status"),
  };
}

function streams(value: unknown): readonly StreamPart[] {
  if (Array.isArray(value)) return list(value, "streams", part);
  const from = fields(value, "streams");
  if (typeof from.name === "string") return [part(from, "streams")];
  return Object.entries(from).map(([name, state]) =>
    typeof state === "string"
      ? { name, state, reason: "" }
      : part({ ...fields(state, `streams.${name}`), name }, "streams"),
  );
}

function part(value: unknown, at: string): StreamPart {
  const from = fields(value, at);
  const reason = isGiven(from.reason) ? text(from, "reason", at) : "";
  return { name: text(from, "name", at), state: text(from, "state", at), reason };
}

function list<T>(value: unknown, at: string, parse: (item: unknown, at: string) => T): readonly T[] {
  if (!Array.isArray(value)) throw new Malformed(`${at} is not a list`);
  return value.map((item, index) => parse(item, `${at}[${index}]`));
}

function fields(value: unknown, at: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Malformed(`${at} is not an object`);
  return value as Fields;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

function text(from: Fields, key: string, at: string): string {
  const value = from[key];
  if (typeof value !== "string") throw new Malformed(`${at}.${key} is not a string`);
  return value;
}

function identifier(from: Fields, at: string): string {
  const value = from.id;
  if (typeof value === "string" && value !== "") return value;
  // Older servers send a number; one that JSON could not carry exactly names no order.
  if (Number.isSafeInteger(value)) return String(value);
  throw new Malformed(`${at}.id is not a string`);
}

function side(from: Fields, at: string): Side {
  const value = text(from, "side", at).toLowerCase();
  if (value !== "buy" && value !== "sell") throw new Malformed(`${at}.side is neither buy nor sell`);
  return value;
}

function decimal(from: Fields, key: string, at: string): Decimal {
  const value = parseDecimal(from[key]);
  if (value === undefined) throw new Malformed(`${at}.${key} is not a decimal string`);
  return value;
}

/** The chart refuses numbers beyond this by throwing (lightweight-charts, "maximum value"). */
const CHART_LIMIT = 90_000_000_000_000;

function drawable(from: Fields, key: string, at: string): Decimal {
  const value = decimal(from, key, at);
  if (Math.abs(Number(value)) > CHART_LIMIT) throw new Malformed(`${at}.${key} is too large to draw`);
  return value;
}

function seconds(from: Fields, key: string, at: string): number {
  const value = Number(from[key]);
  const valid = Number.isSafeInteger(value) && value >= 0 && value < 100_000_000_000;
  if (!valid || !isGiven(from[key])) throw new Malformed(`${at}.${key} is not a time in unix seconds`);
  return value;
}
