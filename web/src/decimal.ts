// Decimal text: what the daemon sends as money is shown and added up exactly, never through a float.

const NUMBER = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$/;
const LONGEST = 60;

/** Plain decimal text: an optional minus, digits, an optional fraction. Only `parseDecimal` and `add` make one. */
export type Decimal = string & { readonly decimal: unique symbol };

export const ZERO = "0" as Decimal;

/** The same number as plain text with every digit it came with; undefined when it is not a decimal. */
export function parseDecimal(text: unknown): Decimal | undefined {
  if (typeof text !== "string" || text.length > LONGEST) return undefined;
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  return plain(sign === "-", whole + fraction, fraction.length - Number(exponent));
}

export function signOf(value: Decimal): -1 | 0 | 1 {
  if (!/[1-9]/.test(value)) return 0;
  return value.startsWith("-") ? -1 : 1;
}

export function isZero(value: Decimal): boolean {
  return signOf(value) === 0;
}

export function absolute(value: Decimal): Decimal {
  return (value.startsWith("-") ? value.slice(1) : value) as Decimal;
}

export function compare(left: Decimal, right: Decimal): -1 | 0 | 1 {
  const scale = Math.max(scaleOf(left), scaleOf(right));
  const [a, b] = [units(left, scale), units(right, scale)];
  return a < b ? -1 : a > b ? 1 : 0;
}

export function add(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(scaleOf(left), scaleOf(right));
  const sum = units(left, scale) + units(right, scale);
  return plain(sum < 0n, (sum < 0n ? -sum : sum).toString(), scale);
}

/** For reading: thousands separated, zeros beyond `keep` decimals dropped. No digit that carries value is lost. */
export function readable(value: Decimal, keep = Number.POSITIVE_INFINITY): string {
  const negative = value.startsWith("-");
  const [whole = "0", fraction = ""] = absolute(value).split(".");
  let end = fraction.length;
  while (end > keep && fraction[end - 1] === "0") end -= 1;
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${negative ? "−" : ""}${digits}${end > 0 ? `.${fraction.slice(0, end)}` : ""}`;
}

/** Decimals after the point: what the chart's price scale shows. */
export function scaleOf(value: Decimal): number {
  const point = value.indexOf(".");
  return point < 0 ? 0 : value.length - point - 1;
}

function units(value: Decimal, scale: number): bigint {
  return BigInt(value.replace(".", "") + "0".repeat(scale - scaleOf(value)));
}

function plain(negative: boolean, digits: string, scale: number): Decimal {
  const padded = scale < 0 ? digits + "0".repeat(-scale) : digits.padStart(scale + 1, "0");
  const cut = padded.length - Math.max(scale, 0);
  const whole = padded.slice(0, cut).replace(/^0+(?=\d)/, "");
  const text = scale > 0 ? `${whole}.${padded.slice(cut)}` : whole;
  return (negative && /[1-9]/.test(text) ? `-${text}` : text) as Decimal;
}
