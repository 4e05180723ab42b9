// @ts-check
/** One socket of a stream: opens it, listens to its heart, and once dropped never speaks again, whatever still arrives. */

import { Heartbeat } from "./heartbeat.js";
import { CLOSE_CODES, decodeMessage, encodeMessage, ProtocolError } from "./protocol.js";

/**
 * @typedef {object} ConnectionOptions
 * @property {string | (() => Promise<string>)} url a function is asked for each connection: for a ticket that is used once
 * @property {(new (url: string) => WebSocket) & {OPEN: number}} WebSocket
 * @property {() => number} now milliseconds that only grow
 * @property {() => void} onOpen
 * @property {(message: import("./protocol.js").ServerMessage) => void} onMessage
 * @property {(sentence: string) => void} onNonsense what came is no message of this protocol
 * @property {(code: number, wasOpen: boolean) => void} onClose
 */

const CLOSED_ABNORMALLY = 1006;

export class Connection {
  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.options = options;
    this.heartbeat = new Heartbeat(options.now());
    /** @type {WebSocket | null} */
    this.socket = null;
    this.wasOpen = false;
    this.isDropped = false;
  }

  open() {
    const { url } = this.options;
    if (typeof url === "string") this.#openAt(url);
    else
      url().then(
        (address) => this.#openAt(address),
        this.#guarded(() => this.options.onClose(CLOSED_ABNORMALLY, false)),
      );
  }

  get isOpen() {
    return !this.isDropped && this.socket?.readyState === this.options.WebSocket.OPEN;
  }

  /** Bytes that the browser has not sent yet. */
  get bufferedAmount() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** @param {string | DataView<ArrayBuffer>} message */
  send(message) {
    if (this.isOpen) this.socket?.send(message);
  }

  /** @param {string} type one of CLIENT_MESSAGES @param {Record<string, unknown>} [fields] */
  tell(type, fields) {
    this.send(encodeMessage(type, fields));
  }

  /** Asks when there is something to ask. @returns {boolean} false: the other side is gone although nobody told us */
  isAlive() {
    const verdict = this.heartbeat.look(this.options.now());
    if (verdict === "ping") this.tell("ping");
    return verdict !== "dead";
  }

  /** Lets go without waiting for an answer, to come back over another socket. */
  drop() {
    this.isDropped = true;
    this.socket?.close();
  }

  /** We are done with the session itself. */
  finish() {
    this.isDropped = true;
    this.socket?.close(CLOSE_CODES.DONE);
  }

  /** @param {string} url */
  #openAt(url) {
    if (this.isDropped) return;
    const socket = new this.options.WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = this.#guarded(() => this.#opened());
    socket.onmessage = this.#guarded((/** @type {MessageEvent} */ event) => this.#received(event.data));
    socket.onclose = this.#guarded((/** @type {CloseEvent} */ event) => this.options.onClose(event.code, this.wasOpen));
    this.socket = socket;
  }

  #opened() {
    this.wasOpen = true;
    this.heartbeat.heard(this.options.now());
    this.options.onOpen();
  }

  /** @param {unknown} text */
  #received(text) {
    this.heartbeat.heard(this.options.now());
    const message = this.#decode(text);
    if (message !== null) this.options.onMessage(message);
  }

  /** @param {unknown} text */
  #decode(text) {
    try {
      return decodeMessage(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.options.onNonsense(error.message);
      return null;
    }
  }

  /** @template {unknown[]} A @param {(...args: A) => void} act @returns {(...args: A) => void} does nothing once dropped */
  #guarded(act) {
    return (...args) => {
      if (!this.isDropped) act(...args);
    };
  }
}
