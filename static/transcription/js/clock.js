// @ts-check
/** The browser's clock, in one piece, so that tests can bring their own. */

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds that only grow
 * @property {(ms: number, task: () => void) => () => void} after runs `task` later; returns what cancels it
 */

/** @type {Clock} */
export const PAGE_CLOCK = Object.freeze({
  now: () => performance.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
});
