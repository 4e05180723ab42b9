// @ts-check
import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { ConsoleSocket } from "../../static/transcription/js/console/console-socket.js";

/** What a browser's WebSocket is to its user. */
class PlayedSocket {
  static OPEN = 1;
  /** @type {PlayedSocket[]} */
  static all = [];

  constructor() {
    this.readyState = 0;
    /** @type {any[]} */
    this.sent = [];
    PlayedSocket.all.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  accept() {
    this.readyState = PlayedSocket.OPEN;
    /** @type {any} */ (this).onopen();
  }

  /** @param {number} [code] */
  close(code = 1006) {
    this.readyState = 3;
    /** @type {any} */ (this).onclose({ code });
  }

  /** @param {unknown} message */
  tell(message) {
    /** @type {any} */ (this).onmessage({ data: JSON.stringify(message) });
  }
}

function opened() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  PlayedSocket.all = [];
  /** @type {{ states: string[], messages: unknown[] }} */
  const heard = { states: [], messages: [] };
  const handlers = {
    onState: (/** @type {string} */ state) => heard.states.push(state),
    onMessage: (/** @type {unknown} */ message) => heard.messages.push(message),
  };
  const socket = new ConsoleSocket("ws://here/console", handlers, /** @type {any} */ (PlayedSocket));
  socket.show({ topics: ["charts"], range: "1h" });
  socket.open();
  PlayedSocket.all[0].accept();
  return { socket, heard };
}

test("says what the page shows when it is opened, and when that changes", () => {
  const { socket } = opened();
  socket.show({ topics: ["charts"], range: "6h" });

  const ranges = PlayedSocket.all[0].sent.map((message) => message.range);
  assert.deepEqual(ranges, ["1h", "6h"]);
});

test("comes back when it is lost, and says again what the page shows", () => {
  const { heard } = opened();
  PlayedSocket.all[0].tell({ type: "live" });
  PlayedSocket.all[0].close();
  mock.timers.tick(10_000);
  PlayedSocket.all[1].accept();

  assert.deepEqual(heard.states, ["live", "lost"]);
  assert.deepEqual(PlayedSocket.all[1].sent, [{ type: "show", topics: ["charts"], range: "1h" }]);
});

test("gives up a connection on which nothing is heard any more", () => {
  const { heard } = opened();
  PlayedSocket.all[0].tell({ type: "live" });
  mock.timers.tick(10_001);

  assert.deepEqual(heard.states, ["live", "lost"]);
});

for (const code of [1008, 4400, 4403]) {
  test(`does not come back after it was shown out with ${code}`, () => {
    const { heard } = opened();
    PlayedSocket.all[0].close(code);
    mock.timers.tick(60_000);

    assert.deepEqual(heard.states, ["closed"]);
    assert.equal(PlayedSocket.all.length, 1);
  });
}
