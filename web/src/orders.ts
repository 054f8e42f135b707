// Open orders by id, and which lines of the chart have to change.

import { add, compare, type Decimal, isZero } from "./decimal";
import { OPEN_STATUSES, type Order, type Side } from "./frames";

export interface OrderLine {
  readonly id: string;
  readonly side: Side;
  readonly price: Decimal;
  readonly title: string;
}

export class OpenOrders {
  #byId = new Map<string, Order>();

  get size(): number {
    return this.#byId.size;
  }

  /** The array on (re)connect: what was known before no longer counts. */
  replace(orders: readonly Order[]): void {
    this.#byId = new Map(orders.filter(isOpen).map((order) => [order.id, order]));
  }

  apply(order: Order): void {
    if (isOpen(order)) this.#byId.set(order.id, order);
    else this.#byId.delete(order.id);
  }

  /** Lines to draw. An order without a price (a market order) has none. */
  lines(): ReadonlyMap<string, OrderLine> {
    const lines = new Map<string, OrderLine>();
    for (const order of this.#byId.values()) {
      if (!isZero(order.price)) lines.set(order.id, line(order));
    }
    return lines;
  }

  /** One side's price levels, nearest to the market first. */
  ladder(side: Side): readonly Level[] {
    const levels = new Map<string, Level>();
    for (const order of this.#byId.values()) {
      if (order.side !== side || isZero(order.price)) continue;
      const known = levels.get(order.price);
      levels.set(order.price, { price: order.price, amount: sum(known, order), orders: (known?.orders ?? 0) + 1 });
    }
    const away = side === "sell" ? 1 : -1;
    return [...levels.values()].sort((a, b) => away * compare(a.price, b.price));
  }
}

export interface Level {
  readonly price: Decimal;
  readonly amount: Decimal | undefined;
  readonly orders: number;
}

/** What turns the drawn lines into the wanted ones, touching none that stays the same. */
export function difference(
  drawn: ReadonlyMap<string, OrderLine>,
  wanted: ReadonlyMap<string, OrderLine>,
): { readonly gone: readonly string[]; readonly changed: readonly OrderLine[] } {
  return {
    gone: [...drawn.keys()].filter((id) => !wanted.has(id)),
    changed: [...wanted.values()].filter((now) => !isSame(drawn.get(now.id), now)),
  };
}

function isOpen(order: Order): boolean {
  return OPEN_STATUSES.has(order.status);
}

function line(order: Order): OrderLine {
  const { id, side, price, amount } = order;
  return { id, side, price, title: amount === undefined ? side : `${side} ${amount}` };
}

function sum(known: Level | undefined, order: Order): Decimal | undefined {
  if (known === undefined) return order.amount;
  return known.amount === undefined || order.amount === undefined ? undefined : add(known.amount, order.amount);
}

function isSame(left: OrderLine | undefined, right: OrderLine): boolean {
  return left?.price === right.price && left.side === right.side && left.title === right.title;
}
