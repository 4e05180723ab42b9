// @ts-check
/** A server that keeps the rules behind a network that keeps none: it cuts, loses, doubles and mixes up what is sent. */
import assert from "node:assert/strict";
import test from "node:test";
import { DONE, FakeClock, FakeSocket, FRAME_SAMPLES, final, openClient, READY, RESUMED } from "./played-server.js";

const SAMPLES_PER_FINAL = 4 * FRAME_SAMPLES;

/** @param {number} seed @returns {() => number} in [0, 1). Source: https://en.wikipedia.org/wiki/Xorshift, CC0 */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Keeps a session over many sockets; "recognises" by writing a final for every few frames. */
class ScriptedServer {
  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
    /** @type {number[]} samples, `undefined` where none came yet */
    this.audio = [];
    this.received = 0;
    this.numFinals = 0;
    /** @type {number | null} */
    this.total = null;
    this.numCuts = 0;
    this.knowsSession = false;
  }

  /** @param {FakeSocket} socket what the client has sent since the last turn */
  serve(socket) {
    const messages = this.#mixUp(socket.sent.splice(0));
    for (const message of messages) this.#take(socket, message);
    if (!this.knowsSession || !socket.isGreeted) return;
    this.#ack(socket);
    this.#tellFinals(socket, this.numFinals);
    if (this.total !== null && this.received >= this.total) socket.say(DONE);
  }

  /** Some audio is lost, some comes twice, some trades places. @param {any[]} messages */
  #mixUp(messages) {
    const arrived = messages.flatMap((message) => {
      if (message.type !== "audio") return [message];
      const chance = this.random();
      if (chance < 0.05) return [];
      return chance < 0.15 ? [message, message] : [message];
    });
    for (let index = 1; index < arrived.length; index += 1) {
      const isAudio = arrived[index].type === "audio" && arrived[index - 1].type === "audio";
      if (isAudio && this.random() < 0.1) [arrived[index - 1], arrived[index]] = [arrived[index], arrived[index - 1]];
    }
    return arrived;
  }

  /** @param {FakeSocket} socket @param {any} message */
  #take(socket, message) {
    if (message.type === "start") this.#greet(socket, READY);
    if (message.type === "resume") {
      assert.equal(this.knowsSession, true);
      this.#greet(socket, { ...RESUMED, offset: this.received });
      // Everything since the client's own count, and one that it has: servers may be generous.
      this.#tellFinals(socket, Math.max(0, message.next_segment - 1));
    }
    if (message.type === "audio")
      for (const [index, sample] of message.samples.entries()) this.audio[message.offset + index] = sample;
    if (message.type === "end") this.total = message.samples;
    while (this.audio[this.received] !== undefined) this.received += 1;
  }

  /** @param {FakeSocket} socket @param {object} message */
  #greet(socket, message) {
    this.knowsSession = true;
    socket.isGreeted = true;
    socket.say(message);
  }

  /** @param {FakeSocket} socket */
  #ack(socket) {
    const settled = this.numFinals * SAMPLES_PER_FINAL;
    socket.say({ type: "ack", received: this.received, settled, credit_ms: 3000 });
    const end = Math.max(this.audio.length, this.total ?? 0);
    if (this.received < end) socket.say({ type: "nack", from: this.received, to: end });
  }

  /** @param {FakeSocket} socket @param {number} from */
  #tellFinals(socket, from) {
    const until = Math.floor(this.received / SAMPLES_PER_FINAL);
    for (let number = from; number < until; number += 1) {
      if (socket.readyState === FakeSocket.OPEN) socket.say(final(number, `${number}`, (number + 1) * 400));
    }
    if (socket.readyState === FakeSocket.OPEN) this.numFinals = Math.max(this.numFinals, until);
  }
}

/** @param {number} number @returns {ArrayBuffer} 100 ms in which every sample is different from its neighbours' frames */
function frameOf(number) {
  return new Int16Array(FRAME_SAMPLES).fill(number + 1).buffer;
}

/** @param {number} seed @param {{cutShare: number}} options */
function talkThroughChaos(seed, { cutShare }) {
  const random = randomFrom(seed);
  const server = new ScriptedServer(random);
  const { client, clock, log } = openClient({}, { random });
  let numSpoken = 0;
  for (let turn = 0; turn < 3000 && log.states.at(-1) !== "idle"; turn += 1) {
    clock.pass(100);
    if (numSpoken < 300) client.sendAudio(frameOf(numSpoken++));
    else client.end();
    playNetwork(server, random, cutShare);
  }
  return { server, log, numSpoken };
}

/** One turn: sockets open, die, or deliver. @param {ScriptedServer} server @param {() => number} random @param {number} cutShare */
function playNetwork(server, random, cutShare) {
  const socket = FakeSocket.latest;
  if (socket.readyState === 0) playHandshake(server, random, socket);
  if (socket.readyState !== FakeSocket.OPEN) return;
  const isCut = random() < cutShare;
  // What was sent before a cut may have arrived all the same; the client never hears of it.
  if (!isCut || random() < 0.5) server.serve(socket);
  if (!isCut || socket.readyState !== FakeSocket.OPEN) return;
  server.numCuts += 1;
  socket.drop(socket.isGreeted && random() < 0.5 ? 1011 : 1006);
}

/** @param {ScriptedServer} server @param {() => number} random @param {FakeSocket} socket */
function playHandshake(server, random, socket) {
  // The first handshake is not tried again: whoever cannot connect at all should know at once.
  if (server.knowsSession && random() < 0.3) socket.drop(1006);
  else if (random() < 0.5) socket.accept();
}

for (const seed of [1, 2, 3, 5, 8, 13, 21, 34]) {
  test(`through a bad network every sample arrives once and every final is told once (seed ${seed})`, () => {
    const { server, log, numSpoken } = talkThroughChaos(seed, { cutShare: 0.08 });
    assert.equal(log.states.at(-1), "idle", JSON.stringify(log.failure));
    assert.ok(server.numCuts >= 5, `${server.numCuts} cuts`);
    const expected = Array.from({ length: numSpoken * FRAME_SAMPLES }, (_, index) => Math.floor(index / FRAME_SAMPLES) + 1);
    assert.deepEqual(server.audio, expected);
    const told = log.messages.filter(({ type }) => type === "final").map(({ text }) => Number(text));
    assert.deepEqual(
      told,
      Array.from({ length: numSpoken / 4 }, (_, number) => number),
    );
    assert.deepEqual(log.dropped, []);
  });
}

test("in a network that keeps the rules nothing is sent twice", () => {
  const { socket, client, clock } = openClient();
  assert.ok(clock instanceof FakeClock);
  socket.accept();
  socket.say(READY);
  for (let number = 0; number < 50; number += 1) client.sendAudio(frameOf(number));
  assert.equal(new Set(socket.offsets).size, socket.offsets.length);
});
