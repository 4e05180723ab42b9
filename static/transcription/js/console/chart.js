// @ts-check
/** One chart: drawn by uPlot, read out with the arrow keys, written as a table on demand. */

import uPlot from "../../vendor/uplot/uPlot.esm.js";
import { moment, written } from "./format.js";
import { element, part } from "./page.js";
import { isEmpty, latest } from "./series.js";

const HEIGHT_PX = 190;
const NUM_COLOURS = 8;
const MAX_ROWS = 60;

/** @param {string} name of a custom property */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  /**
   * @param {HTMLElement} section @param {import("./page.js").ChartSpec} spec @param {string} language
   * @param {import("../texts.js").Texts} texts
   */
  constructor(section, spec, language, texts) {
    this.section = section;
    this.spec = spec;
    this.language = language;
    this.texts = texts;
    this.place = part("[data-plot]", section);
    this.details = /** @type {HTMLDetailsElement} */ (part("details", section));
    /** @type {uPlot | null} */
    this.plot = null;
    this.drawn = "";
    /** @type {number[]} */
    this.atS = [];
    /** @type {import("./series.js").ChartData} */
    this.data = { key: spec.key, lines: [] };
    this.place.addEventListener("keydown", (event) => this.onKey(event));
    this.details.addEventListener("toggle", () => this.fillTable());
    new ResizeObserver(() => this.plot?.setSize({ width: this.width, height: HEIGHT_PX })).observe(this.place);
  }

  get width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  get spanS() {
    return (this.atS.at(-1) ?? 0) - (this.atS[0] ?? 0);
  }

  /** @param {string} key */
  title(key) {
    return this.spec.lines[key] ?? key;
  }

  /** @param {number | null | undefined} value */
  say(value) {
    return written(value, this.spec.unit, this.language);
  }

  /** @param {number[]} atS @param {import("./series.js").ChartData} data */
  show(atS, data) {
    this.atS = atS;
    this.data = data;
    const hasNothing = isEmpty(data);
    if (this.spec.isOptional) this.section.hidden = hasNothing;
    this.section.classList.toggle("hark-empty", hasNothing);
    this.place.dataset.empty = this.texts.get("nothing_measured");
    const keys = data.lines.map((line) => line.key).join("\n");
    if (this.plot === null || this.drawn !== keys) this.draw(keys);
    else this.plot.setData(this.table);
    this.showLatest();
    this.describe();
    this.fillTable();
  }

  showLatest() {
    const index = this.atS.findLastIndex((_atS, place) => this.data.lines.some((line) => line.values[place] !== null));
    if (index !== -1 && this.plot?.cursor.idx === null) this.plot.setLegend({ idx: index }, false);
  }

  /** @returns {uPlot.AlignedData} */
  get table() {
    return [this.atS, ...this.data.lines.map((line) => line.values)];
  }

  /** Anew: with other lines, or other colours. @param {string} [keys] */
  draw(keys = this.drawn) {
    this.plot?.destroy();
    this.drawn = keys;
    this.plot = new uPlot(this.options, this.table, this.place);
  }

  /** @returns {uPlot.Options} */
  get options() {
    const axis = { stroke: colour("--hark-faint"), grid: { stroke: colour("--hark-grid"), width: 1 }, ticks: { show: false } };
    return {
      width: this.width,
      height: HEIGHT_PX,
      cursor: { y: false, points: { size: 7 } },
      // Where nobody points at it, the legend says what was measured last.
      hooks: { setCursor: [(plot) => plot.cursor.idx === null && this.showLatest()] },
      scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...axis, space: 70, size: 30, values: (_plot, splits) => splits.map((atS) => moment(atS, this.language, this.spanS)) },
        { ...axis, size: 64, space: 34, values: (_plot, splits) => splits.map((value) => this.say(value)) },
      ],
      series: [
        {
          value: (_plot, atS) => (atS === null ? "" : moment(atS, this.language, this.spanS)),
          label: this.texts.get("column_time"),
        },
        ...this.data.lines.map((line, number) => this.series(line, number)),
      ],
    };
  }

  /** @param {import("./series.js").LineData} line @param {number} number @returns {uPlot.Series} */
  series(line, number) {
    return {
      label: this.title(line.key),
      stroke: colour(`--hark-line-${number % NUM_COLOURS}`),
      dash: number >= NUM_COLOURS ? [6, 4] : [],
      width: 2,
      value: (_plot, value) => this.say(value),
    };
  }

  /** For those who do not see it: what it says now. */
  describe() {
    const values = this.data.lines.map((line) => `${this.title(line.key)} ${this.say(latest(line))}`);
    this.place.setAttribute("aria-label", `${this.spec.title}: ${values.join(", ")}`);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || this.plot === null || this.atS.length === 0) return;
    event.preventDefault();
    const last = this.atS.length - 1;
    const index = Math.min(last, Math.max(0, (this.plot.cursor.idx ?? last) + step));
    const left = this.plot.valToPos(this.atS[index], "x");
    this.plot.setCursor({ left, top: 0 });
    this.read(index);
  }

  /** @param {number} index */
  read(index) {
    const values = this.data.lines.map((line) => `${this.title(line.key)} ${this.say(line.values[index])}`).join(", ");
    const time = moment(this.atS[index], this.language, this.spanS);
    part("[data-reading]", this.section).textContent = this.texts.get("reading", { time, values });
  }

  /** The newest points first; only while it is open. */
  fillTable() {
    if (!this.details.open) return;
    const head = document.createElement("tr");
    head.append(
      element("th", this.texts.get("column_time")),
      ...this.data.lines.map((line) => element("th", this.title(line.key))),
    );
    const rows = this.atS
      .map((atS, index) => {
        const row = document.createElement("tr");
        const cells = this.data.lines.map((line) => element("td", this.say(line.values[index])));
        row.append(element("th", moment(atS, this.language, this.spanS)), ...cells);
        return row;
      })
      .slice(-MAX_ROWS)
      .reverse();
    part("[data-table]", this.section).replaceChildren(head, ...rows);
  }
}
