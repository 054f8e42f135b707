import { describe, expect, it } from "vitest";
import { difference, OpenOrders } from "../src/orders";
import { order } from "./given";

function given(...orders: ReturnType<typeof order>[]): OpenOrders {
  const open = new OpenOrders();
  open.replace(orders);
  return open;
}

const ids = (orders: OpenOrders) => [...orders.lines().keys()];

describe("OpenOrders", () => {
  it("keeps lines for open orders and drops them for every end", () => {
    for (const end of ["FILLED", "CANCELED", "EXPIRED", "REJECTED"]) {
      const orders = given();
      orders.apply(order("1", "buy", "10"));
      orders.apply(order("1", "buy", "10", "PARTIALLY_FILLED"));
      expect(ids(orders)).toEqual(["1"]);
      orders.apply(order("1", "buy", "10", end));
      expect(ids(orders)).toEqual([]);
    }
  });

  it("forgets what it knew when the array comes, and takes no closed order from it", () => {
    const orders = given(order("1", "buy", "10"), order("2", "sell", "12"));
    orders.replace([order("3", "sell", "13"), order("4", "buy", "9", "CANCELED")]);
    expect(ids(orders)).toEqual(["3"]);
  });

  it("tells ids apart that are the same number to a browser", () => {
    const orders = given(order("9007199254740992", "buy", "10"), order("9007199254740993", "buy", "11"));
    expect(orders.size).toBe(2);
  });

  it("draws no line for an order without a price, but counts it", () => {
    const orders = given(order("1", "buy", "0"));
    expect([orders.size, ids(orders).length]).toEqual([1, 0]);
  });

  it("names a line by its side, and by its size where the daemon says it", () => {
    const lines = given(order("1", "buy", "10"), order("2", "sell", "12", "NEW", "0.050")).lines();
    expect([lines.get("1")?.title, lines.get("2")?.title]).toEqual(["buy", "sell 0.050"]);
  });

  it("orders the ladder from the market outwards and adds up one price", () => {
    const orders = given(
      order("1", "sell", "100.5", "NEW", "0.1"),
      order("2", "sell", "99.5", "NEW", "0.1"),
      order("3", "sell", "99.5", "NEW", "0.2"),
      order("4", "buy", "9"),
      order("5", "buy", "98", "NEW", "1"),
      order("6", "buy", "98"),
    );
    expect(orders.ladder("sell")).toEqual([
      { price: "99.5", amount: "0.3", orders: 2 },
      { price: "100.5", amount: "0.1", orders: 1 },
    ]);
    expect(orders.ladder("buy")).toEqual([
      { price: "98", amount: undefined, orders: 2 },
      { price: "9", amount: undefined, orders: 1 },
    ]);
  });
});

describe("difference", () => {
  it("touches only lines that came, went or moved", () => {
    const before = given(order("1", "buy", "10"), order("2", "buy", "11"), order("3", "sell", "12")).lines();
    const after = given(order("1", "buy", "10"), order("3", "sell", "12.5"), order("4", "sell", "14")).lines();
    const { gone, changed } = difference(before, after);
    expect(gone).toEqual(["2"]);
    expect(changed.map((line) => line.id)).toEqual(["3", "4"]);
  });
});
