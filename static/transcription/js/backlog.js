// @ts-check
/** Tells a connection that is slow from one that only catches up. Pure. */

/** Unsent audio that counts as a backlog; one that lasts as long makes us say that the connection is slow. */
export const BACKLOG_MS = 2000;

export class Backlog {
  isSlow = false;
  /** @type {number | null} */
  since = null;

  /**
   * @param {boolean} isBackedUp
   * @param {number} now milliseconds that only grow
   * @returns {boolean} whether `isSlow` is another one now
   */
  note(isBackedUp, now) {
    const before = this.isSlow;
    this.since = isBackedUp ? (this.since ?? now) : null;
    this.isSlow = this.since !== null && now - this.since >= BACKLOG_MS;
    return this.isSlow !== before;
  }
}
