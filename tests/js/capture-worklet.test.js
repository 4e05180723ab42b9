// @ts-check
import assert from "node:assert/strict";
import test from "node:test";

const RATE_HZ = 48000;
const BLOCK_SAMPLES = 960;

/** @type {any} */
let Processor;

/** The page's end of the worklet's port: keeps what was handed over. */
class FakePort {
  /** @type {{block?: Float32Array, numSamples?: number, stopped?: boolean}[]} */
  posted = [];
  onmessage = (/** @type {{data: unknown}} */ _event) => {};

  /** @param {any} message @param {ArrayBuffer[]} transfer */
  postMessage(message, transfer = []) {
    this.posted.push(structuredClone(message, { transfer }));
  }
}

Object.assign(globalThis, {
  sampleRate: RATE_HZ,
  AudioWorkletProcessor: class {
    port = new FakePort();
  },
  registerProcessor: (/** @type {string} */ _name, /** @type {unknown} */ processor) => {
    Processor = processor;
  },
});
await import("../../static/transcription/js/capture-worklet.js");

/** @param {any} processor @param {number} numCalls @param {(n: number) => number[]} channelsAt */
function feed(processor, numCalls, channelsAt) {
  for (let call = 0; call < numCalls; call += 1) {
    const samples = Array.from({ length: 128 }, (_, index) => channelsAt(call * 128 + index));
    const channels = samples[0].map((_, channel) => Float32Array.from(samples, (sample) => sample[channel]));
    processor.process([channels]);
  }
}

/** @param {any} processor @returns {number[]} */
function handedOver(processor) {
  return processor.port.posted.flatMap((/** @type {any} */ { block, numSamples }) => [...(block ?? []).slice(0, numSamples)]);
}

test("blocks of 20 ms are handed over, in order and without a hole", () => {
  const processor = new Processor();
  feed(processor, 15, (n) => [n]);
  assert.deepEqual(handedOver(processor), [...Array(2 * BLOCK_SAMPLES).keys()]);
});

test("stopping hands over the rest and says that nothing follows", () => {
  const processor = new Processor();
  feed(processor, 10, (n) => [n]);
  processor.port.onmessage({ data: "stop" });
  assert.deepEqual(handedOver(processor), [...Array(1280).keys()]);
  assert.deepEqual(processor.port.posted.at(-1), { stopped: true });
  assert.equal(processor.process([[new Float32Array(128)]]), false);
});

test("two channels become their mean", () => {
  const processor = new Processor();
  feed(processor, 8, () => [0.5, 0.25]);
  assert.ok(handedOver(processor).every((sample) => sample === 0.375));
});

test("an input without channels, as after an unplugged device, adds nothing", () => {
  const processor = new Processor();
  assert.equal(processor.process([[]]), true);
  assert.deepEqual(handedOver(processor), []);
});

test("a page that gives no buffers back loses nothing", () => {
  const processor = new Processor();
  feed(processor, 150, (n) => [n]);
  assert.equal(handedOver(processor).length, 150 * 128);
});

test("returned buffers are used again instead of new ones", () => {
  const processor = new Processor();
  const returned = new Float32Array(BLOCK_SAMPLES);
  processor.port.onmessage({ data: returned });
  feed(processor, 8, () => [0]);
  assert.equal(processor.block, returned);
});
