// @ts-check
/** The socket at /console: says what the page shows, brings what is new, and comes back when it is lost. */

import { Backoff } from "../backoff.js";

/** The server closes with these when coming back would change nothing. */
const FOR_GOOD = new Set([1008, 4400, 4403]);
/** A server that says nothing for so long is not there: it speaks once a second. */
const SILENT_MS = 10_000;

/**
 * @typedef {{ topics: string[], range?: string, language?: string }} Shown
 * @typedef {"connecting" | "live" | "lost" | "closed"} SocketState
 * @typedef {{ onState: (state: SocketState) => void, onMessage: (message: any) => void }} Handlers
 */

export class ConsoleSocket {
  /** @param {string} url @param {Handlers} handlers @param {typeof WebSocket} Socket */
  constructor(url, handlers, Socket = WebSocket) {
    this.url = url;
    this.handlers = handlers;
    this.Socket = Socket;
    this.backoff = new Backoff(Math.random);
    /** @type {Shown} */
    this.shown = { topics: [] };
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.silence = undefined;
  }

  /** From now on the page shows this. @param {Shown} shown */
  show(shown) {
    this.shown = shown;
    if (this.socket?.readyState === this.Socket.OPEN) this.tellWhatIsShown();
  }

  open() {
    const socket = new this.Socket(this.url);
    this.socket = socket;
    socket.onopen = () => this.tellWhatIsShown();
    socket.onmessage = (event) => this.take(event.data);
    socket.onclose = (event) => this.lose(event.code);
    this.expectWord();
  }

  tellWhatIsShown() {
    this.socket?.send(JSON.stringify({ type: "show", ...this.shown }));
  }

  /** @param {string} text */
  take(text) {
    this.expectWord();
    this.backoff.reset();
    this.handlers.onState("live");
    this.handlers.onMessage(JSON.parse(text));
  }

  expectWord() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket?.close(), SILENT_MS);
  }

  /** @param {number} code */
  lose(code) {
    clearTimeout(this.silence);
    this.socket = null;
    if (FOR_GOOD.has(code)) {
      this.handlers.onState("closed");
      return;
    }
    this.handlers.onState("lost");
    setTimeout(() => this.open(), this.backoff.next());
  }
}
