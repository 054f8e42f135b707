import { expect, it } from "vitest";
import { labelled, openFor } from "../src/scale";

it("opens the scale for the nearest lines only", () => {
  const { min, max } = openFor({ min: 100, max: 110 }, [98, 112, 96, 200, 1]);
  expect([min, max]).toEqual([96, 112]);
});

it("leaves the scale alone without lines, and with lines inside", () => {
  expect(openFor({ min: 100, max: 110 }, [])).toEqual({ min: 100, max: 110 });
  expect(openFor({ min: 100, max: 110 }, [105])).toEqual({ min: 100, max: 110 });
});

it("shows near lines even when the market does not move", () => {
  expect(openFor({ min: 1_000, max: 1_000 }, [999.5, 1_000.5, 1_500])).toEqual({ min: 999.5, max: 1_000.5 });
});

it("labels the nearest lines on each side of the market", () => {
  const lines = [90, 95, 99, 101, 105, 120].map((price) => ({ id: String(price), price }));
  expect([...labelled(lines, 100, 2)].sort()).toEqual(["101", "105", "95", "99"]);
  expect([...labelled(lines, 89, 2)].sort()).toEqual(["90", "95"]);
});
