// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import { HEADER_BYTES, ReplayBuffer } from "../../static/transcription/js/replay-buffer.js";

const LIMITS = { bytesPerSample: 2, maxSamples: 10, maxPacketSamples: 4 };

/** @param {...number} samples */
function pcm(...samples) {
  return new Int16Array(samples).buffer;
}

/** @param {import("../../static/transcription/js/replay-buffer.js").Packet[]} packets */
function samplesOf(packets) {
  return packets.flatMap(({ bytes }) => [...new Int16Array(bytes.buffer.slice(HEADER_BYTES))]);
}

test("what was pushed comes back in order, each packet knowing where it begins and ends", () => {
  const buffer = new ReplayBuffer(LIMITS);
  buffer.push(pcm(1, 2, 3));
  buffer.push(pcm(4));
  assert.deepEqual(
    buffer.slice(0).map(({ start, end }) => [start, end]),
    [
      [0, 3],
      [3, 4],
    ],
  );
  assert.deepEqual(samplesOf(buffer.slice(0)), [1, 2, 3, 4]);
});

test("a part of a larger array is taken, not the array around it", () => {
  const buffer = new ReplayBuffer(LIMITS);
  buffer.push(new Int16Array([7, 8, 9]).subarray(1, 3));
  assert.deepEqual(samplesOf(buffer.slice(0)), [8, 9]);
});

test("what the caller does to its array afterwards changes nothing", () => {
  const buffer = new ReplayBuffer(LIMITS);
  const audio = new Int16Array([5]);
  buffer.push(audio);
  audio[0] = 6;
  assert.deepEqual(samplesOf(buffer.slice(0)), [5]);
});

test("long audio is cut into packets", () => {
  const buffer = new ReplayBuffer(LIMITS);
  buffer.push(pcm(1, 2, 3, 4, 5, 6));
  assert.deepEqual(
    buffer.slice(0).map(({ start }) => start),
    [0, 4],
  );
});

test("a range finds every packet that holds something of it, and no other", () => {
  const buffer = new ReplayBuffer(LIMITS);
  for (const sample of [1, 2, 3]) buffer.push(pcm(sample, sample));
  assert.deepEqual(samplesOf(buffer.slice(2, 4)), [2, 2]);
  assert.deepEqual(samplesOf(buffer.slice(3, 5)), [2, 2, 3, 3]);
});

test("forgetting is exact to the sample", () => {
  const buffer = new ReplayBuffer(LIMITS);
  buffer.push(pcm(1, 2, 3, 4));
  buffer.push(pcm(5));
  buffer.forget(3);
  assert.equal(buffer.start, 3);
  assert.deepEqual(samplesOf(buffer.slice(0)), [4, 5]);
});

test("positions go on when everything was forgotten", () => {
  const buffer = new ReplayBuffer(LIMITS);
  buffer.push(pcm(1, 2));
  buffer.forget(2);
  assert.deepEqual([buffer.start, buffer.end], [2, 2]);
  buffer.push(pcm(3));
  assert.deepEqual([buffer.start, buffer.end], [2, 3]);
});

test("what is beyond the limit is dropped oldest first, and told", () => {
  const buffer = new ReplayBuffer(LIMITS);
  assert.equal(buffer.push(pcm(1, 2, 3, 4)), null);
  assert.equal(buffer.push(pcm(5, 6, 7, 8)), null);
  assert.deepEqual(buffer.push(pcm(9, 10, 11)), { from: 0, to: 4 });
  assert.deepEqual(samplesOf(buffer.slice(0)), [5, 6, 7, 8, 9, 10, 11]);
});

test("audio that holds half a sample is refused", () => {
  const buffer = new ReplayBuffer(LIMITS);
  assert.throws(() => buffer.push(new ArrayBuffer(3)), /no whole number/);
});
