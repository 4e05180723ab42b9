// @ts-check
/** What the tests of the stream client bring: a clock that they wind, and sockets whose other end they play. */

import { StreamClient } from "../../static/transcription/js/stream-client.js";

export const READY = {
  type: "ready",
  session: "s1",
  resume_token: "t1",
  model: "m",
  language: "en",
  sample_rate: 16000,
  window_ms: 60000,
  heartbeat_s: 30,
};
export const RESUMED = { ...READY, type: "resumed", resume_token: undefined, offset: 0, credit_ms: 60000 };
export const DONE = {
  type: "done",
  session: "s1",
  received_ms: 0,
  transcribed_ms: 0,
  silence_ms: 0,
  gap_ms: 0,
  num_segments: 0,
  complete: true,
};
/** 100 ms of 16-bit samples at 16 kHz. */
export const FRAME = new ArrayBuffer(3200);
export const FRAME_SAMPLES = 1600;

/** @param {number} segment @param {string} text @param {number} [endMs] */
export function final(segment, text, endMs = 0) {
  return { type: "final", segment, text, start_ms: Math.max(0, endMs - 1000), end_ms: endMs, language: "en", words: [] };
}

export class FakeClock {
  nowMs = 0;
  /** @type {{at: number, task: () => void}[]} */
  timers = [];
  now = () => this.nowMs;

  /** @param {number} ms @param {() => void} task */
  after = (ms, task) => {
    const timer = { at: this.nowMs + ms, task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  /** Time passes, and timers run when they are due. @param {number} ms */
  pass(ms) {
    const end = this.nowMs + ms;
    for (;;) {
      const [next] = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.at);
      next.task();
    }
    this.nowMs = end;
  }

  /** Time passes while the browser runs no timer. @param {number} ms */
  sleep(ms) {
    this.nowMs += ms;
  }
}

/** The server's end of a WebSocket. */
export class FakeSocket {
  static OPEN = 1;
  /** @type {FakeSocket[]} */
  static all = [];
  onopen = () => {};
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  /** @type {(event: {code: number}) => void} */
  onclose = () => {};
  readyState = 0;
  bufferedAmount = 0;
  /** @type {any[]} what the client sent: messages parsed, packets as {offset, samples} */
  sent = [];
  /** @type {number | null | undefined} */
  closedWith = undefined;
  binaryType = "blob";
  isGreeted = false;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  static get latest() {
    return /** @type {FakeSocket} */ (FakeSocket.all.at(-1));
  }

  /** @param {string | DataView} message */
  send(message) {
    if (this.readyState !== FakeSocket.OPEN) throw new Error("The socket is not open.");
    this.sent.push(typeof message === "string" ? JSON.parse(message) : readPacket(message));
  }

  /** @param {number} [code] */
  close(code) {
    this.readyState = 3;
    this.closedWith = code ?? null;
  }

  accept() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
  }

  /** @param {object | string} message */
  say(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** @param {number} code */
  drop(code) {
    this.readyState = 3;
    this.onclose({ code });
  }

  /** @param {string} type */
  told(type) {
    return this.sent.filter((message) => message.type === type);
  }

  get offsets() {
    return this.told("audio").map(({ offset }) => offset);
  }
}

/** @param {DataView} packet */
function readPacket(packet) {
  const samples = new Int16Array(packet.buffer.slice(packet.byteOffset + 8, packet.byteOffset + packet.byteLength));
  return { type: "audio", offset: Number(packet.getBigUint64(0, true)), samples: [...samples] };
}

/** A client that was opened, what it reported, and its clock. */
export function openClient(startFields = {}, options = {}) {
  FakeSocket.all = [];
  const clock = new FakeClock();
  const log = {
    /** @type {string[]} */ states: [],
    /** @type {any[]} */ messages: [],
    /** @type {boolean[]} */ slow: [],
    /** @type {[number, number][]} */ dropped: [],
    /** @type {any} */ failure: null,
  };
  const client = new StreamClient({
    url: "ws://hark.test/stream",
    WebSocket: /** @type {any} */ (FakeSocket),
    onState: (state, failure) => {
      log.states.push(state);
      log.failure = failure;
    },
    onMessage: (message) => log.messages.push(message),
    onSlow: (isSlow) => log.slow.push(isSlow),
    onDropped: (fromMs, toMs) => log.dropped.push([fromMs, toMs]),
    clock,
    random: () => 0.5,
    ...options,
  });
  client.open(startFields);
  return { client, log, clock, socket: FakeSocket.latest };
}

/** One that is live. */
export function liveClient(startFields = {}, options = {}) {
  const opened = openClient(startFields, options);
  opened.socket.accept();
  opened.socket.say(READY);
  return opened;
}

/** Waits until the client tries again, and answers it. @param {FakeClock} clock @param {Record<string, unknown>} [fields] */
export function takeBack(clock, fields = {}) {
  const before = FakeSocket.all.length;
  while (FakeSocket.all.length === before) clock.pass(50);
  const socket = FakeSocket.latest;
  socket.accept();
  socket.say({ ...RESUMED, ...fields });
  return socket;
}
