// @ts-check
/** What all pages of the console have: their configuration, their texts, the socket and what is said of it. */

import { readJson, Texts } from "../texts.js";
import { ConsoleSocket } from "./console-socket.js";

/**
 * @typedef {{ key: string, unit: import("./format.js").Unit, title: string, isOptional: boolean, lines: Record<string, string> }} ChartSpec
 * @typedef {{ socket: string, series: string, orders: string, language: string, mayEnd: boolean, mayRead: boolean,
 *   range: string, charts: ChartSpec[], units: Record<string, import("./format.js").Unit> }} Config
 */

/** @type {Config} */
export const config = readJson("console");
export const texts = new Texts(readJson("console-texts"));

/** As the page itself was reached: a proxy may have taken the encryption off. */
function socketUrl() {
  const url = new URL(config.socket, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement} */
export function part(selector, within = document) {
  const element = within.querySelector(selector);
  if (!(element instanceof HTMLElement)) throw new Error(`The page has no ${selector}.`);
  return element;
}

/** @type {Record<string, string>} */
const TONES = { connecting: "off", live: "success", lost: "warning", closed: "danger" };

/** @param {import("./console-socket.js").SocketState} state */
function showState(state) {
  const tag = part("[data-socket]");
  const sentence = texts.get(`socket_${state}`);
  if (tag.textContent === sentence) return;
  tag.textContent = sentence;
  tag.className = `hark-tag hark-${TONES[state]}`;
}

/** One sentence for each thing that is wrong, until it is well again. @param {string} code @param {boolean} isOver */
export function showProblem(code, isOver) {
  const place = part("[data-problems]");
  const shown = place.querySelector(`[data-problem="${code}"]`);
  if (isOver) shown?.remove();
  else if (shown === null) {
    const sentence = document.createElement("p");
    sentence.className = "hark-notice";
    sentence.dataset.problem = code;
    sentence.textContent = texts.get(code);
    place.append(sentence);
  }
}

/**
 * Opens the socket; `handlers` are called with the messages of their type.
 *
 * @param {import("./console-socket.js").Shown} shown @param {Record<string, (message: any) => void>} handlers
 */
export function follow(shown, handlers) {
  const shownHere = { language: config.language, ...shown };
  const socket = new ConsoleSocket(socketUrl(), {
    onState: showState,
    onMessage: (message) => {
      if (message.type === "problem") showProblem(message.code, message.is_over);
      else handlers[message.type]?.(message);
    },
  });
  socket.show(shownHere);
  socket.open();
  return socket;
}

/** @param {string} tag @param {string} text @param {string} [className] */
export function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
