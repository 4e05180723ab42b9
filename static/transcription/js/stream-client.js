// @ts-check
/**
 * One stream: the socket, its states and its way to an end. Knows neither microphone nor page; the WebSocket class and the
 * clock are handed in, so that tests play the server.
 *
 *     idle -> asking -> live -> draining -> idle      (done)
 *               any of them -> failed                 (with a reason code that has a sentence in the catalogue)
 */

import { CLOSE_CODES, decodeMessage, encodeMessage, ProtocolError } from "./protocol.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {"idle" | "asking" | "live" | "draining" | "failed"} StreamState */
/** @typedef {{reason: string, message: string}} Failure `message` is the server's own sentence, or empty */

const BYTES_PER_S = 32000;
/** Unsent audio that makes us say that the connection is slow. */
export const SLOW_BYTES = 2 * BYTES_PER_S;
/** Unsent audio that ends the stream: a minute late is no longer live, and memory is not for hoarding. */
export const MAX_UNSENT_BYTES = 60 * BYTES_PER_S;
const READY_TIMEOUT_MS = 15000;
const PING_INTERVAL_MS = 10000;
/** Two missed pongs and a little: the connection is gone although nobody told us. */
const SILENT_SERVER_MS = 25000;
/** A server that answers pings but does not come to an end after `end`. */
const STUCK_END_MS = 60000;
const WATCH_INTERVAL_MS = 1000;

/** @type {Record<number, string>} */
const REASON_OF_CLOSE_CODE = {
  [CLOSE_CODES.DRAINING]: "server_draining",
  [CLOSE_CODES.POLICY]: "refused",
  [CLOSE_CODES.INTERNAL]: "internal",
  [CLOSE_CODES.FULL]: "server_full",
  [CLOSE_CODES.BAD_REQUEST]: "refused",
  [CLOSE_CODES.NOT_AUTHENTICATED]: "not_signed_in",
  [CLOSE_CODES.FORBIDDEN]: "not_signed_in",
  [CLOSE_CODES.IDLE]: "idle_timeout",
};

/**
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {(new (url: string) => WebSocket) & {OPEN: number}} WebSocket
 * @property {(state: StreamState, failure: Failure | null) => void} onState
 * @property {(message: ServerMessage) => void} onMessage
 * @property {(isSlow: boolean) => void} onSlow
 * @property {() => number} [now] milliseconds that only grow
 */

export class StreamClient {
  /** @param {StreamOptions} options */
  constructor({ url, WebSocket, onState, onMessage, onSlow, now = () => performance.now() }) {
    this.url = url;
    this.WebSocket = WebSocket;
    this.onState = onState;
    this.onMessage = onMessage;
    this.onSlow = onSlow;
    this.now = now;
    /** @type {StreamState} */
    this.state = "idle";
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ArrayBuffer[]} spoken before the socket was open */
    this.waiting = [];
    this.numWaitingBytes = 0;
    this.isSlow = false;
    this.wantsEnd = false;
    this.wasOpen = false;
    this.openedAt = 0;
    this.heardAt = 0;
    this.progressAt = 0;
    this.pingedAt = 0;
  }

  get #isOpen() {
    return this.socket?.readyState === this.WebSocket.OPEN;
  }

  /** Unsent bytes: how far the network is behind the speaker. */
  get unsentBytes() {
    return this.numWaitingBytes + (this.socket?.bufferedAmount ?? 0);
  }

  /** @param {Record<string, unknown>} startFields fields of the `start` message */
  open(startFields) {
    if (this.socket !== null) throw new Error("A StreamClient carries one stream; make a new one.");
    this.startFields = startFields;
    this.#enter("asking");
    const now = this.now();
    Object.assign(this, { openedAt: now, heardAt: now, progressAt: now, pingedAt: now });
    this.socket = new this.WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.#opened();
    this.socket.onmessage = (event) => this.#received(event.data);
    this.socket.onclose = (event) => this.#closed(event.code);
    this.timer = setInterval(() => this.watch(), WATCH_INTERVAL_MS);
  }

  /** @param {ArrayBuffer} frame 16-bit PCM, 16 kHz, mono. Kept until the socket is open; ignored once the stream ended. */
  sendAudio(frame) {
    if (this.state !== "asking" && this.state !== "live") return;
    if (this.#isOpen) this.socket?.send(frame);
    else this.#wait(frame);
    this.#checkBacklog();
  }

  /** No more audio: the server sends what is left, then `done`. */
  end() {
    if (this.state !== "asking" && this.state !== "live") return;
    this.wantsEnd = true;
    if (!this.#isOpen) return;
    this.socket?.send(encodeMessage("end"));
    this.progressAt = this.now();
    this.#enter("draining");
  }

  /** Ends the stream at once from our side. @param {string} reason @param {string} [message] */
  fail(reason, message = "") {
    if (this.state === "failed" || this.state === "idle") return;
    this.#enter("failed", { reason, message });
    this.#release();
  }

  /** Called every second: time-outs that no event would tell us about. */
  watch() {
    const now = this.now();
    if (this.state === "asking" && now - this.openedAt > READY_TIMEOUT_MS) return this.fail("server_not_ready");
    if (now - this.heardAt > SILENT_SERVER_MS) return this.fail("connection_lost");
    if (this.state === "draining" && now - this.progressAt > STUCK_END_MS) return this.fail("internal");
    if (now - this.pingedAt >= PING_INTERVAL_MS && this.#isOpen) {
      this.pingedAt = now;
      this.socket?.send(encodeMessage("ping"));
    }
    return this.#checkBacklog();
  }

  #opened() {
    this.wasOpen = true;
    this.heardAt = this.now();
    this.socket?.send(encodeMessage("start", this.startFields));
    for (const frame of this.waiting) this.socket?.send(frame);
    this.waiting = [];
    this.numWaitingBytes = 0;
    if (this.wantsEnd) this.end();
  }

  /** @param {unknown} text */
  #received(text) {
    if (this.state === "failed" || this.state === "idle") return;
    this.heardAt = this.now();
    const message = this.#decode(text);
    if (message === null) return;
    if (message.type !== "pong") this.progressAt = this.heardAt;
    if (message.type === "ready" && this.state === "asking") this.#enter("live");
    this.onMessage(message);
    if (message.type === "error") this.fail(message.code, message.message);
    if (message.type === "done") this.#finish();
  }

  /** @param {unknown} text */
  #decode(text) {
    try {
      return decodeMessage(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail("bad_answer", error.message);
      return null;
    }
  }

  #finish() {
    this.#enter("idle");
    this.#release();
  }

  /** @param {number} code */
  #closed(code) {
    const reason = this.wasOpen ? "connection_lost" : "could_not_connect";
    this.fail(REASON_OF_CLOSE_CODE[code] ?? reason);
  }

  /** @param {ArrayBuffer} frame */
  #wait(frame) {
    this.waiting.push(frame);
    this.numWaitingBytes += frame.byteLength;
  }

  #checkBacklog() {
    const { unsentBytes } = this;
    if (unsentBytes > MAX_UNSENT_BYTES) return this.fail("connection_too_slow");
    const isSlow = unsentBytes > SLOW_BYTES;
    if (isSlow !== this.isSlow) this.onSlow(isSlow);
    this.isSlow = isSlow;
    return undefined;
  }

  #release() {
    clearInterval(this.timer);
    this.waiting = [];
    this.numWaitingBytes = 0;
    this.socket?.close(CLOSE_CODES.DONE);
  }

  /** @param {StreamState} state @param {Failure | null} [failure] */
  #enter(state, failure = null) {
    this.state = state;
    this.onState(state, failure);
  }
}
