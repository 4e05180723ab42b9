// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import { AudioSender, KEPT_S } from "../../static/transcription/js/audio-sender.js";
import { FRAME, FRAME_SAMPLES } from "./played-server.js";

/** Where packets go: only their offsets are kept. */
class FakeOutlet {
  bufferedAmount = 0;
  /** @type {number[]} */
  offsets = [];

  /** @param {DataView} packet */
  send(packet) {
    this.offsets.push(Number(packet.getBigUint64(0, true)));
  }
}

/** @param {number} numFrames @param {Record<string, unknown>} [startFields] */
function senderWith(numFrames, startFields = {}) {
  const sender = new AudioSender(startFields);
  for (let number = 0; number < numFrames; number += 1) sender.push(FRAME);
  return { sender, outlet: new FakeOutlet() };
}

/** @param {number} received @param {number} settled @param {number} creditMs @returns {any} */
function ack(received, settled, creditMs) {
  return { type: "ack", received, settled, credit_ms: creditMs };
}

test("each packet carries the offset of its first sample", () => {
  const { sender, outlet } = senderWith(3);
  sender.begin(60000);
  sender.send(outlet);
  assert.deepEqual(outlet.offsets, [0, FRAME_SAMPLES, 2 * FRAME_SAMPLES]);
});

test("offsets count the samples of one channel, whatever the encoding", () => {
  const { sender, outlet } = senderWith(2, { encoding: "pcm_f32le", channels: 2, sample_rate: 48000 });
  sender.begin(60000);
  sender.send(outlet);
  assert.deepEqual(outlet.offsets, [0, FRAME.byteLength / 8]);
});

test("nothing is sent without credit", () => {
  const { sender, outlet } = senderWith(3);
  sender.send(outlet);
  assert.deepEqual(outlet.offsets, []);
});

test("sending stops when the credit is used up and goes on with the next ack", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(300);
  sender.send(outlet);
  assert.equal(outlet.offsets.length, 3);
  sender.acked(ack(2 * FRAME_SAMPLES, 0, 300));
  sender.send(outlet);
  assert.equal(outlet.offsets.length, 5);
});

test("a socket that is full is not filled further", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(60000);
  outlet.bufferedAmount = 1000000;
  sender.send(outlet);
  assert.deepEqual(outlet.offsets, []);
  outlet.bufferedAmount = 0;
  sender.send(outlet);
  assert.equal(outlet.offsets.length, 10);
});

test("only what is settled is forgotten, not what has merely arrived", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(60000);
  sender.send(outlet);
  sender.acked(ack(8 * FRAME_SAMPLES, 5 * FRAME_SAMPLES, 60000));
  assert.equal(sender.oldest, 5 * FRAME_SAMPLES);
});

test("after a loss the server says where it wants to go on, and gets it from there", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(60000);
  sender.send(outlet);
  sender.lose();
  outlet.offsets = [];
  sender.resume({ offset: 7 * FRAME_SAMPLES + 3, credit_ms: 60000 });
  sender.send(outlet);
  assert.deepEqual(
    outlet.offsets,
    [7, 8, 9].map((number) => number * FRAME_SAMPLES),
  );
});

test("what is asked for again is sent again, and nothing else", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(60000);
  sender.send(outlet);
  outlet.offsets = [];
  sender.sendAgain(/** @type {any} */ (outlet), { from: 2 * FRAME_SAMPLES, to: 4 * FRAME_SAMPLES });
  assert.deepEqual(outlet.offsets, [2 * FRAME_SAMPLES, 3 * FRAME_SAMPLES]);
  sender.send(outlet);
  assert.equal(outlet.offsets.length, 2);
});

test("at most a minute is kept, and what the server never gets because of it is told", () => {
  const { sender } = senderWith(KEPT_S * 10);
  assert.deepEqual(sender.push(FRAME), { from: 0, to: FRAME_SAMPLES });
  assert.equal(sender.oldest, FRAME_SAMPLES);
});

test("to drop what has arrived is no loss to tell of", () => {
  const { sender, outlet } = senderWith(KEPT_S * 10);
  sender.begin(60000);
  sender.send(outlet);
  sender.acked(ack(KEPT_S * 16000, 0, 60000));
  assert.equal(sender.push(FRAME), null);
});

test("a new session gets what is kept, counted from zero", () => {
  const { sender, outlet } = senderWith(10);
  sender.begin(60000);
  sender.send(outlet);
  outlet.offsets = [];
  assert.equal(sender.restart(250), 250);
  sender.begin(60000);
  sender.send(outlet);
  assert.deepEqual(outlet.offsets.slice(0, 3), [0, FRAME_SAMPLES / 2, FRAME_SAMPLES * 1.5]);
  assert.equal(sender.numSamples, 7.5 * FRAME_SAMPLES);
});

test("a backlog counts what waits here and what waits in the socket", () => {
  const { sender, outlet } = senderWith(10);
  assert.equal(sender.unsentMs(null), 1000);
  sender.begin(60000);
  sender.send(outlet);
  outlet.bufferedAmount = 3200;
  assert.equal(sender.unsentMs(outlet), 100);
});

test("files with a header cannot be sent reliably", () => {
  assert.throws(() => new AudioSender({ encoding: "webm" }), /bare samples/);
});
