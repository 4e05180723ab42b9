// @ts-check
/** What a close code means for a client: which sentence tells of it, and whether coming back is of any use. Pure. */

import { CLOSE_CODES } from "./protocol.js";

/** @type {Record<number, string>} */
const REASONS = {
  [CLOSE_CODES.DRAINING]: "server_draining",
  [CLOSE_CODES.POLICY]: "refused",
  [CLOSE_CODES.INTERNAL]: "internal",
  [CLOSE_CODES.FULL]: "server_full",
  [CLOSE_CODES.BAD_REQUEST]: "refused",
  [CLOSE_CODES.NOT_AUTHENTICATED]: "not_signed_in",
  [CLOSE_CODES.FORBIDDEN]: "not_signed_in",
  [CLOSE_CODES.IDLE]: "idle_timeout",
};

/** @type {ReadonlySet<number>} */
const FINAL = new Set([
  CLOSE_CODES.DONE,
  CLOSE_CODES.POLICY,
  CLOSE_CODES.BAD_REQUEST,
  CLOSE_CODES.NOT_AUTHENTICATED,
  CLOSE_CODES.FORBIDDEN,
  CLOSE_CODES.IDLE,
]);

/** No code at all, an abnormal end, a server that was stopped. @type {ReadonlySet<number>} */
const CUT = new Set([1005, 1006, 1012]);

/** @param {number} code @param {boolean} wasOpen whether the handshake had succeeded @returns {string} */
export function reasonOfClose(code, wasOpen) {
  return REASONS[code] ?? (wasOpen ? "connection_lost" : "could_not_connect");
}

/** Whether the server has nothing more to say to us, however often we come back. @param {number} code */
export function isFinalClose(code) {
  return FINAL.has(code);
}

/** Whether it was an accident: nobody on the other side decided it. @param {number} code */
export function isCut(code) {
  return CUT.has(code);
}

/** The same audio would fail again. */
const FINAL_ERRORS = new Set(["recognition_failed"]);

/** @param {import("./protocol.js").SessionError} error */
export function isFinalError({ code, retryable }) {
  return !retryable || FINAL_ERRORS.has(code);
}
