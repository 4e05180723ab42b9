// @ts-check
/** An audio file as a source of blocks at the pace of speech, as if somebody read it aloud. */

import { SourceError } from "./microphone.js";
import { TARGET_RATE_HZ } from "./pcm.js";

const MAX_FILE_BYTES = 500 * 1024 * 1024;
const TICK_MS = 50;

/** @typedef {import("./microphone.js").SourceHandlers} SourceHandlers */

/**
 * @param {File} file
 * @returns {Promise<AudioBuffer>} at 16 kHz
 */
async function decode(file) {
  if (file.size > MAX_FILE_BYTES) throw new SourceError("file_too_large");
  if (typeof OfflineAudioContext === "undefined") throw new SourceError("unsupported_browser");
  const context = new OfflineAudioContext(1, 1, TARGET_RATE_HZ);
  try {
    return await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new SourceError("file_not_audio", error);
  }
}

/** @param {AudioBuffer} buffer @returns {Float32Array} the mean of all channels */
export function mixToMono(buffer) {
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    const samples = buffer.getChannelData(channel);
    for (let index = 0; index < mono.length; index += 1) mono[index] += samples[index] / buffer.numberOfChannels;
  }
  return mono;
}

/**
 * @typedef {object} FileHandlers
 * @property {(playedS: number, totalS: number) => void} onProgress
 * @property {() => void} onEnd
 * @property {() => boolean} isBackedUp whether the network asks us to wait
 */

export class AudioFile {
  /** @param {File} file @param {SourceHandlers & FileHandlers} handlers */
  constructor(file, handlers) {
    this.file = file;
    this.handlers = handlers;
    /** @type {Float32Array} */
    this.audio = new Float32Array(0);
    this.sampleRateHz = TARGET_RATE_HZ;
    this.numPlayed = 0;
  }

  async open() {
    const buffer = await decode(this.file);
    if (buffer.length === 0) throw new SourceError("file_not_audio");
    this.sampleRateHz = buffer.sampleRate;
    this.audio = mixToMono(buffer);
  }

  start() {
    this.tickedAt = performance.now();
    this.owedSamples = 0;
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  async stop() {
    clearInterval(this.timer);
  }

  async close() {
    clearInterval(this.timer);
  }

  /** Paced by the clock, not by counting ticks: a page in the background ticks only once a second. */
  #tick() {
    const now = performance.now();
    const elapsedS = (now - (this.tickedAt ?? now)) / 1000;
    this.tickedAt = now;
    if (this.handlers.isBackedUp()) return;
    this.owedSamples = (this.owedSamples ?? 0) + elapsedS * this.sampleRateHz;
    this.#play(Math.floor(this.owedSamples));
  }

  /** @param {number} numSamples */
  #play(numSamples) {
    const block = this.audio.subarray(this.numPlayed, this.numPlayed + numSamples);
    this.owedSamples = (this.owedSamples ?? 0) - numSamples;
    this.numPlayed += block.length;
    this.handlers.onBlock(block);
    this.handlers.onProgress(this.numPlayed / this.sampleRateHz, this.audio.length / this.sampleRateHz);
    if (this.numPlayed < this.audio.length) return;
    clearInterval(this.timer);
    this.handlers.onEnd();
  }
}
