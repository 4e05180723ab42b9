// @ts-check
/** Sentences for people: the template renders the catalogue in the page's language, scripts ask for them by name. */

/** @param {string} id of the json_script element @returns {any} */
export function readJson(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}.`);
  return JSON.parse(element.textContent ?? "");
}

export class Texts {
  /** @param {Record<string, string>} catalogue */
  constructor(catalogue) {
    this.catalogue = catalogue;
  }

  /** @param {string} key */
  has(key) {
    return Object.hasOwn(this.catalogue, key);
  }

  /**
   * @param {string} key
   * @param {Record<string, string | number>} [values] what stands for each {name}
   * @returns {string}
   */
  get(key, values = {}) {
    if (!this.has(key)) throw new Error(`The catalogue has no text called ${key}.`);
    return this.catalogue[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  }
}
