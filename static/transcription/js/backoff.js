// @ts-check
/** When to try again after a connection was lost, and when to give up. Pure: the caller brings time and chance. */

export const FIRST_MS = 250;
export const LONGEST_MS = 5000;
/** One try; a network that swallows everything would keep us waiting for minutes. */
export const TRY_TIMEOUT_MS = 10000;
/** A connection that lasted as long was a good one: the next loss is a new one. */
export const STEADY_MS = 5000;
/** How long a server keeps a session when it has not said so. */
const RESUME_WITHIN_S = 120;

/** Waiting times that grow with each try and differ from client to client, so that not all come back at once. */
export class Backoff {
  /** @param {() => number} random in [0, 1) */
  constructor(random) {
    this.random = random;
    this.numTries = 0;
  }

  /** @returns {number} milliseconds, between FIRST_MS and LONGEST_MS */
  next() {
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.numTries + 1));
    this.numTries += 1;
    return FIRST_MS + this.random() * (longest - FIRST_MS);
  }

  reset() {
    this.numTries = 0;
  }
}

/** An absence, from the loss of a good connection to the next good one. */
export class Absence {
  /** @param {() => number} random in [0, 1) */
  constructor(random) {
    this.backoff = new Backoff(random);
    this.withinMs = RESUME_WITHIN_S * 1000;
    /** @type {number | null} */
    this.since = null;
    this.tryAt = 0;
    /** @type {number | null} null: no try is under way */
    this.triedAt = null;
    /** @type {number | null} null: we are away */
    this.backAt = null;
  }

  /**
   * The connection, or a try to get one, is lost.
   *
   * @param {number} now milliseconds that only grow, here and below
   * @param {number | null} [waitMs] what the server asked for; null leaves it to chance
   * @returns {number} how long to wait
   */
  begin(now, waitMs = null) {
    this.since ??= now;
    this.triedAt = null;
    this.backAt = null;
    const wait = waitMs ?? this.backoff.next();
    this.tryAt = now + wait;
    return wait;
  }

  /** @param {number} now */
  tried(now) {
    this.triedAt = now;
  }

  /** We have an answer; whether it lasts shows in `look`. @param {number} now */
  back(now) {
    this.triedAt = null;
    this.backAt = now;
  }

  /** Whether the last loss, if any, was followed by a good connection. */
  get isSteady() {
    return this.since === null;
  }

  /** @param {number} now @returns {"fine" | "wait" | "try" | "stuck" | "over"} what is to be done */
  look(now) {
    if (this.backAt !== null) return this.#settle(now, this.backAt);
    if (this.since !== null && now - this.since > this.withinMs) return "over";
    if (this.triedAt !== null) return now - this.triedAt > TRY_TIMEOUT_MS ? "stuck" : "wait";
    return now >= this.tryAt ? "try" : "wait";
  }

  /** @param {number} now @param {number} backAt @returns {"fine"} */
  #settle(now, backAt) {
    if (now - backAt > STEADY_MS) {
      this.since = null;
      this.backoff.reset();
    }
    return "fine";
  }
}
