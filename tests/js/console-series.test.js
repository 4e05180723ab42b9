// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, written } from "../../static/transcription/js/console/format.js";
import { isEmpty, latest, merged } from "../../static/transcription/js/console/series.js";

/** @param {number[]} atS @param {Record<string, (number | null)[]>} lines @param {string} [range] */
function charts(atS, lines, range = "1h") {
  const drawn = Object.entries(lines).map(([key, values]) => ({ key, values }));
  return { range, step_s: 10, is_whole: false, at_s: atS, charts: [{ key: "final", lines: drawn }], tiles: [] };
}

test("newer points take the place of the same ones, and as many of the oldest go as come", () => {
  const whole = merged(charts([10, 20, 30], { p95: [1, 2, null] }), charts([30, 40], { p95: [3, 4] }));

  assert.deepEqual(whole.at_s, [20, 30, 40]);
  assert.deepEqual(whole.charts[0].lines, [{ key: "p95", values: [2, 3, 4] }]);
});

test("a line that is new begins where it was first seen, and one that is over ends", () => {
  const whole = merged(charts([10, 20], { one: [1, 1] }), charts([30], { two: [2] }));

  assert.deepEqual(whole.charts[0].lines, [
    { key: "one", values: [1, null] },
    { key: "two", values: [null, 2] },
  ]);
});

test("a line of which nothing is left is left out", () => {
  const whole = merged(charts([10, 20], { gone: [1, null] }), charts([30], { there: [2] }));

  assert.deepEqual(
    whole.charts[0].lines.map((line) => line.key),
    ["there"],
  );
});

test("points of another range change nothing", () => {
  const known = charts([10, 20], { p95: [1, 2] });

  assert.equal(merged(known, charts([20], { p95: [9] }, "6h")), known);
  assert.equal(merged(known, charts([], {})), known);
});

test("the latest value is the last one that was measured", () => {
  assert.equal(latest({ key: "p95", values: [1, 2, null] }), 2);
  assert.equal(latest({ key: "p95", values: [null] }), null);
  assert.equal(isEmpty({ key: "final", lines: [{ key: "p95", values: [null, null] }] }), true);
  assert.equal(isEmpty({ key: "final", lines: [{ key: "p95", values: [null, 0] }] }), false);
});

test("numbers are written in units that people read", () => {
  assert.equal(written(0.3215, "s", "en"), "322 ms");
  assert.equal(written(2.5, "s", "en"), "2.5 s");
  assert.equal(written(1_234_567_890, "bytes", "en"), "1.23 GB");
  assert.equal(written(0, "bytes", "en"), "0 B");
  assert.equal(written(0.0734, "ratio", "en"), "7.34 %");
  assert.equal(written(12_345, "count", "en"), "12,345");
  assert.equal(written(null, "count", "en"), "–");
  assert.equal(clock(3723), "1:02:03");
  assert.equal(clock(65.9), "1:05");
});
