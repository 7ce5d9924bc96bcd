// What a person has unfolded stays so when a live update puts a newer part in its place. A fold is known by its id.

(() => {
  const open = new Set();

  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (!(target instanceof HTMLDetailsElement) || !target.id || !target.isConnected) return;
      if (target.open) open.add(target.id);
      else open.delete(target.id);
    },
    true, // `toggle` does not bubble
  );

  function unfold() {
    for (const id of open) {
      const fold = document.getElementById(id);
      if (fold instanceof HTMLDetailsElement && !fold.open) fold.open = true;
    }
  }

  document.addEventListener("htmx:oobAfterSwap", unfold);
  document.addEventListener("htmx:afterSwap", unfold);
})();
