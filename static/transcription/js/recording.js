// @ts-check
/**
 * One recording: a source of blocks (microphone or file), the encoder and the stream, joined. Knows nothing of the page;
 * what happens is told through handlers.
 */

import { FrameEncoder, measureLevel, SilenceWatch, TARGET_RATE_HZ } from "./pcm.js";
import { StreamClient } from "./stream-client.js";

const BYTES_PER_SAMPLE = 2;

/** @typedef {import("./stream-client.js").StreamState} StreamState */
/** @typedef {import("./stream-client.js").Failure} Failure */

/**
 * @typedef {object} Source
 * @property {number} sampleRateHz known after `open`
 * @property {() => Promise<void>} open
 * @property {() => void} start
 * @property {() => Promise<void>} stop hands over what it still holds
 * @property {() => Promise<void>} close
 */

/**
 * @typedef {object} RecordingHandlers
 * @property {(state: StreamState, failure: Failure | null) => void} onState
 * @property {(message: import("./protocol.js").ServerMessage) => void} onMessage
 * @property {(isSlow: boolean) => void} onSlow
 * @property {(fromMs: number, toMs: number) => void} onDropped
 * @property {(level: {rms: number, peak: number}, health: "ok" | "quiet" | "dead") => void} onLevel
 */

/**
 * @typedef {object} RecordingOptions
 * @property {string} url of the stream
 * @property {(handlers: import("./microphone.js").SourceHandlers) => Source} makeSource
 * @property {RecordingHandlers} handlers
 */

export class Recording {
  /** @param {RecordingOptions} options */
  constructor({ url, makeSource, handlers }) {
    this.handlers = handlers;
    this.numSentBytes = 0;
    this.isStopped = false;
    this.source = makeSource({
      onBlock: (block) => this.#send(block),
      onLost: (reason) => this.#lost(reason),
    });
    this.client = new StreamClient({
      url,
      onState: (state, failure) => this.#changed(state, failure),
      onMessage: handlers.onMessage,
      onSlow: handlers.onSlow,
      onDropped: handlers.onDropped,
    });
  }

  get sentMs() {
    return (this.numSentBytes / BYTES_PER_SAMPLE / TARGET_RATE_HZ) * 1000;
  }

  get isBackedUp() {
    return this.client.isBackedUp;
  }

  /**
   * Opens the source, then the stream.
   *
   * @param {Record<string, unknown>} startFields fields of the `start` message
   * @throws {import("./microphone.js").SourceError} the source cannot be opened; nothing was sent then
   */
  async start(startFields) {
    await this.source.open();
    if (this.isStopped) {
      await this.source.close();
      return;
    }
    this.encoder = new FrameEncoder(this.source.sampleRateHz);
    this.watch = new SilenceWatch(this.source.sampleRateHz);
    this.client.open(startFields);
    this.source.start();
  }

  /** Sends what was said until now and asks for the last words. */
  async stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    if (this.encoder === undefined) return;
    await this.source.stop();
    for (const frame of this.encoder.flush()) this.#sendFrame(frame);
    this.client.end();
  }

  /** @param {Float32Array} block */
  #send(block) {
    const level = measureLevel(block);
    this.handlers.onLevel(level, this.watch?.push(level.peak, block.length) ?? "ok");
    for (const frame of this.encoder?.push(block) ?? []) this.#sendFrame(frame);
  }

  /** @param {ArrayBuffer} frame */
  #sendFrame(frame) {
    this.client.sendAudio(frame);
    this.numSentBytes += frame.byteLength;
  }

  /** The source broke off: what it gave is kept, the stream ends properly, and the page is told why. @param {string} reason */
  async #lost(reason) {
    this.lostReason = reason;
    await this.stop();
  }

  /** @param {StreamState} state @param {Failure | null} failure */
  #changed(state, failure) {
    if (state === "failed") {
      this.isStopped = true;
      this.source.close();
    }
    if (state === "idle" && this.lostReason !== undefined) {
      this.handlers.onState("failed", { reason: this.lostReason, message: "" });
      return;
    }
    this.handlers.onState(state, failure);
  }
}
