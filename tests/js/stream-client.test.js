// @ts-check
import assert from "node:assert/strict";
import test from "node:test";
import {
  DONE,
  FakeSocket,
  FRAME,
  FRAME_SAMPLES,
  final,
  liveClient,
  openClient,
  READY,
  RESUMED,
  takeBack,
} from "./played-server.js";

const RETRYABLE = { type: "error", code: "server_full", message: "Full.", retryable: true, retry_after_s: 3 };
const UNKNOWN = { type: "error", code: "unknown_session", message: "None.", retryable: false, retry_after_s: null };

/** @param {{client: any}} opened @param {number} numFrames */
function speak({ client }, numFrames) {
  for (let number = 0; number < numFrames; number += 1) client.sendAudio(FRAME);
}

/** @param {number} received @param {number} settled */
function ack(received, settled) {
  return { type: "ack", received, settled, credit_ms: 60000 };
}

// --- A stream whose connection holds ---

test("a stream goes from idle over asking, live and draining back to idle", () => {
  const { client, log, socket } = liveClient();
  client.end();
  socket.say(DONE);
  assert.deepEqual(log.states, ["asking", "live", "draining", "idle"]);
  assert.equal(socket.closedWith, 1000);
});

test("start is the first thing that is sent, with the options given, and asks for a reliable stream", () => {
  const { socket } = openClient({ language: "zh" });
  socket.accept();
  assert.deepEqual(socket.sent, [{ type: "start", encoding: "pcm_s16le", language: "zh", reliable: true }]);
});

test("what was spoken before the server was ready is sent then, in order", () => {
  const opened = openClient();
  speak(opened, 2);
  opened.socket.accept();
  assert.deepEqual(opened.socket.offsets, []);
  opened.socket.say(READY);
  assert.deepEqual(opened.socket.offsets, [0, FRAME_SAMPLES]);
});

test("ending before the server was ready still sends the audio and then end, with the number of samples", () => {
  const opened = openClient();
  speak(opened, 1);
  opened.client.end();
  opened.socket.accept();
  opened.socket.say(READY);
  assert.deepEqual(
    opened.socket.sent.map(({ type }) => type),
    ["start", "audio", "end"],
  );
  assert.deepEqual(opened.socket.told("end"), [{ type: "end", samples: FRAME_SAMPLES }]);
  assert.equal(opened.log.states.at(-1), "draining");
});

test("no audio follows end", () => {
  const opened = liveClient();
  opened.client.end();
  speak(opened, 1);
  assert.equal(opened.socket.sent.at(-1).type, "end");
});

test("end waits behind audio for which there is no credit yet", () => {
  const opened = liveClient();
  opened.socket.say({ ...ack(0, 0), credit_ms: 0 });
  speak(opened, 1);
  opened.client.end();
  assert.deepEqual(opened.socket.told("end"), []);
  opened.socket.say(ack(0, 0));
  assert.deepEqual(
    opened.socket.sent.slice(-2).map(({ type }) => type),
    ["audio", "end"],
  );
});

test("results reach the page while draining, too", () => {
  const { client, log, socket } = liveClient();
  client.end();
  socket.say(final(0, "Hello."));
  assert.deepEqual(
    log.messages.map(({ type }) => type),
    ["ready", "final"],
  );
});

test("the page is told which model recognises: at first, after a change, and when it was away meanwhile", () => {
  const { clock, log, socket } = liveClient();
  socket.say({ type: "model_changed", model: "night", from_segment: 3 });
  socket.drop(1006);
  takeBack(clock, { model: "morning" });
  assert.deepEqual(
    log.messages.map(({ type, model }) => [type, model]),
    [
      ["ready", "m"],
      ["model_changed", "night"],
      ["resumed", "morning"],
    ],
  );
});

test("a range that the server lacks is sent again", () => {
  const opened = liveClient();
  speak(opened, 4);
  opened.socket.say({ type: "nack", from: FRAME_SAMPLES, to: 2 * FRAME_SAMPLES });
  assert.deepEqual(opened.socket.offsets.slice(4), [FRAME_SAMPLES]);
});

for (const [code, reason] of /** @type {[number, string][]} */ ([
  [1001, "server_draining"],
  [1008, "refused"],
  [1011, "internal"],
  [1013, "server_full"],
  [4401, "not_signed_in"],
  [4408, "idle_timeout"],
])) {
  test(`close code ${code} before the server was ready is reported as ${reason}`, () => {
    const { log, socket } = openClient();
    socket.accept();
    socket.drop(code);
    assert.deepEqual(log.failure, { reason, message: "" });
  });
}

for (const code of [1000, 1008, 4400, 4401, 4403, 4408]) {
  test(`close code ${code} is the end: the client does not come back`, () => {
    const { log, clock, socket } = liveClient();
    socket.drop(code);
    clock.pass(10000);
    assert.equal(log.states.at(-1), "failed");
    assert.equal(FakeSocket.all.length, 1);
  });
}

test("a handshake that is refused is told apart from a connection that was lost", () => {
  const { log, socket } = openClient();
  socket.drop(1006);
  assert.equal(log.failure.reason, "could_not_connect");
});

test("the server's own error sentence is handed on, once", () => {
  const { log, socket } = liveClient();
  socket.say({ type: "error", code: "unknown_model", message: "No such model.", retryable: false, retry_after_s: null });
  socket.drop(4400);
  assert.deepEqual(log.failure, { reason: "unknown_model", message: "No such model." });
  assert.equal(log.states.filter((state) => state === "failed").length, 1);
});

test("audio on which the model failed is not sent again", () => {
  const { log, socket } = liveClient();
  socket.say({ ...RETRYABLE, code: "recognition_failed" });
  assert.equal(log.failure.reason, "recognition_failed");
});

test("a server that is full at the start is not pressed", () => {
  const { log, socket } = openClient();
  socket.accept();
  socket.say(RETRYABLE);
  assert.deepEqual(log.failure, { reason: "server_full", message: "Full." });
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
  const { log, clock, socket } = openClient();
  socket.accept();
  clock.pass(16000);
  assert.equal(log.failure.reason, "server_not_ready");
});

test("pongs keep a quiet stream alive", () => {
  const { client, clock, socket } = liveClient();
  for (let minute = 0; minute < 20; minute += 1) {
    clock.pass(10000);
    socket.say({ type: "pong", id: null });
  }
  assert.equal(client.state, "live");
  assert.ok(socket.told("ping").length >= 19);
});

test("a server that only pongs after end is given up after a minute", () => {
  const { client, log, clock, socket } = liveClient();
  client.end();
  for (let second = 0; second < 62; second += 1) {
    clock.pass(1000);
    socket.say({ type: "pong", id: null });
  }
  assert.equal(log.failure.reason, "internal");
});

test("a connection that stays slow is reported, and when it is no longer", () => {
  const opened = liveClient();
  opened.socket.bufferedAmount = 100000;
  speak(opened, 1);
  assert.equal(opened.client.isBackedUp, true);
  assert.deepEqual(opened.log.slow, []);
  opened.clock.pass(3000);
  opened.socket.bufferedAmount = 0;
  speak(opened, 1);
  assert.deepEqual(opened.log.slow, [true, false]);
});

test("text that is not JSON ends the stream with a reason", () => {
  const { log, socket } = liveClient();
  socket.say("<html>");
  assert.equal(log.failure.reason, "bad_answer");
});

test("messages of a newer server are ignored", () => {
  const { client, log, socket } = liveClient();
  socket.say({ type: "weather", sunny: true });
  assert.deepEqual([client.state, log.messages.length], ["live", 1]);
});

test("a client carries one stream only", () => {
  const { client } = liveClient();
  assert.throws(() => client.open({}), /one stream/);
});

// --- A connection that breaks ---

test("what was sent and not acknowledged counts as unsent once the connection is gone", () => {
  const opened = liveClient();
  speak(opened, 30);
  assert.equal(opened.client.unsentMs, 0);
  opened.socket.say(ack(5 * FRAME_SAMPLES, 0));
  opened.socket.drop(1006);
  assert.equal(opened.client.unsentMs, 2500);
});

for (const code of [1001, 1005, 1006, 1011, 1012, 1013]) {
  test(`after close code ${code} the client comes back and sends from where the server wants it`, () => {
    const opened = liveClient();
    speak(opened, 5);
    opened.socket.say(final(0, "Hello."));
    opened.socket.say(ack(4 * FRAME_SAMPLES, FRAME_SAMPLES));
    opened.socket.drop(code);
    const socket = takeBack(opened.clock, { offset: 3 * FRAME_SAMPLES });
    const wanted = { session: "s1", token: "t1", next_segment: 1, oldest: FRAME_SAMPLES };
    assert.deepEqual(socket.sent[0], { type: "resume", ...wanted });
    assert.deepEqual(socket.offsets, [3 * FRAME_SAMPLES, 4 * FRAME_SAMPLES]);
    assert.deepEqual(opened.log.states, ["asking", "live", "reconnecting", "live"]);
  });
}

test("what is spoken while away is kept and sent afterwards", () => {
  const opened = liveClient();
  speak(opened, 2);
  opened.socket.drop(1006);
  speak(opened, 3);
  const socket = takeBack(opened.clock, { offset: 2 * FRAME_SAMPLES });
  assert.deepEqual(
    socket.offsets,
    [2, 3, 4].map((number) => number * FRAME_SAMPLES),
  );
});

test("a source that can wait is asked to while the connection is away", () => {
  const opened = liveClient();
  opened.socket.drop(1006);
  speak(opened, 30);
  assert.equal(opened.client.isBackedUp, true);
  assert.deepEqual(opened.log.slow, []);
});

test("what an old socket still says changes nothing", () => {
  const opened = liveClient();
  opened.client.networkChanged();
  const socket = takeBack(opened.clock);
  opened.socket.onmessage({ data: JSON.stringify(final(0, "Too late.")) });
  opened.socket.onmessage({ data: JSON.stringify(DONE) });
  opened.socket.onclose({ code: 4400 });
  assert.equal(opened.client.state, "live");
  assert.deepEqual(opened.log.messages.filter(({ type }) => type === "final").length, 0);
  socket.say(final(0, "In time."));
  assert.equal(opened.log.messages.at(-1).text, "In time.");
});

test("finals that the server repeats are not told twice", () => {
  const opened = liveClient();
  opened.socket.say(final(0, "One."));
  opened.socket.drop(1006);
  const socket = takeBack(opened.clock);
  socket.say(final(0, "One."));
  socket.say(final(1, "Two."));
  assert.deepEqual(
    opened.log.messages.filter(({ type }) => type === "final").map(({ text }) => text),
    ["One.", "Two."],
  );
});

test("ending while away sends what is left once the connection is back", () => {
  const opened = liveClient();
  speak(opened, 1);
  opened.socket.drop(1006);
  speak(opened, 1);
  opened.client.end();
  const socket = takeBack(opened.clock);
  assert.deepEqual(
    socket.sent.map(({ type }) => type),
    ["resume", "audio", "audio", "end"],
  );
  socket.say(DONE);
  assert.deepEqual(opened.log.states, ["asking", "live", "reconnecting", "draining", "idle"]);
});

test("end is said again to a server that may not have heard it", () => {
  const opened = liveClient();
  opened.client.end();
  opened.socket.drop(1006);
  assert.deepEqual(takeBack(opened.clock).told("end"), [{ type: "end", samples: 0 }]);
});

test("a server that goes away is asked again at once", () => {
  const { clock, log, socket } = liveClient();
  clock.pass(6000);
  socket.say({ type: "going_away", reason: "restart", resume_within_s: 120, closes_in_s: 20 });
  assert.equal(log.states.at(-1), "reconnecting");
  clock.pass(0);
  assert.equal(FakeSocket.all.length, 2);
});

test("one that sends us away each time is not stormed", () => {
  const { clock } = liveClient();
  clock.pass(6000);
  for (let turn = 0; turn < 5; turn += 1) {
    FakeSocket.latest.say({ type: "going_away", reason: "restart", resume_within_s: 120, closes_in_s: 20 });
    takeBack(clock);
  }
  assert.ok(clock.nowMs > 6000 + 2000, `${clock.nowMs}`);
});

test("tries grow rarer, and after the time that the server named the client gives up with a sentence", () => {
  const { clock, log, socket } = liveClient();
  clock.pass(6000);
  socket.say({ type: "going_away", reason: "restart", resume_within_s: 60, closes_in_s: 20 });
  for (let second = 0; second < 70; second += 1) {
    clock.pass(1000);
    if (FakeSocket.latest.readyState === 0) FakeSocket.latest.drop(1006);
  }
  assert.equal(log.failure.reason, "server_draining");
  assert.ok(FakeSocket.all.length > 10 && FakeSocket.all.length < 40, `${FakeSocket.all.length}`);
});

test("a refusal for the moment is answered with patience of the length that the server asks for", () => {
  const { clock, socket } = liveClient();
  socket.drop(1006);
  clock.pass(500);
  FakeSocket.latest.accept();
  FakeSocket.latest.say(RETRYABLE);
  clock.pass(2900);
  assert.equal(FakeSocket.all.length, 2);
  clock.pass(200);
  assert.equal(FakeSocket.all.length, 3);
});

test("a try that nobody answers is followed by another", () => {
  const { clock, socket } = liveClient();
  socket.drop(1006);
  clock.pass(20000);
  assert.ok(FakeSocket.all.length >= 3);
});

test("a connection that died without a word is noticed within 25 s, and the client comes back", () => {
  const { clock, log } = liveClient();
  clock.pass(25000);
  assert.ok(log.states.includes("reconnecting"));
  takeBack(clock);
  assert.equal(log.states.at(-1), "live");
});

test("a tab whose timers sleep does not take the server for gone", () => {
  const { client, clock, socket } = liveClient();
  for (let minute = 0; minute < 30; minute += 1) {
    clock.sleep(60000);
    client.watch();
    socket.say({ type: "pong", id: null });
  }
  assert.equal(client.state, "live");
});

test("a frame wakes a tab whose timers sleep: it comes back without them", () => {
  const opened = liveClient();
  opened.socket.drop(1006);
  opened.clock.sleep(600);
  speak(opened, 1);
  assert.equal(FakeSocket.all.length, 2);
});

test("a page that goes offline or comes back looks for a connection at once", () => {
  const { client, clock, log } = liveClient();
  client.networkChanged();
  clock.pass(0);
  assert.equal(FakeSocket.all.length, 2);
  assert.equal(log.states.at(-1), "reconnecting");
  client.networkChanged();
  assert.equal(FakeSocket.all.length, 3);
});

test("a cut before the server was ready is no failure: the session begins again", () => {
  const opened = openClient();
  speak(opened, 1);
  opened.socket.accept();
  opened.socket.drop(1006);
  opened.clock.pass(1000);
  FakeSocket.latest.accept();
  FakeSocket.latest.say(READY);
  assert.deepEqual(
    FakeSocket.latest.sent.map(({ type }) => type),
    ["start", "audio"],
  );
});

test("a server that cannot take us back fails as it always did", () => {
  const { log, socket } = openClient();
  socket.accept();
  socket.say({ ...READY, resume_token: null });
  socket.drop(1011);
  assert.equal(log.failure.reason, "internal");
});

test("nor does the network of the page make us leave a server that cannot take us back; its silence does", () => {
  const { client, clock, log, socket } = openClient();
  socket.accept();
  socket.say({ ...READY, resume_token: null });
  client.networkChanged();
  assert.equal(client.state, "live");
  clock.pass(25000);
  assert.equal(log.failure.reason, "connection_lost");
});

test("memory is bounded however long it lasts, and what is lost is told", () => {
  const opened = liveClient();
  opened.socket.drop(1006);
  speak(opened, 700);
  assert.equal(opened.client.sender?.buffer.packets.length, 600);
  assert.deepEqual(
    [opened.log.dropped[0], opened.log.dropped.at(-1)],
    [
      [0, 100],
      [9900, 10000],
    ],
  );
  const socket = takeBack(opened.clock, { offset: 100 * FRAME_SAMPLES });
  assert.equal(socket.sent[0].oldest, 100 * FRAME_SAMPLES);
});

test("what the server was offered is still there when it answers", () => {
  const opened = liveClient();
  opened.socket.drop(1006);
  speak(opened, 700);
  opened.clock.pass(1000);
  FakeSocket.latest.accept();
  const [{ oldest }] = FakeSocket.latest.told("resume");
  speak(opened, 5);
  FakeSocket.latest.say({ ...RESUMED, offset: oldest });
  assert.equal(FakeSocket.latest.offsets[0], oldest);
});

test("a session that nobody knows any more goes on as a new one with what is kept", () => {
  const opened = liveClient({ metadata: { room: "B" } });
  speak(opened, 30);
  opened.socket.say(final(0, "One.", 1000));
  opened.socket.drop(1006);
  opened.clock.pass(500);
  FakeSocket.latest.accept();
  FakeSocket.latest.say(UNKNOWN);
  opened.clock.pass(0);
  const socket = FakeSocket.latest;
  socket.accept();
  assert.equal(socket.sent[0].type, "start");
  assert.deepEqual(socket.sent[0].metadata, { room: "B", continues: "s1" });
  socket.say({ ...READY, session: "s2", resume_token: "t2" });
  assert.deepEqual([socket.offsets[0], socket.offsets.length], [0, 20]);
  socket.say(final(0, "Two.", 500));
  assert.deepEqual([opened.log.messages.at(-1).segment, opened.log.messages.at(-1).end_ms], [1, 1500]);
  assert.equal(opened.client.earlierMs, 1000);
});

test("it does the same when only the close code says so", () => {
  const opened = liveClient();
  speak(opened, 1);
  opened.socket.drop(1006);
  opened.clock.pass(500);
  FakeSocket.latest.accept();
  FakeSocket.latest.drop(4404);
  opened.clock.pass(0);
  FakeSocket.latest.accept();
  assert.equal(FakeSocket.latest.sent[0].type, "start");
});

test("an ended session that nobody knows and of which nothing is left to send is over", () => {
  const opened = liveClient();
  opened.client.end();
  opened.socket.drop(1006);
  opened.clock.pass(500);
  FakeSocket.latest.accept();
  FakeSocket.latest.say(UNKNOWN);
  assert.equal(opened.log.failure.reason, "connection_lost");
});

test("an address that is asked for is asked for each connection", async () => {
  let numAsked = 0;
  const url = async () => {
    numAsked += 1;
    return `ws://hark.test/stream?ticket=${numAsked}`;
  };
  const { clock } = openClient({}, { url });
  await Promise.resolve();
  FakeSocket.latest.accept();
  FakeSocket.latest.say(READY);
  FakeSocket.latest.drop(1006);
  clock.pass(1000);
  await Promise.resolve();
  assert.deepEqual(
    FakeSocket.all.map(({ url }) => url.at(-1)),
    ["1", "2"],
  );
});
