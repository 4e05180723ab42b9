// @ts-check
/** Draws the transcript. DOM only: a line is touched when its value is another one than before. */

import { formatClock } from "./transcript-state.js";

/** @typedef {import("./transcript-state.js").Transcript} Transcript */
/** @typedef {import("./transcript-state.js").Line} Line */

const NEAR_BOTTOM_PX = 80;

/** @param {string} tag @param {string} className @param {string} [text] */
function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** @param {Line} line */
function drawLine(line) {
  const item = make("li", line.isFinal ? "line is-final" : "line is-partial");
  const text = make("p", "line-text");
  if (line.stable) text.append(make("span", "stable", line.stable));
  // The gap between the words stays outside, so that the dotted line begins under a letter.
  const unstable = line.unstable.trimStart();
  text.append(line.unstable.slice(0, line.unstable.length - unstable.length));
  if (unstable) text.append(make("span", "unstable", unstable));
  item.append(make("span", "line-time", formatClock(line.startMs)), text);
  return item;
}

export class TranscriptView {
  /** @param {{list: HTMLElement, paper: HTMLElement, empty: HTMLElement, spoken: HTMLElement}} elements */
  constructor({ list, paper, empty, spoken }) {
    this.list = list;
    this.paper = paper;
    this.empty = empty;
    this.spoken = spoken;
    /** @type {Map<number, {line: Line, item: HTMLElement}>} */
    this.drawn = new Map();
  }

  /** @param {Transcript} transcript */
  draw(transcript) {
    const follows = this.#isNearBottom();
    this.#removeOthers(new Set(transcript.lines.map((line) => line.segment)));
    for (const line of transcript.lines) this.#place(line);
    this.empty.hidden = transcript.lines.length > 0;
    if (follows) this.#scrollDown();
  }

  /** @param {Set<number>} segments */
  #removeOthers(segments) {
    for (const [segment, { item }] of this.drawn) {
      if (segments.has(segment)) continue;
      item.remove();
      this.drawn.delete(segment);
    }
  }

  /** @param {Line} line */
  #place(line) {
    const old = this.drawn.get(line.segment);
    if (old?.line === line) return;
    const item = drawLine(line);
    if (old !== undefined) old.item.replaceWith(item);
    else this.list.insertBefore(item, this.#itemAfter(line.segment));
    this.drawn.set(line.segment, { line, item });
    // Only what is final is read aloud: a screen reader cannot follow text that changes five times a second.
    if (line.isFinal) this.spoken.textContent = line.stable;
  }

  /** @param {number} segment @returns {HTMLElement | null} null: the end, behind the remarks */
  #itemAfter(segment) {
    const later = [...this.drawn.keys()].filter((other) => other > segment);
    return later.length === 0 ? null : (this.drawn.get(Math.min(...later))?.item ?? null);
  }

  /** @param {string} text a remark between the lines, such as missing audio */
  remark(text) {
    this.list.append(make("li", "remark", text));
  }

  clear() {
    this.drawn.clear();
    this.list.replaceChildren();
    this.spoken.textContent = "";
    this.empty.hidden = false;
  }

  #isNearBottom() {
    const box = this.#scrolls() ? this.paper : document.documentElement;
    return box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM_PX;
  }

  /** On a wide page the paper scrolls, on a phone the page does. */
  #scrolls() {
    return getComputedStyle(this.paper).overflowY === "auto";
  }

  #scrollDown() {
    const box = this.#scrolls() ? this.paper : document.documentElement;
    box.scrollTop = box.scrollHeight;
  }
}
