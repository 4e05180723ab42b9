// @ts-check
/**
 * One transcript out of several sockets and, if it must be, several sessions: how to greet the server, which results are
 * known already, and how those of a later session get numbers and times that go on from the one before. Pure.
 */

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */

const TIME_FIELDS = Object.freeze(["start_ms", "end_ms", "at_ms", "from_ms", "to_ms"]);
const NUMBER_FIELDS = Object.freeze(["segment", "from_segment"]);

export class Continuity {
  /** @type {{session: string, token: string} | null} what a new socket shows; null: it begins a session */
  ticket = null;
  /** Whether the server lets us come back. */
  canReturn = false;
  /** Number of the first final that this session still owes. */
  nextSegment = 0;
  /** Where its last final ended, in its own time. */
  finalMs = 0;
  gapMs = 0;
  earlierSegments = 0;
  earlierMs = 0;

  /** @param {Record<string, unknown>} startFields */
  constructor(startFields) {
    this.startFields = startFields;
  }

  /**
   * @param {number} oldest sample that can still be sent
   * @returns {[type: string, fields: Record<string, unknown>]} the first message on a new socket
   */
  greeting(oldest) {
    if (this.ticket === null) return ["start", this.startFields];
    return ["resume", { ...this.ticket, next_segment: this.nextSegment, oldest }];
  }

  /** @param {import("./protocol.js").Ready} ready */
  opened({ session, resume_token }) {
    this.canReturn = resume_token !== null;
    this.ticket = resume_token === null ? null : { session, token: resume_token };
  }

  /** @param {ServerMessage} message @returns {ServerMessage | null} as the reader should get it; null: it is known already */
  take(message) {
    if (this.#isKnown(message)) return null;
    if (message.type === "final") {
      this.nextSegment = message.segment + 1;
      this.finalMs = message.end_ms;
    }
    if (message.type === "gap") this.gapMs = message.to_ms;
    return this.#moved(message);
  }

  /** A new session goes on from `ms`, counted since the first one began. @param {number} ms */
  restart(ms) {
    const metadata = { .../** @type {object} */ (this.startFields.metadata), continues: this.ticket?.session };
    this.startFields = { ...this.startFields, metadata };
    this.ticket = null;
    // What the old session left unfinished is heard again: its number belongs to the new session's first segment.
    this.earlierSegments += this.nextSegment;
    this.earlierMs = ms;
    Object.assign(this, { nextSegment: 0, finalMs: 0, gapMs: 0 });
  }

  /** @param {ServerMessage} message */
  #isKnown(message) {
    if (message.type === "partial" || message.type === "final") return message.segment < this.nextSegment;
    return message.type === "gap" && message.to_ms <= this.gapMs;
  }

  /** @template {ServerMessage} T @param {T} message @returns {T} */
  #moved(message) {
    if (this.earlierMs === 0 && this.earlierSegments === 0) return message;
    const moved = /** @type {Record<string, any>} */ (shifted(message, this.earlierMs));
    for (const field of NUMBER_FIELDS) if (field in moved) moved[field] += this.earlierSegments;
    if ("words" in message) moved.words = message.words.map((word) => shifted(word, this.earlierMs));
    return /** @type {T} */ (moved);
  }
}

/** @template {object} T @param {T} timed @param {number} ms @returns {T} a copy, its times later by `ms` */
function shifted(timed, ms) {
  const copy = /** @type {Record<string, any>} */ ({ ...timed });
  for (const field of TIME_FIELDS) if (field in copy) copy[field] += ms;
  return /** @type {T} */ (copy);
}
