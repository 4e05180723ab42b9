// @ts-check
/**
 * Whether the other side is still there. Pure: it counts no timers, only compares the times of messages, so that a hidden
 * tab whose timers hardly run does not take its own sleep for the server's.
 */

export const PING_EVERY_MS = 10000;
/** Silence that counts as the end, when a question has stood open for half of it. */
export const SILENT_MS = 20000;
/** Longer between two looks: we slept, and what came meanwhile may not have been read yet. */
const SLEPT_MS = 5000;

export class Heartbeat {
  /** @param {number} now milliseconds that only grow, here and below */
  constructor(now) {
    this.lookedAt = now;
    this.pingedAt = now;
    this.askedAt = now;
    this.heardAt = now;
    this.isAsked = false;
    this.hadGrace = false;
  }

  /** A message came. @param {number} now */
  heard(now) {
    this.heardAt = now;
    this.isAsked = false;
    this.hadGrace = false;
  }

  /**
   * To be called once a second, as far as the browser allows.
   *
   * @param {number} now
   * @returns {"fine" | "ping" | "dead"} "ping": ask now
   */
  look(now) {
    const hasSlept = now - this.lookedAt > SLEPT_MS;
    this.lookedAt = now;
    if (this.isAsked && hasSlept && !this.hadGrace) {
      this.hadGrace = true;
      return this.#ask(now);
    }
    if (this.isAsked && now - this.heardAt > SILENT_MS && now - this.askedAt >= SILENT_MS / 2) return "dead";
    return now - this.pingedAt >= PING_EVERY_MS ? this.#ask(now) : "fine";
  }

  /** @param {number} now @returns {"ping"} */
  #ask(now) {
    if (!this.isAsked || this.hadGrace) this.askedAt = now;
    this.isAsked = true;
    this.pingedAt = now;
    return "ping";
  }
}
