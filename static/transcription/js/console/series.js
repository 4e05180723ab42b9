// @ts-check
/** The data of all charts: what was loaded, and what comes after it. Pure. */

/**
 * @typedef {{ key: string, values: (number | null)[] }} LineData
 * @typedef {{ key: string, lines: LineData[] }} ChartData
 * @typedef {{ key: string, value: number | null }} Tile
 * @typedef {{ title: string, severity: string, state: string, since: string, url: string }} Alert
 * @typedef {{ range: string, step_s: number, is_whole: boolean, at_s: number[], charts: ChartData[], tiles: Tile[] }} Charts
 */

/** @param {number} length @returns {null[]} */
const nothing = (length) => new Array(length).fill(null);

/**
 * `known` with the newer points of `news` in the place of the same ones, and as many points as before at most.
 * Where the steps do not fit together, `known` stays as it is.
 *
 * @param {Charts} known @param {Charts} news @returns {Charts}
 */
export function merged(known, news) {
  const [first] = news.at_s;
  if (first === undefined || news.range !== known.range) return known;
  const numKept = known.at_s.findIndex((atS) => atS >= first);
  const kept = numKept === -1 ? known.at_s.length : numKept;
  const drop = Math.max(0, kept + news.at_s.length - known.at_s.length);
  const charts = news.charts.map((chart) => {
    const former = known.charts.find((each) => each.key === chart.key) ?? { key: chart.key, lines: [] };
    return { key: chart.key, lines: mergedLines(former.lines, chart.lines, drop, kept, news.at_s.length) };
  });
  return { ...news, is_whole: true, at_s: [...known.at_s.slice(drop, kept), ...news.at_s], charts };
}

/**
 * @param {LineData[]} former @param {LineData[]} newer @param {number} drop @param {number} kept @param {number} numNew
 * @returns {LineData[]}
 */
function mergedLines(former, newer, drop, kept, numNew) {
  const keys = [...new Set([...former, ...newer].map((line) => line.key))];
  const joined = keys.map((key) => {
    const before = former.find((line) => line.key === key)?.values.slice(drop, kept) ?? nothing(kept - drop);
    const after = newer.find((line) => line.key === key)?.values ?? nothing(numNew);
    return { key, values: [...before, ...after] };
  });
  return joined.filter((line) => line.values.some((value) => value !== null) || newer.some((each) => each.key === line.key));
}

/** @param {LineData} line @returns {number | null} the last value that was measured */
export function latest(line) {
  return line.values.findLast((value) => value !== null) ?? null;
}

/** @param {ChartData} chart */
export const isEmpty = (chart) => chart.lines.every((line) => line.values.every((value) => value === null));
