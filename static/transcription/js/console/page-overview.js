// @ts-check
/** The overview: numbers of now, charts of a range, alerts, web processes. */

import { Chart } from "./chart.js";
import { moment, written } from "./format.js";
import { config, element, follow, part, showProblem, texts } from "./page.js";
import { merged } from "./series.js";

const TRY_AGAIN_MS = 5000;

/** @type {import("./series.js").Charts | null} */
let known = null;
let range = config.range;

const charts = config.charts.map((spec) => {
  const section = part(`[data-chart="${spec.key}"]`);
  return new Chart(section, spec, config.language, texts);
});

const TOPICS = ["charts", "alerts"];
const socket = follow({ topics: TOPICS, range }, { live: showLive, charts: takeNews, alerts: showAlerts });

/**
 * @typedef {{ num_connections: number, num_sessions: number, num_speaking: number }} Numbers
 * @param {Numbers & { processes: (Numbers & { node: string })[] }} live
 */
function showLive(live) {
  showTile("connections", live.num_connections, "count");
  showTile("sessions", live.num_sessions, "count");
  showTile("speaking", live.num_speaking, "count");
  const lines = live.processes.map((process) => {
    const numbers = { connections: process.num_connections, sessions: process.num_sessions, speaking: process.num_speaking };
    const line = texts.get("process_line", numbers);
    const item = element("li", "");
    item.append(element("strong", process.node), ` ${line}`);
    return item;
  });
  part("[data-processes]").replaceChildren(...(lines.length ? lines : [element("li", texts.get("no_process"))]));
}

/** @param {string} key @param {number | null} value @param {import("./format.js").Unit} unit */
function showTile(key, value, unit) {
  const place = document.querySelector(`[data-tile="${key}"]`);
  if (place !== null) place.textContent = written(value, unit, config.language);
}

/** @param {{ alerts: import("./series.js").Alert[] }} message */
function showAlerts(message) {
  const items = message.alerts.map((alert) => {
    const item = element("li", "");
    const link = element("a", alert.title);
    link.setAttribute("href", alert.url);
    const tone = alert.severity === "critical" ? "danger" : "warning";
    const since = moment(Date.parse(alert.since) / 1000, config.language, Infinity);
    item.append(element("span", texts.get(`alert_${alert.state}`), `hark-tag hark-${tone}`), " ", link, ` ${since}`);
    return item;
  });
  part("[data-alerts]").replaceChildren(...(items.length ? items : [element("li", texts.get("no_alert"))]));
}

/** @param {import("./series.js").Charts} data */
function show(data) {
  known = data;
  for (const chart of charts) {
    const found = data.charts.find((each) => each.key === chart.spec.key);
    if (found !== undefined) chart.show(data.at_s, found);
  }
  for (const tile of data.tiles) showTile(tile.key, tile.value, config.units[tile.key]);
}

/** After a long absence there is a hole between what is known and what is new. @param {import("./series.js").Charts} news */
function takeNews(news) {
  if (known === null || news.range !== range) return;
  if ((news.at_s[0] ?? 0) > (known.at_s.at(-1) ?? 0) + known.step_s) load();
  else show(merged(known, news));
}

/** The whole range; the socket brings what comes after it. */
async function load() {
  const wanted = range;
  const data = await fetched(`${config.series}?range=${wanted}`);
  if (wanted !== range) return;
  showProblem("charts_failed", data !== null);
  if (data !== null) show(data);
  else setTimeout(load, TRY_AGAIN_MS);
}

/** @param {string} url @returns {Promise<import("./series.js").Charts | null>} null: no answer now */
async function fetched(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @param {string} chosen */
function choose(chosen) {
  range = chosen;
  for (const button of document.querySelectorAll("[data-range]")) {
    button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.range === range));
  }
  history.replaceState(null, "", `?range=${range}`);
  socket.show({ topics: TOPICS, range, language: config.language });
  load();
}

for (const button of document.querySelectorAll("[data-range]")) {
  button.addEventListener("click", () => choose(/** @type {HTMLElement} */ (button).dataset.range ?? range));
}
// The theme can be changed while the page is open.
new MutationObserver(() => {
  for (const chart of charts) if (chart.plot !== null) chart.draw();
}).observe(document.documentElement, { attributeFilter: ["class"] });
load();
