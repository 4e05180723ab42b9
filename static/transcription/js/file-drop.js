// @ts-check
/** Choosing or dropping one audio file. */

/** @param {DragEvent} event */
function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

/** @param {{input: HTMLInputElement, veil: HTMLElement, onFile: (file: File) => void}} options */
export function wireFileDrop({ input, veil, onFile }) {
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file !== undefined) onFile(file);
    // The same file may be chosen again.
    input.value = "";
  });
  window.addEventListener("dragenter", (event) => {
    veil.hidden = input.disabled || !carriesFiles(event);
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("dragleave", (event) => {
    // The pointer left the window, not just one element for the next.
    if (event.relatedTarget === null) veil.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    veil.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (file !== undefined && !input.disabled) onFile(file);
  });
}
