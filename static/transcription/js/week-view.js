// @ts-check
/** The week of a route on a page of the admin site, drawn as templates/admin/transcription/parts/week.html draws it. DOM only. */

/**
 * @typedef {{ left: number, width: number, model: string, colour: number, because: string, title: string }} Bar
 * @typedef {{ name: string, date: string, bars: Bar[], conflicts: Bar[], now: number | null }} Day
 * @typedef {{ zone: string, days: Day[], models: [string, number][] }} Week
 * @typedef {{ zone: string, clash: string }} Texts
 */

const HOURS = ["0", "6", "12", "18", "24"];

/** @param {Element} place @param {Week | null} week @param {Texts} texts */
export function showWeek(place, week, texts) {
  if (week === null) {
    place.replaceChildren();
    return;
  }
  const frame = element("div", "hark-week");
  frame.append(hours(), ...week.days.map((day) => dayRow(day, texts)), legend(week, texts));
  place.replaceChildren(frame);
}

/** @param {string} tag @param {string} className @param {(string | Node)[]} content */
function element(tag, className, ...content) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}

function hours() {
  const row = element("div", "hark-hours", element("span", ""));
  row.setAttribute("aria-hidden", "true");
  row.append(element("div", "", ...HOURS.map((hour) => element("span", "", hour))));
  return row;
}

/** @param {Day} day @param {Texts} texts */
function dayRow(day, texts) {
  const name = element("span", "hark-day-name", `${day.name} `, element("small", "", day.date));
  const track = element("div", "hark-track", ...day.bars.map(bar));
  track.append(...day.conflicts.map((conflict) => clash(conflict, texts)));
  return element("div", "hark-day", name, track);
}

/** @param {Bar} shown */
function bar(shown) {
  const made = element(
    "span",
    `hark-bar hark-colour-${shown.colour} hark-because-${shown.because}`,
    element("span", "", shown.model),
  );
  return placed(made, shown, shown.title);
}

/** @param {Bar} shown @param {Texts} texts */
function clash(shown, texts) {
  return placed(element("span", "hark-clash"), shown, `${texts.clash} ${shown.title}`);
}

/** @param {HTMLElement} made @param {Bar} shown @param {string} title */
function placed(made, shown, title) {
  made.style.left = `${shown.left}%`;
  made.style.width = `${shown.width}%`;
  made.title = title;
  return made;
}

/** @param {Week} week @param {Texts} texts */
function legend(week, texts) {
  const models = week.models.map(([model, colour]) =>
    element("span", "", element("i", `hark-swatch hark-colour-${colour}`), model),
  );
  return element("p", "hark-legend", ...models, element("span", "hark-zone", `${texts.zone} ${week.zone}`));
}
