// @ts-check
/**
 * What is sent of the audio, and when: keeps it until the server has settled it, sends no more than it was given credit for,
 * and finds the way back to where the server wants to go on. No socket of its own; `send` is handed in.
 */

import { ReplayBuffer } from "./replay-buffer.js";

/** All that is kept, sent or not. 30 s are for what was sent, the rest for what is spoken while the connection is away. */
export const KEPT_S = 60;
/** More in the socket's own queue would only be in the way of pings, and would hold the same audio in memory twice. */
const MAX_QUEUED_S = 4;
const MAX_PACKET_S = 0.5;

/** @type {Record<string, number>} */
const SAMPLE_BYTES = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 };

/** @typedef {import("./replay-buffer.js").Range} Range */
/** @typedef {{bufferedAmount: number, send: (data: DataView<ArrayBuffer>) => void}} Outlet a WebSocket, as seen from here */

export class AudioSender {
  /** @param {Record<string, unknown>} startFields fields of the `start` message that say what the audio is */
  constructor({ encoding = "pcm_s16le", sample_rate = 16000, channels = 1 }) {
    const sampleBytes = SAMPLE_BYTES[String(encoding)];
    if (sampleBytes === undefined) throw new RangeError(`Reliable streams carry bare samples, not ${encoding}.`);
    this.rateHz = Number(sample_rate);
    this.bytesPerSample = sampleBytes * Number(channels);
    this.buffer = new ReplayBuffer({
      bytesPerSample: this.bytesPerSample,
      maxSamples: KEPT_S * this.rateHz,
      maxPacketSamples: MAX_PACKET_S * this.rateHz,
    });
    /** Position of the session's sample 0. */
    this.origin = 0;
    this.next = 0;
    /** Everything before it has arrived. */
    this.received = 0;
    /** What begins before it may be sent. */
    this.limit = 0;
  }

  /** @param {ArrayBuffer | ArrayBufferView} audio @returns {Range | null} what the server will never get because of it */
  push(audio) {
    const dropped = this.buffer.push(audio);
    if (dropped === null || dropped.to <= this.next) return null;
    return { from: Math.max(dropped.from, this.next), to: dropped.to };
  }

  /** The session is open. @param {number} windowMs */
  begin(windowMs) {
    this.buffer.isHeld = false;
    this.limit = this.origin + this.#samples(windowMs);
  }

  /** @param {import("./protocol.js").Ack} ack */
  acked({ received, settled, credit_ms }) {
    this.received = this.origin + received;
    this.limit = this.received + this.#samples(credit_ms);
    this.next = Math.max(this.next, this.received);
    this.buffer.forget(this.origin + settled);
  }

  /** The connection is gone: only what was acknowledged is sure to have arrived. */
  lose() {
    this.next = this.received;
    this.limit = this.next;
    this.buffer.isHeld = false;
  }

  /** The session goes on over another socket. @param {{offset: number, credit_ms: number}} resumed */
  resume({ offset, credit_ms }) {
    this.buffer.isHeld = false;
    this.received = Math.min(this.buffer.end, this.origin + offset);
    this.next = this.received;
    this.limit = this.received + this.#samples(credit_ms);
  }

  /**
   * A new session takes over, with all that is kept from `ms` of the old one on.
   *
   * @param {number} ms in the old session's time
   * @returns {number} where the new one begins, in milliseconds since the first one began
   */
  restart(ms) {
    this.buffer.forget(this.origin + this.#samples(ms));
    this.origin = this.buffer.start;
    this.received = this.origin;
    this.lose();
    return Math.round((this.origin / this.rateHz) * 1000);
  }

  /** Sends what may be sent. @param {Outlet} outlet */
  send(outlet) {
    for (const packet of this.buffer.slice(this.next)) {
      if (packet.start >= this.limit || this.#isFull(outlet)) return;
      this.#put(packet, outlet);
      this.next = packet.end;
    }
  }

  /** Sends [from, to) of the session again, as far as it is still here. @param {Outlet} outlet @param {Range} range */
  sendAgain(outlet, { from, to }) {
    for (const packet of this.buffer.slice(this.origin + from, this.origin + to)) {
      if (this.#isFull(outlet)) return; // the server asks again
      this.#put(packet, outlet);
    }
  }

  get isAllSent() {
    return this.next >= this.buffer.end;
  }

  /** Samples of the session so far: the offset of the next one. */
  get numSamples() {
    return this.buffer.end - this.origin;
  }

  /** Keeps everything until the server has answered. @returns {number} the oldest sample of the session that can still be sent */
  hold() {
    this.buffer.isHeld = true;
    return this.oldest;
  }

  /** The oldest sample of the session that can still be sent. */
  get oldest() {
    return Math.max(0, this.buffer.start - this.origin);
  }

  /** @param {Outlet | null} outlet @returns {number} how far the network is behind the speaker */
  unsentMs(outlet) {
    const numQueued = (outlet?.bufferedAmount ?? 0) / this.bytesPerSample;
    return ((this.buffer.end - this.next + numQueued) / this.rateHz) * 1000;
  }

  /** @param {number} samples @returns {number} milliseconds since the first session began */
  ms(samples) {
    return (samples / this.rateHz) * 1000;
  }

  /** @param {number} ms */
  #samples(ms) {
    return Math.floor((ms * this.rateHz) / 1000);
  }

  /** @param {Outlet} outlet */
  #isFull(outlet) {
    return outlet.bufferedAmount > MAX_QUEUED_S * this.rateHz * this.bytesPerSample;
  }

  /** @param {import("./replay-buffer.js").Packet} packet @param {Outlet} outlet */
  #put(packet, outlet) {
    packet.bytes.setBigUint64(0, BigInt(packet.start - this.origin), true);
    outlet.send(packet.bytes);
  }
}
