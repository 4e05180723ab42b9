// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import { Continuity } from "../../static/transcription/js/continuity.js";
import { final, READY } from "./played-server.js";

/** @param {Continuity} continuity @param {object} message @returns {any} */
function take(continuity, message) {
  return continuity.take(/** @type {any} */ (message));
}

test("a session begins with start and is taken up again with what is missing of it", () => {
  const continuity = new Continuity({ language: "zh" });
  assert.deepEqual(continuity.greeting(0), ["start", { language: "zh" }]);
  continuity.opened(/** @type {any} */ (READY));
  take(continuity, final(0, "Hello.", 2000));
  assert.deepEqual(continuity.greeting(4800), ["resume", { session: "s1", token: "t1", next_segment: 1, oldest: 4800 }]);
});

test("a final that is known already is dropped by its number, and so is a partial of it", () => {
  const continuity = new Continuity({});
  assert.notEqual(take(continuity, final(0, "Hello.")), null);
  assert.equal(take(continuity, final(0, "Hello.")), null);
  assert.equal(take(continuity, { type: "partial", segment: 0, text: "Hel" }), null);
  assert.notEqual(take(continuity, { type: "partial", segment: 1, text: "World" }), null);
});

test("a gap is told once", () => {
  const continuity = new Continuity({});
  const gap = { type: "gap", from_ms: 1000, to_ms: 2000, reason: "lost" };
  assert.deepEqual(take(continuity, gap), gap);
  assert.equal(take(continuity, gap), null);
});

test("a session that takes over counts on from the one before, in numbers and in time", () => {
  const continuity = new Continuity({ metadata: { room: "B" } });
  continuity.opened(/** @type {any} */ (READY));
  take(continuity, final(0, "One.", 2000));
  take(continuity, { type: "partial", segment: 1, text: "Tw" });
  continuity.restart(2500);
  assert.deepEqual(continuity.greeting(0), ["start", { metadata: { room: "B", continues: "s1" } }]);
  const words = [{ text: "Two.", start_ms: 100, end_ms: 300, confidence: 1 }];
  const moved = take(continuity, { ...final(0, "Two.", 1000), words });
  assert.deepEqual([moved.segment, moved.start_ms, moved.end_ms], [1, 2500, 3500]);
  assert.deepEqual(moved.words[0], { text: "Two.", start_ms: 2600, end_ms: 2800, confidence: 1 });
  const changed = { type: "model_changed", model: "other", from_segment: 1 };
  assert.deepEqual(take(continuity, changed), { ...changed, from_segment: 2 });
});

test("a server that gives no token cannot be asked to go on", () => {
  const continuity = new Continuity({});
  continuity.opened(/** @type {any} */ ({ ...READY, resume_token: null }));
  assert.equal(continuity.canReturn, false);
  assert.equal(continuity.greeting(0)[0], "start");
});
