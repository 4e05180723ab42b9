// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import { Absence, Backoff, FIRST_MS, LONGEST_MS, STEADY_MS, TRY_TIMEOUT_MS } from "../../static/transcription/js/backoff.js";

test("each wait may be longer than the one before, up to the longest", () => {
  const backoff = new Backoff(() => 0.999999);
  const waits = Array.from({ length: 8 }, () => Math.round(backoff.next()));
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]);
});

test("chance decides between the shortest and the longest, so that clients do not come all at once", () => {
  const chances = [0, 0.25, 0.5, 0.75];
  const waits = chances.map((chance) => {
    const backoff = new Backoff(() => chance);
    backoff.next();
    return backoff.next();
  });
  assert.equal(new Set(waits).size, chances.length);
  for (const wait of waits) assert.ok(wait >= FIRST_MS && wait <= LONGEST_MS);
});

test("a connection that lasts makes the next loss a new one", () => {
  const absence = new Absence(() => 1);
  const first = absence.begin(0);
  absence.begin(1000);
  absence.back(2000);
  absence.look(2001 + STEADY_MS);
  assert.equal(absence.begin(20000), first);
});

test("one that breaks at once does not: the waits go on growing and the clock runs on", () => {
  const absence = new Absence(() => 1);
  absence.withinMs = 10000;
  const first = absence.begin(0);
  absence.back(1000);
  absence.look(2000);
  assert.ok(absence.begin(2000) > first);
  assert.equal(absence.look(10001), "over");
});

test("a try comes when its time has come, and is stuck when nobody answers", () => {
  const absence = new Absence(() => 0);
  absence.begin(0);
  assert.equal(absence.look(FIRST_MS - 1), "wait");
  assert.equal(absence.look(FIRST_MS), "try");
  absence.tried(FIRST_MS);
  assert.equal(absence.look(FIRST_MS + TRY_TIMEOUT_MS), "wait");
  assert.equal(absence.look(FIRST_MS + TRY_TIMEOUT_MS + 1), "stuck");
});

test("a server that names a time is asked then", () => {
  const absence = new Absence(() => 0);
  absence.begin(0, 3000);
  assert.equal(absence.look(2999), "wait");
  assert.equal(absence.look(3000), "try");
});
