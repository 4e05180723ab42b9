// @ts-check
/** The table of live sessions: a row for each, changed in place so that a button keeps its focus. DOM only. */

import { clock, written } from "./format.js";
import { element } from "./page.js";

/**
 * @typedef {{ id: string, who: string, client: string, model: string, language: string, phase: string, is_speaking: boolean,
 *   is_away: boolean, lasted_s: number, received_ms: number, behind_ms: number, num_finals: number, text: string | null }} Session
 * @typedef {{ mayEnd: boolean, mayRead: boolean, language: string }} Rights
 * @typedef {(order: string, session: Session) => void} OnOrder
 */

const ORDERS = ["drain", "end"];
const LATE_MS = 3000;

export class SessionsView {
  /**
   * @param {HTMLElement} table @param {import("../texts.js").Texts} texts @param {Rights} rights @param {OnOrder} onOrder
   */
  constructor(table, texts, rights, onOrder) {
    this.texts = texts;
    this.rights = rights;
    this.onOrder = onOrder;
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
    this.columns = ["who", "state", "model", "lasted", "behind", "finals", ...(rights.mayRead ? ["text"] : [])];
    this.body = document.createElement("tbody");
    table.replaceChildren(this.head(), this.body);
  }

  head() {
    const row = document.createElement("tr");
    const shown = this.rights.mayEnd ? [...this.columns, "orders"] : this.columns;
    row.append(...shown.map((name) => element("th", this.texts.get(`column_${name}`))));
    const head = document.createElement("thead");
    head.append(row);
    return head;
  }

  /** @param {Session[]} sessions in the order in which they are to stand */
  show(sessions) {
    const gone = new Set(this.rows.keys());
    sessions.forEach((session, place) => {
      gone.delete(session.id);
      const row = this.rows.get(session.id) ?? this.newRow(session);
      this.fill(row, session);
      if (this.body.children[place] !== row) this.body.insertBefore(row, this.body.children[place] ?? null);
    });
    for (const id of gone) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
  }

  /** @param {Session} session */
  newRow(session) {
    const row = document.createElement("tr");
    row.dataset.session = session.id;
    for (const name of this.columns) row.append(this.cell(name));
    if (this.rights.mayEnd) row.append(this.orders(session));
    this.rows.set(session.id, row);
    return row;
  }

  /** @param {string} name */
  cell(name) {
    const cell = document.createElement("td");
    cell.dataset.name = name;
    cell.dataset.label = this.texts.get(`column_${name}`);
    return cell;
  }

  /** @param {Session} session */
  orders(session) {
    const cell = this.cell("orders");
    for (const order of ORDERS) {
      const button = /** @type {HTMLButtonElement} */ (
        element("button", this.texts.get(`order_${order}`), "hark-button hark-small")
      );
      button.type = "button";
      button.setAttribute("aria-label", this.texts.get(`order_${order}_who`, { who: this.who(session) }));
      button.addEventListener("click", () => this.onOrder(order, session));
      cell.append(button);
    }
    return cell;
  }

  /** @param {Session} session */
  who(session) {
    return session.who || this.texts.get("on_this_machine");
  }

  /** @param {HTMLTableRowElement} row @param {Session} session */
  fill(row, session) {
    /** @type {Record<string, (cell: HTMLElement) => void>} */
    const fills = {
      who: (cell) => setLines(cell, this.who(session), session.client),
      state: (cell) => this.showState(cell, session),
      model: (cell) => setLines(cell, session.model, session.language),
      lasted: (cell) => setText(cell, clock(session.lasted_s)),
      behind: (cell) => {
        setText(cell, written(session.behind_ms / 1000, "s", this.rights.language));
        cell.classList.toggle("hark-late", session.behind_ms >= LATE_MS);
      },
      finals: (cell) => setText(cell, String(session.num_finals)),
      text: (cell) => {
        setText(cell, session.text || this.texts.get("no_text_yet"));
        cell.classList.toggle("hark-none", !session.text);
      },
    };
    for (const cell of row.cells) fills[cell.dataset.name ?? ""]?.(cell);
  }

  /** @param {HTMLElement} cell @param {Session} session */
  showState(cell, session) {
    const state = session.is_away ? "away" : session.is_speaking ? "speaking" : session.phase;
    const tone = { away: "warning", speaking: "success", live: "info" }[state] ?? "off";
    const tag = cell.firstElementChild ?? cell.appendChild(document.createElement("span"));
    setText(tag, this.texts.get(`phase_${state}`));
    tag.className = `hark-tag hark-${tone}`;
  }
}

/** @param {Element} place @param {string} text */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @param {HTMLElement} cell @param {string} first @param {string} second in small letters below it */
function setLines(cell, first, second) {
  if (cell.children.length === 0) cell.append(element("span", ""), element("small", ""));
  setText(cell.children[0], first || "–");
  setText(cell.children[1], second);
}
