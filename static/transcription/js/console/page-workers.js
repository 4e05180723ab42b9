// @ts-check
/** The inference processes: whether each is ready, what it has to do, which models it has. */

import { written } from "./format.js";
import { config, element, follow, part, texts } from "./page.js";

/**
 * @typedef {{ name: string, engine: string, precision: string, memory_bytes: number, is_draining: boolean }} Model
 * @typedef {{ name: string, node: string, is_ready: boolean, detail: string, num_streams: number, busy: number, queue_ms: number,
 *   stalled_ms: number, is_full: boolean, is_overloaded: boolean, models: Model[] }} Worker
 */

const STALLED_MS = 5000;
let shown = "";

/** @param {{ workers: Worker[] }} message */
function show(message) {
  const now = JSON.stringify(message.workers);
  if (now === shown) return;
  shown = now;
  part("[data-workers]").replaceChildren(...message.workers.map(card));
}

/** @param {Worker} worker */
function card(worker) {
  const section = element("section", "", "hark-card");
  section.setAttribute("aria-label", worker.name);
  const head = element("header", "", "hark-card-head");
  const [state, tone] = condition(worker);
  head.append(
    element("h2", worker.name),
    element("span", texts.get(`worker_${state}`), `hark-tag hark-${tone}`),
    element("span", worker.node),
  );
  section.append(head, facts(worker));
  if (worker.detail) section.append(element("p", worker.detail, "hark-notice"));
  section.append(worker.models.length ? models(worker.models) : element("p", texts.get("no_model")));
  return section;
}

/** @param {Worker} worker @returns {[string, string]} */
function condition(worker) {
  if (!worker.is_ready) return ["waits", "danger"];
  if (worker.stalled_ms >= STALLED_MS) return ["stalled", "danger"];
  if (worker.is_overloaded) return ["overloaded", "warning"];
  return worker.is_full ? ["full", "warning"] : ["ready", "success"];
}

/** @param {Worker} worker */
function facts(worker) {
  const list = element("dl", "", "hark-tiles");
  /** @type {[string, string][]} */
  const values = [
    ["worker_streams", String(worker.num_streams)],
    ["worker_busy", written(worker.busy, "ratio", config.language)],
    ["worker_queue", written(worker.queue_ms / 1000, "s", config.language)],
  ];
  for (const [key, value] of values) {
    const tile = element("div", "", "hark-tile");
    tile.append(element("dt", texts.get(key)), element("dd", value));
    list.append(tile);
  }
  return list;
}

/** @param {Model[]} rows */
function models(rows) {
  const table = element("table", "", "hark-table");
  const head = document.createElement("tr");
  head.append(
    ...["column_model", "column_engine", "column_precision", "column_memory"].map((key) => element("th", texts.get(key))),
  );
  table.append(head, ...rows.map(modelRow));
  const scroll = element("div", "", "hark-scroll");
  scroll.append(table);
  return scroll;
}

/** @param {Model} model */
function modelRow(model) {
  const row = document.createElement("tr");
  const name = element("td", model.name);
  if (model.is_draining) name.append(" ", element("span", texts.get("model_draining"), "hark-tag hark-warning"));
  const memory = model.memory_bytes ? written(model.memory_bytes, "bytes", config.language) : "–";
  row.append(name, element("td", model.engine), element("td", model.precision || "–"), element("td", memory));
  return row;
}

follow({ topics: ["workers"] }, { workers: show });
