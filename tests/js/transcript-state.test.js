// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import {
  applyMessage,
  dropUnfinished,
  EMPTY_TRANSCRIPT,
  formatClock,
  plainText,
} from "../../static/transcription/js/transcript-state.js";

/** @param {number} segment @param {string} text @param {string} [stable] @returns {any} */
function partial(segment, text, stable = "") {
  return { type: "partial", segment, text, stable, start_ms: segment * 1000, end_ms: segment * 1000 + 500 };
}

/** @param {number} segment @param {string} text @returns {any} */
function final(segment, text) {
  const times = { start_ms: segment * 1000, end_ms: segment * 1000 + 900 };
  return { type: "final", segment, text, ...times, language: "en", confidence: 0.9, model: "m", words: [] };
}

/** @param {any[]} messages @returns {import("../../static/transcription/js/transcript-state.js").Transcript} */
function transcriptOf(...messages) {
  return messages.reduce(applyMessage, EMPTY_TRANSCRIPT);
}

test("a partial is split into what is stable and what may change", () => {
  const [line] = transcriptOf(partial(0, "the quick brown", "the quick")).lines;
  assert.deepEqual([line.stable, line.unstable, line.isFinal], ["the quick", " brown", false]);
});

test("a later partial replaces the earlier one", () => {
  const transcript = transcriptOf(partial(0, "the quack"), partial(0, "the quick fox"));
  assert.deepEqual(
    transcript.lines.map((line) => line.unstable),
    ["the quick fox"],
  );
});

test("a final replaces the partial of its segment", () => {
  const [line] = transcriptOf(partial(0, "the quick"), final(0, "The quick.")).lines;
  assert.deepEqual([line.stable, line.unstable, line.isFinal], ["The quick.", "", true]);
});

test("a final without text takes the segment back", () => {
  assert.deepEqual(transcriptOf(final(0, "Hello."), partial(1, "um"), final(1, "")).lines.length, 1);
});

test("nothing changes a final, nor brings back a segment that was taken back", () => {
  const transcript = transcriptOf(final(0, "Hello."), final(1, ""));
  const later = [partial(0, "x"), final(0, "y"), partial(1, "z")].reduce(applyMessage, transcript);
  assert.equal(later, transcript);
});

test("lines stand in the order of their segments", () => {
  const transcript = transcriptOf(partial(1, "b"), final(0, "A."), final(2, "C."));
  assert.deepEqual(
    transcript.lines.map((line) => line.segment),
    [0, 1, 2],
  );
});

test("a stable part that is no prefix does not hide text", () => {
  const [line] = transcriptOf(partial(0, "the quick", "a quick")).lines;
  assert.equal(line.stable + line.unstable, "the quick");
});

test("lines that did not change stay the same objects", () => {
  const before = transcriptOf(final(0, "A."));
  assert.equal(applyMessage(before, partial(1, "b")).lines[0], before.lines[0]);
});

test("messages without a segment change nothing", () => {
  assert.equal(applyMessage(EMPTY_TRANSCRIPT, { type: "pong", id: null }), EMPTY_TRANSCRIPT);
});

test("only final text is copied", () => {
  assert.equal(plainText(transcriptOf(final(0, "One."), final(1, "Two."), partial(2, "thr"))), "One.\nTwo.");
});

test("what never became final goes at the end", () => {
  assert.equal(dropUnfinished(transcriptOf(final(0, "One."), partial(1, "tw"))).lines.length, 1);
});

test("times show hours only when there are any", () => {
  assert.deepEqual([0, 61_999, 3_723_000].map(formatClock), ["0:00", "1:01", "1:02:03"]);
});
