import { describe, expect, it } from "vitest";
import { absolute, add, compare, isZero, parseDecimal, readable, scaleOf, signOf } from "../src/decimal";
import { d } from "./given";

describe("parseDecimal", () => {
  it.each([
    ["3012.50", "3012.50"],
    ["-0.010", "-0.010"],
    ["+7", "7"],
    ["007.5", "7.5"],
    ["5.", "5"],
    ["0E-8", "0.00000000"],
    ["1.5e3", "1500"],
    ["25E-4", "0.0025"],
    ["-0.00", "0.00"],
    ["123456789012345678.123456789012345678", "123456789012345678.123456789012345678"],
  ])("reads %s as %s", (text, plain) => {
    expect(parseDecimal(text)).toBe(plain);
  });

  it.each(["", "-", ".5", "1,000", "0x10", "NaN", "Infinity", "1e999", " 1", "9".repeat(61), 12, null, undefined, {}])(
    "refuses %j",
    (text) => {
      expect(parseDecimal(text)).toBeUndefined();
    },
  );
});

describe("arithmetic", () => {
  it("adds what floats get wrong", () => {
    expect(add(d("0.1"), d("0.2"))).toBe("0.3");
    expect(add(d("9007199254740993"), d("0.00000001"))).toBe("9007199254740993.00000001");
    expect(add(d("-1.5"), d("0.25"))).toBe("-1.25");
    expect(add(d("-0.5"), d("0.50"))).toBe("0.00");
  });

  it("compares by value, not by text", () => {
    expect(compare(d("10"), d("9.99"))).toBe(1);
    expect(compare(d("1.0"), d("1.000"))).toBe(0);
    expect(compare(d("-2"), d("-1"))).toBe(-1);
    expect(compare(d("0.1"), d("0.10000000000000000001"))).toBe(-1);
  });

  it("knows signs", () => {
    expect([signOf(d("-0.1")), signOf(d("0.00")), signOf(d("3"))]).toEqual([-1, 0, 1]);
    expect(isZero(d("0.000"))).toBe(true);
    expect(absolute(d("-0.1"))).toBe("0.1");
    expect([scaleOf(d("5")), scaleOf(d("5.010"))]).toEqual([0, 3]);
  });
});

describe("readable", () => {
  it.each([
    ["1234567.8900", Number.POSITIVE_INFINITY, "1,234,567.8900"],
    ["1234567.8900", 2, "1,234,567.89"],
    ["10000.00000000", 2, "10,000.00"],
    ["0.050", 0, "0.05"],
    ["12.000", 0, "12"],
    ["-1234.5", 2, "−1,234.5"],
    ["999", 2, "999"],
    ["0.12345678", 2, "0.12345678"],
  ])("shows %s with at least %d decimals as %s", (text, keep, shown) => {
    expect(readable(d(text), keep)).toBe(shown);
  });
});
