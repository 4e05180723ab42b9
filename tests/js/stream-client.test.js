// @ts-check
import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { MAX_UNSENT_BYTES, SLOW_BYTES, StreamClient } from "../../static/transcription/js/stream-client.js";

const READY = { type: "ready", session: "s1", model: "m", language: "en", sample_rate: 16000, window_ms: 1000, heartbeat_s: 30 };
const DONE = {
  type: "done",
  session: "s1",
  received_ms: 0,
  transcribed_ms: 0,
  silence_ms: 0,
  gap_ms: 0,
  num_segments: 0,
  complete: true,
};
const FRAME = new ArrayBuffer(3200);

/** The server's end of a WebSocket, played by the test. */
class FakeSocket {
  static OPEN = 1;
  /** @type {any} */
  static latest;
  onopen = () => {};
  /** @type {(event: {data: string}) => void} */
  onmessage = () => {};
  /** @type {(event: {code: number}) => void} */
  onclose = () => {};

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    this.readyState = 0;
    this.bufferedAmount = 0;
    /** @type {any[]} */
    this.sent = [];
    FakeSocket.latest = this;
  }

  /** @param {string | ArrayBuffer} message */
  send(message) {
    this.sent.push(typeof message === "string" ? JSON.parse(message) : message);
  }

  /** @param {number} code */
  close(code) {
    this.readyState = 3;
    this.closedWith = code;
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
}

/** A client that was opened, what it reported, and its clock. */
function openClient(startFields = {}) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval"] });
  /** @type {{states: string[], messages: string[], slow: boolean[], failure: any, nowMs: number}} */
  const log = { states: [], messages: [], slow: [], failure: null, nowMs: 0 };
  const client = new StreamClient({
    url: "ws://hark.test/stream",
    WebSocket: /** @type {any} */ (FakeSocket),
    onState: (state, failure) => {
      log.states.push(state);
      log.failure = failure;
    },
    onMessage: (message) => log.messages.push(message.type),
    onSlow: (isSlow) => log.slow.push(isSlow),
    now: () => log.nowMs,
  });
  client.open(startFields);
  return { client, log, socket: FakeSocket.latest };
}

function liveClient() {
  const opened = openClient();
  opened.socket.accept();
  opened.socket.say(READY);
  return opened;
}

test("a stream goes from idle over asking, live and draining back to idle", () => {
  const { client, log, socket } = liveClient();
  client.end();
  socket.say(DONE);
  assert.deepEqual(log.states, ["asking", "live", "draining", "idle"]);
  assert.equal(socket.closedWith, 1000);
});

test("start is the first thing that is sent, with the options given", () => {
  const { socket } = openClient({ language: "zh" });
  socket.accept();
  assert.deepEqual(socket.sent, [{ type: "start", language: "zh" }]);
});

test("what was spoken before the socket opened is sent after start, in order", () => {
  const { client, socket } = openClient();
  const [first, second] = [new ArrayBuffer(2), new ArrayBuffer(4)];
  client.sendAudio(first);
  client.sendAudio(second);
  socket.accept();
  assert.deepEqual(socket.sent.slice(1), [first, second]);
});

test("ending before the socket opened still sends the audio and then end", () => {
  const { client, log, socket } = openClient();
  client.sendAudio(FRAME);
  client.end();
  socket.accept();
  assert.deepEqual(
    socket.sent.map((/** @type {any} */ message) => message.type ?? "audio"),
    ["start", "audio", "end"],
  );
  assert.equal(log.states.at(-1), "draining");
});

test("no audio follows end", () => {
  const { client, socket } = liveClient();
  client.end();
  client.sendAudio(FRAME);
  assert.equal(socket.sent.at(-1).type, "end");
});

test("results reach the page while draining, too", () => {
  const { client, log, socket } = liveClient();
  client.end();
  socket.say({ type: "final", segment: 0, text: "Hello." });
  assert.deepEqual(log.messages, ["ready", "final"]);
});

for (const [code, reason] of /** @type {[number, string][]} */ ([
  [1001, "server_draining"],
  [1006, "connection_lost"],
  [1008, "refused"],
  [1011, "internal"],
  [1013, "server_full"],
  [4401, "not_signed_in"],
  [4408, "idle_timeout"],
])) {
  test(`close code ${code} is reported as ${reason}`, () => {
    const { log, socket } = liveClient();
    socket.drop(code);
    assert.equal(log.states.at(-1), "failed");
    assert.deepEqual(log.failure, { reason, message: "" });
  });
}

test("a handshake that is refused is told apart from a connection that was lost", () => {
  const { log, socket } = openClient();
  socket.drop(1006);
  assert.equal(log.failure.reason, "could_not_connect");
});

test("the server's own error sentence is handed on, once", () => {
  const { log, socket } = liveClient();
  socket.say({ type: "error", code: "unknown_model", message: "No such model.", retryable: false });
  socket.drop(4400);
  assert.deepEqual(log.failure, { reason: "unknown_model", message: "No such model." });
  assert.equal(log.states.filter((state) => state === "failed").length, 1);
});

test("nothing after the end changes the state", () => {
  const { client, log, socket } = liveClient();
  client.end();
  socket.say(DONE);
  socket.say(READY);
  socket.drop(1006);
  assert.equal(log.states.at(-1), "idle");
});

test("a server that never becomes ready is given up after 15 s", () => {
  const { client, log, socket } = openClient();
  socket.accept();
  log.nowMs = 15001;
  client.watch();
  assert.equal(log.failure.reason, "server_not_ready");
});

test("a server that falls silent is asked, then given up", () => {
  const { client, log, socket } = liveClient();
  log.nowMs = 10000;
  client.watch();
  assert.equal(socket.sent.at(-1).type, "ping");
  log.nowMs = 25001;
  client.watch();
  assert.equal(log.failure.reason, "connection_lost");
});

test("pongs keep a quiet stream alive", () => {
  const { client, log, socket } = liveClient();
  for (log.nowMs = 0; log.nowMs < 120000; log.nowMs += 10000) {
    socket.say({ type: "pong", id: null });
    client.watch();
  }
  assert.equal(client.state, "live");
});

test("a server that only pongs after end is given up after a minute", () => {
  const { client, log, socket } = liveClient();
  client.end();
  log.nowMs = 61000;
  socket.say({ type: "pong", id: null });
  client.watch();
  assert.equal(log.failure.reason, "internal");
});

test("a slow connection is reported when it begins and when it ends", () => {
  const { client, log, socket } = liveClient();
  socket.bufferedAmount = SLOW_BYTES + 1;
  client.sendAudio(FRAME);
  client.sendAudio(FRAME);
  socket.bufferedAmount = 0;
  client.sendAudio(FRAME);
  assert.deepEqual(log.slow, [true, false]);
});

test("audio is never dropped: a hopeless backlog ends the stream with a reason", () => {
  const { client, log, socket } = liveClient();
  socket.bufferedAmount = MAX_UNSENT_BYTES + 1;
  client.sendAudio(FRAME);
  assert.equal(log.failure.reason, "connection_too_slow");
});

test("text that is not JSON ends the stream with a reason", () => {
  const { log, socket } = liveClient();
  socket.say("<html>");
  assert.equal(log.failure.reason, "bad_answer");
});

test("messages of a newer server are ignored", () => {
  const { client, log, socket } = liveClient();
  socket.say({ type: "weather", sunny: true });
  assert.deepEqual([client.state, log.messages], ["live", ["ready"]]);
});

test("a client carries one stream only", () => {
  const { client } = liveClient();
  assert.throws(() => client.open({}), /one stream/);
});
