// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import { Heartbeat, PING_EVERY_MS } from "../../static/transcription/js/heartbeat.js";

/** Looks every second. @param {Heartbeat} heartbeat @param {number} fromMs @param {number} toMs */
function lookEachSecond(heartbeat, fromMs, toMs) {
  for (let now = fromMs; now <= toMs; now += 1000) {
    const verdict = heartbeat.look(now);
    if (verdict === "dead") return { verdict, now };
  }
  return { verdict: "alive", now: toMs };
}

test("it asks every ten seconds", () => {
  const heartbeat = new Heartbeat(0);
  const asked = [];
  for (let now = 1000; now <= 30000; now += 1000) {
    if (heartbeat.look(now) === "ping") asked.push(now);
    heartbeat.heard(now);
  }
  assert.deepEqual(asked, [PING_EVERY_MS, 2 * PING_EVERY_MS, 3 * PING_EVERY_MS]);
});

for (const cutMs of [0, 1000, 5000, 9000, 9999]) {
  test(`a connection that died at ${cutMs} ms is noticed within 25 s`, () => {
    const heartbeat = new Heartbeat(0);
    for (let now = 0; now <= cutMs; now += 100) heartbeat.heard(now);
    const { verdict, now } = lookEachSecond(heartbeat, 1000, 60000);
    assert.equal(verdict, "dead");
    assert.ok(now - cutMs <= 25000, `${now}`);
  });
}

test("an answer to the question keeps it alive however quiet it is otherwise", () => {
  const heartbeat = new Heartbeat(0);
  for (let now = 1000; now < 300000; now += 1000) {
    const verdict = heartbeat.look(now);
    assert.notEqual(verdict, "dead");
    if (verdict === "ping") heartbeat.heard(now + 50);
  }
});

test("timers that run once a minute do not make a living server dead", () => {
  const heartbeat = new Heartbeat(0);
  for (let now = 60000; now < 3600000; now += 60000) {
    assert.equal(heartbeat.look(now), "ping");
    heartbeat.heard(now + 80);
  }
});

test("after a sleep it asks before it judges, for the answer may lie unread", () => {
  const heartbeat = new Heartbeat(0);
  assert.equal(heartbeat.look(PING_EVERY_MS), "ping");
  assert.equal(heartbeat.look(600000), "ping");
  heartbeat.heard(600020);
  assert.equal(heartbeat.look(601000), "fine");
});

test("a server that is gone is noticed even where timers run once a minute", () => {
  const heartbeat = new Heartbeat(0);
  const verdicts = [60000, 120000, 180000].map((now) => heartbeat.look(now));
  assert.deepEqual(verdicts, ["ping", "ping", "dead"]);
});
