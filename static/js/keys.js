// Single keys: `data-key` on a button or link presses it and on a field goes there, `g` and `data-go` follow a link, j and k go
// through the links of `data-keys`. Never while somebody types, nor with a modifier; a switch in the dialog turns all of it off.

(() => {
  const SWITCH = "slipway:keys";
  const TOGETHER = 1500; // ms between `g` and the key after it
  const dialog = document.getElementById("keys-dialog");
  let going = 0;

  function isOn() {
    try {
      return localStorage.getItem(SWITCH) !== "off";
    } catch {
      return true; // nothing can be kept here: what the page shows counts
    }
  }

  function isTyping(target) {
    return Boolean(target.closest?.("input, textarea, select, [contenteditable], .CodeMirror, [role=textbox]"));
  }

  function isSeen(element) {
    return element && !element.disabled && element.checkVisibility?.() !== false;
  }

  function press(key) {
    const found = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(isSeen);
    if (!found) return false;
    if (found.matches("input")) {
      found.focus();
      found.select();
    } else found.click();
    return true;
  }

  function go(key) {
    const link = document.querySelector(`a[data-go="${CSS.escape(key)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }

  // Where `data-keys` is "stages" the link is followed, elsewhere it gets the focus.
  function step(by) {
    const list = document.querySelector("[data-keys]");
    const main = list?.querySelector("a.main") ? "a.main[href]" : "a[href]";
    const links = list ? [...list.querySelectorAll(main)].filter(isSeen) : [];
    if (!links.length) return false;
    const at = links.findIndex((link) => link === document.activeElement || link.hasAttribute("aria-current"));
    const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by];
    if (!next) return true; // there is no further one
    if (list.dataset.keys === "stages") next.click();
    else next.focus();
    return true;
  }

  function show() {
    if (!dialog) return false;
    if (!dialog.open) dialog.showModal();
    return true;
  }

  function act(key) {
    if (Date.now() < going) {
      going = 0;
      return go(key);
    }
    if (key === "g") {
      going = Date.now() + TOGETHER;
      return true;
    }
    if (key === "?") return show();
    if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
    return press(key);
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.key.length !== 1 || isTyping(event.target) || dialog?.open || !isOn()) return;
    if (event.key === "/" && document.querySelector("[data-log]")) return; // a log has its own
    if (act(event.key)) event.preventDefault();
  });

  const own = document.getElementById("keys-on");
  if (own) own.checked = isOn();
  document.documentElement.dataset.singleKeys = isOn() ? "on" : "off"; // for those that a log has
  own?.addEventListener("change", () => {
    try {
      localStorage.setItem(SWITCH, own.checked ? "on" : "off");
      document.documentElement.dataset.singleKeys = own.checked ? "on" : "off";
    } catch {
      own.checked = true;
    }
  });

  for (const opener of document.querySelectorAll('[data-opens="keys"]')) {
    opener.hidden = false;
    opener.addEventListener("click", () => {
      opener.closest("details")?.removeAttribute("open");
      show();
    });
  }
})();
