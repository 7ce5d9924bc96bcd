// Buttons that copy the text of another element: `data-copy` is its id. Without script they are not there, and the text can be selected.

(() => {
  const SAID = 2000; // ms for which a button says what it did

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const before = button.lastChild.textContent;
    button.lastChild.textContent = (await put(source)) ? "Copied" : "Select and copy it";
    setTimeout(() => (button.lastChild.textContent = before), SAID);
  }

  // The clipboard is there on https and localhost only; elsewhere the selection is copied.
  async function put(source) {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return true;
    } catch {
      const fold = source.closest("details");
      if (fold) fold.open = true;
      getSelection().selectAllChildren(source);
      return document.execCommand("copy");
    }
  }

  function show() {
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("slipway:swapped", show);
  document.addEventListener("DOMContentLoaded", show);
  show();
})();
