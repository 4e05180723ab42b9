// @ts-check
/**
 * One stream of audio to the server and its text back, over as many sockets as it takes. Knows neither microphone nor page;
 * the WebSocket class, the clock and chance are handed in, so that tests play the server.
 *
 *     idle -> asking -> live -> draining -> idle      (done)
 *             live, draining <-> reconnecting         (what the server lacks is sent again)
 *               any of them -> failed                 (with a reason code that has a sentence in the catalogue)
 */

import { AudioSender } from "./audio-sender.js";
import { BACKLOG_MS, Backlog } from "./backlog.js";
import { Absence } from "./backoff.js";
import { PAGE_CLOCK } from "./clock.js";
import { isCut, isFinalClose, isFinalError, reasonOfClose } from "./closing.js";
import { Connection } from "./connection.js";
import { Continuity } from "./continuity.js";
import { CLOSE_CODES } from "./protocol.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {"idle" | "asking" | "live" | "reconnecting" | "draining" | "failed"} StreamState */
/** @typedef {{reason: string, message: string}} Failure `message` is the server's own sentence, or empty */

const READY_TIMEOUT_MS = 15000;
/** A server that answers pings but does not come to an end after `end`. */
const STUCK_END_MS = 60000;
const WATCH_EVERY_MS = 1000;
/** @type {Failure} */
const LOST = Object.freeze({ reason: "connection_lost", message: "" });

/**
 * @typedef {object} StreamOptions
 * @property {import("./connection.js").ConnectionOptions["url"]} url
 * @property {(state: StreamState, failure: Failure | null) => void} onState
 * @property {(message: ServerMessage) => void} onMessage each result once; numbers and times go on from session to session
 * @property {(isSlow: boolean) => void} [onSlow]
 * @property {(fromMs: number, toMs: number) => void} [onDropped] audio that could not be kept until there was a connection
 * @property {import("./connection.js").ConnectionOptions["WebSocket"]} [WebSocket]
 * @property {import("./clock.js").Clock} [clock]
 * @property {() => number} [random] in [0, 1)
 */

export class StreamClient {
  /** @type {StreamState} */
  state = "idle";
  wantsEnd = false;
  /** @type {AudioSender | null} */
  sender = null;
  /** @type {Connection | null} */
  connection = null;
  /** Whether this socket's `start` or `resume` was answered. */
  isAnswered = false;
  isEndSent = false;
  lastFailure = LOST;
  openedAt = 0;
  progressAt = 0;
  backlog = new Backlog();
  continuity = new Continuity({});

  /** @param {StreamOptions} options */
  constructor({ url, WebSocket: Socket = WebSocket, clock = PAGE_CLOCK, random = Math.random, ...handlers }) {
    this.url = url;
    this.WebSocket = Socket;
    this.clock = clock;
    this.handlers = { onSlow: () => {}, onDropped: () => {}, ...handlers };
    this.absence = new Absence(random);
  }

  get isOver() {
    return this.state === "failed" || this.state === "idle";
  }

  /** Audio that is not known to be under way. */
  get unsentMs() {
    return this.sender?.unsentMs(this.connection) ?? 0;
  }

  /** Whether a source that can wait should: more would only be kept, and in the end dropped. */
  get isBackedUp() {
    return this.unsentMs > BACKLOG_MS;
  }

  /** How long the sessions were that the server did not know any more when we came back. */
  get earlierMs() {
    return this.continuity.earlierMs;
  }

  /** @param {Record<string, unknown>} startFields fields of the `start` message */
  open(startFields) {
    if (this.sender !== null) throw new Error("A StreamClient carries one stream; make a new one.");
    this.sender = new AudioSender(startFields);
    this.continuity = new Continuity({ encoding: "pcm_s16le", ...startFields, reliable: true });
    this.openedAt = this.clock.now();
    this.#enter("asking");
    this.#connect();
    this.#watchAgain();
  }

  /**
   * @param {ArrayBuffer | ArrayBufferView} frame whole samples as `start` describes them (16-bit PCM, 16 kHz, mono). Kept until
   *   the server has settled it; ignored after `end`.
   */
  sendAudio(frame) {
    if (this.wantsEnd || this.isOver || this.sender === null) return;
    const dropped = this.sender.push(frame);
    if (dropped !== null) this.handlers.onDropped(this.sender.ms(dropped.from), this.sender.ms(dropped.to));
    this.watch();
  }

  /** No more audio: the server sends what is left, then `done`. While away, this waits for the connection. */
  end() {
    if (this.wantsEnd || this.isOver) return;
    this.wantsEnd = true;
    this.progressAt = this.clock.now();
    if (this.state === "live") this.#enter("draining");
    this.#pump();
  }

  /** Ends the stream at once from our side. @param {string} reason @param {string} [message] */
  fail(reason, message = "") {
    if (this.isOver) return;
    this.#leave("failed", { reason, message });
  }

  /** The page went offline or came back: the old connection is not worth waiting for. */
  networkChanged() {
    if (this.isAnswered && this.continuity.canReturn) this.#lose(LOST, 0);
    else if (this.state === "reconnecting") this.#connect();
  }

  /** Looks at the time. Called every second, and with each frame, because the timers of hidden tabs hardly run. */
  watch() {
    const now = this.clock.now();
    if (this.state === "reconnecting") this.#watchAbsence(now);
    else if (this.state === "asking") {
      if (now - this.openedAt > READY_TIMEOUT_MS) this.fail("server_not_ready");
    } else if (!this.isOver) this.#watchConnection(now);
  }

  /** @param {number} now */
  #watchAbsence(now) {
    const verdict = this.absence.look(now);
    if (verdict === "over") this.fail(this.lastFailure.reason, this.lastFailure.message);
    if (verdict === "stuck") this.#lose(this.lastFailure);
    if (verdict === "try") this.#connect();
  }

  /** @param {number} now */
  #watchConnection(now) {
    this.absence.look(now);
    if (this.state === "draining" && now - this.progressAt > STUCK_END_MS) this.fail("internal");
    else if (this.connection?.isAlive()) this.#pump();
    else if (this.continuity.canReturn) this.#lose(LOST);
    else this.fail(LOST.reason);
  }

  #watchAgain() {
    this.cancelWatch = this.clock.after(WATCH_EVERY_MS, () => {
      this.#watchAgain();
      this.watch();
    });
  }

  #connect() {
    this.connection?.drop();
    this.isAnswered = false;
    this.isEndSent = false;
    this.absence.tried(this.clock.now());
    this.connection = new Connection({
      url: this.url,
      WebSocket: this.WebSocket,
      now: this.clock.now,
      onOpen: () => this.connection?.tell(...this.continuity.greeting(this.sender?.hold() ?? 0)),
      onMessage: (message) => this.#received(message),
      onNonsense: (sentence) => this.fail("bad_answer", sentence),
      onClose: (code, wasOpen) => this.#closed(code, wasOpen),
    });
    this.connection.open();
  }

  /** @param {ServerMessage} message */
  #received(message) {
    if (message.type !== "pong") this.progressAt = this.clock.now();
    switch (message.type) {
      case "pong":
        break;
      case "ack":
        this.sender?.acked(message);
        this.#pump();
        break;
      case "nack":
        if (this.connection !== null) this.sender?.sendAgain(this.connection, message);
        break;
      case "error":
        this.#refused(message);
        break;
      default:
        this.#told(message);
    }
  }

  /** What the page should know, too. @param {ServerMessage} message */
  #told(message) {
    const fresh = this.continuity.take(message);
    if (fresh !== null) this.handlers.onMessage(fresh);
    if (message.type === "ready" || message.type === "resumed") this.#answered(message);
    if (message.type === "going_away") this.#sentAway(message);
    if (message.type === "done") this.#leave("idle");
  }

  /** @param {import("./protocol.js").Ready | import("./protocol.js").Resumed} message */
  #answered(message) {
    if (message.type === "ready") {
      this.continuity.opened(message);
      this.sender?.begin(message.window_ms);
    } else this.sender?.resume(message);
    this.isAnswered = true;
    this.absence.back(this.clock.now());
    this.#enter(this.wantsEnd ? "draining" : "live");
    this.#pump();
  }

  /** @param {import("./protocol.js").GoingAway} message */
  #sentAway({ resume_within_s }) {
    if (!this.continuity.canReturn) return;
    if (resume_within_s !== null) this.absence.withinMs = resume_within_s * 1000;
    this.#lose({ reason: "server_draining", message: "" }, this.absence.isSteady ? 0 : null);
  }

  /** @param {import("./protocol.js").SessionError} error */
  #refused(error) {
    if (error.code === "unknown_session" && this.continuity.ticket !== null) this.#startOver();
    else if (isFinalError(error) || !this.continuity.canReturn) {
      this.handlers.onMessage(error);
      this.fail(error.code, error.message);
    } else {
      const waitMs = error.retry_after_s === null ? null : error.retry_after_s * 1000;
      this.#lose({ reason: error.code, message: error.message }, waitMs);
    }
  }

  /** The server does not know the session any more: what we still have of it goes into a new one. */
  #startOver() {
    this.continuity.restart(this.sender?.restart(this.continuity.finalMs) ?? 0);
    if (this.wantsEnd && this.sender?.numSamples === 0) this.fail("connection_lost");
    else this.#lose(LOST, 0);
  }

  /** @param {number} code @param {boolean} wasOpen */
  #closed(code, wasOpen) {
    const mayReturn = this.continuity.canReturn ? !isFinalClose(code) : wasOpen && isCut(code);
    if (code === CLOSE_CODES.UNKNOWN_SESSION && this.continuity.ticket !== null) this.#startOver();
    else if (!mayReturn) this.fail(reasonOfClose(code, wasOpen));
    else this.#lose(wasOpen ? { reason: reasonOfClose(code, wasOpen), message: "" } : this.lastFailure);
  }

  /** @param {Failure} failure what we say if we never come back @param {number | null} [waitMs] */
  #lose(failure, waitMs = null) {
    this.connection?.drop();
    this.isAnswered = false;
    this.lastFailure = failure;
    this.sender?.lose();
    const wait = this.absence.begin(this.clock.now(), waitMs);
    if (this.state !== "reconnecting") this.#enter("reconnecting");
    this.#checkBacklog();
    this.cancelTry?.();
    this.cancelTry = this.clock.after(wait, () => this.watch());
  }

  /** Sends what may be sent, and `end` behind the last of it. */
  #pump() {
    if (this.connection === null || this.sender === null || !this.isAnswered) return;
    this.sender.send(this.connection);
    if (this.wantsEnd && !this.isEndSent && this.sender.isAllSent) {
      this.isEndSent = true;
      this.connection.tell("end", { samples: this.sender.numSamples });
    }
    this.#checkBacklog();
  }

  /** While we are away the page says so: that the connection is slow is no news then. */
  #checkBacklog() {
    const hasChanged = this.backlog.note(this.isAnswered && this.isBackedUp, this.clock.now());
    if (hasChanged) this.handlers.onSlow(this.backlog.isSlow);
  }

  /** @param {"idle" | "failed"} state @param {Failure | null} [failure] */
  #leave(state, failure = null) {
    this.#enter(state, failure);
    this.cancelWatch?.();
    this.cancelTry?.();
    this.connection?.finish();
  }

  /** @param {StreamState} state @param {Failure | null} [failure] */
  #enter(state, failure = null) {
    this.state = state;
    this.handlers.onState(state, failure);
  }
}
