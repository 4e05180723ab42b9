// @ts-check
/** The copy buttons. Insecure pages have no clipboard API; then the reader is told to copy by hand. */

/** @param {string} text @returns {Promise<boolean>} whether it worked */
async function tryCopy(text) {
  if (navigator.clipboard === undefined) return false;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}

const ANSWER_SHOWN_MS = 2000;

/**
 * @param {HTMLElement} button
 * @param {() => string} getText
 * @param {import("./texts.js").Texts} texts
 * @param {(sentence: string) => void} onRefused
 */
export function wireCopyButton(button, getText, texts, onRefused) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    if (!(await tryCopy(getText()))) {
      onRefused(texts.get("copy_failed"));
      return;
    }
    button.textContent = texts.get("copied");
    setTimeout(() => {
      button.textContent = label;
    }, ANSWER_SHOWN_MS);
  });
}
