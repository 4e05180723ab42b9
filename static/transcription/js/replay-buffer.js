// @ts-check
/**
 * Audio that may have to be sent again: packets as they go over the wire, oldest first. Pure; positions are samples of one
 * channel since the buffer was made, whatever sessions carried them.
 */

/** What stands before the audio in a packet: its sample offset, 64 bits, little-endian. */
export const HEADER_BYTES = 8;

/** @typedef {{start: number, end: number, bytes: DataView<ArrayBuffer>}} Packet */
/** @typedef {{from: number, to: number}} Range [from, to) in samples */

export class ReplayBuffer {
  /**
   * @param {object} limits
   * @param {number} limits.bytesPerSample of all channels together
   * @param {number} limits.maxSamples what is beyond is dropped, oldest first
   * @param {number} limits.maxPacketSamples longer audio is cut up
   */
  constructor({ bytesPerSample, maxSamples, maxPacketSamples }) {
    this.bytesPerSample = bytesPerSample;
    this.maxSamples = maxSamples;
    this.maxPacketSamples = maxPacketSamples;
    /** @type {Packet[]} */
    this.packets = [];
    this.end = 0;
    /** While it is, nothing is dropped. */
    this.isHeld = false;
  }

  /** The oldest sample that is still here; `end` when there is none. */
  get start() {
    return this.packets.length === 0 ? this.end : this.packets[0].start;
  }

  /**
   * Keeps a copy of `audio`, the only one that is made.
   *
   * @param {ArrayBuffer | ArrayBufferView} audio whole samples
   * @returns {Range | null} what had to be dropped for it
   */
  push(audio) {
    const bytes = ArrayBuffer.isView(audio)
      ? new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength)
      : new Uint8Array(audio);
    if (bytes.length % this.bytesPerSample !== 0) {
      throw new RangeError(`A frame of ${bytes.length} bytes holds no whole number of ${this.bytesPerSample}-byte samples.`);
    }
    const maxBytes = this.maxPacketSamples * this.bytesPerSample;
    for (let at = 0; at < bytes.length; at += maxBytes) this.#append(bytes.subarray(at, at + maxBytes));
    return this.#shrink();
  }

  /** Drops what lies before `position`, to the sample. @param {number} position */
  forget(position) {
    while (this.packets.length > 0 && this.packets[0].end <= position) this.packets.shift();
    const [first] = this.packets;
    if (first === undefined || first.start >= position) return;
    const tail = new Uint8Array(first.bytes.buffer, HEADER_BYTES + (position - first.start) * this.bytesPerSample);
    this.packets[0] = this.#packet(position, tail);
  }

  /** The packets that hold something of [from, to). @param {number} from @param {number} [to] @returns {Packet[]} */
  slice(from, to = this.end) {
    return this.packets.filter((packet) => packet.end > from && packet.start < to);
  }

  /** @param {Uint8Array} bytes */
  #append(bytes) {
    const packet = this.#packet(this.end, bytes);
    this.packets.push(packet);
    this.end = packet.end;
  }

  /** @param {number} start @param {Uint8Array} audio @returns {Packet} */
  #packet(start, audio) {
    const bytes = new Uint8Array(HEADER_BYTES + audio.length);
    bytes.set(audio, HEADER_BYTES);
    return { start, end: start + audio.length / this.bytesPerSample, bytes: new DataView(bytes.buffer) };
  }

  #shrink() {
    const from = this.start;
    while (!this.isHeld && this.packets.length > 0 && this.end - this.start > this.maxSamples) this.packets.shift();
    return this.start > from ? { from, to: this.start } : null;
  }
}
