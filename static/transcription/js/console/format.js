// @ts-check
/** How numbers of the console are written for people. Pure. */

/** @typedef {"count" | "s" | "bytes" | "ratio" | "per_s" | "per_min"} Unit */

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];
export const NOTHING = "–";

/** @param {number} value @param {string} language @param {number} [digits] */
function plain(value, language, digits = 3) {
  const options = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits };
  return new Intl.NumberFormat(language, options).format(value);
}

/** @param {number} value @param {string} language */
function bytes(value, language) {
  const power = value < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  return `${plain(value / 1000 ** power, language)} ${BYTE_UNITS[power]}`;
}

/** @param {number | null | undefined} value @param {Unit} unit @param {string} language */
export function written(value, unit, language) {
  if (value === null || value === undefined) return NOTHING;
  if (unit === "s") return value < 1 ? `${plain(value * 1000, language)} ms` : `${plain(value, language)} s`;
  if (unit === "bytes") return bytes(value, language);
  if (unit === "ratio") return `${plain(value * 100, language)} %`;
  return plain(value, language);
}

/** @param {number} seconds as 2:03, or 1:02:03 from an hour on */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @param {number} atS Unix seconds @param {string} language @param {number} spanS how much time the chart shows */
export function moment(atS, language, spanS) {
  /** @type {Intl.DateTimeFormatOptions} */
  const day = spanS > 86_400 ? { month: "numeric", day: "numeric" } : {};
  /** @type {Intl.DateTimeFormatOptions} */
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const seconds = spanS < 3600 ? { second: /** @type {const} */ ("2-digit") } : {};
  return new Intl.DateTimeFormat(language, { ...day, ...time, ...seconds }).format(atS * 1000);
}
