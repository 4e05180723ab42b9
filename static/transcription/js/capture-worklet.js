// @ts-check
/// <reference path="./worklet-globals.d.ts" />
/**
 * The audio thread's part: mixes each block to mono, collects blocks of about 20 ms and hands them to the page. It
 * imports nothing and decides nothing. Buffers travel back and forth, so that none is allocated per block.
 */

const BLOCK_S = 0.02;
const NUM_SPARE_BUFFERS = 8;

class CaptureProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.numSamples = Math.round(sampleRate * BLOCK_S);
    this.spares = Array.from({ length: NUM_SPARE_BUFFERS }, () => this.newBuffer());
    this.block = this.newBuffer();
    this.numFilled = 0;
    this.isRunning = true;
    this.port.onmessage = (/** @type {MessageEvent} */ event) => this.receive(event.data);
  }

  /** @returns {Float32Array<ArrayBuffer>} */
  newBuffer() {
    return new Float32Array(this.numSamples);
  }

  /** Message from the page: a buffer that it is done with, or "stop". @param {Float32Array<ArrayBuffer> | "stop"} message */
  receive(message) {
    if (message !== "stop") {
      this.spares.push(message);
      return;
    }
    this.isRunning = false;
    this.hand();
    this.port.postMessage({ stopped: true });
  }

  hand() {
    const { block, numFilled } = this;
    // The page may be busy and have all spares: an allocation is then better than a hole in the speech.
    this.block = this.spares.pop() ?? this.newBuffer();
    this.numFilled = 0;
    this.port.postMessage({ block, numSamples: numFilled }, [block.buffer]);
  }

  /** Called by the audio thread with 128 samples a channel. @param {Float32Array[][]} inputs */
  process(inputs) {
    const channels = inputs[0];
    if (!this.isRunning) return false;
    const numSamples = channels.length === 0 ? 0 : channels[0].length;
    for (let index = 0; index < numSamples; index += 1) {
      let sum = 0;
      for (let channel = 0; channel < channels.length; channel += 1) sum += channels[channel][index];
      this.block[this.numFilled] = sum / channels.length;
      this.numFilled += 1;
      if (this.numFilled === this.numSamples) this.hand();
    }
    return true;
  }
}

registerProcessor("capture", CaptureProcessor);
