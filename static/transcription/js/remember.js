// @ts-check
/** Keeps a choice from one visit to the next, where the browser allows it. */

/** @template T @param {() => T} use @returns {T | null} null: this browser keeps nothing */
function withStorage(use) {
  try {
    return use();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

/** @param {HTMLSelectElement} select @param {string} key */
export function rememberChoice(select, key) {
  const kept = withStorage(() => localStorage.getItem(key));
  if ([...select.options].some((option) => option.value === kept)) select.value = kept ?? "";
  select.addEventListener("change", () => withStorage(() => localStorage.setItem(key, select.value)));
}
