// Keeps parts of a page as the server has them now. An element with `data-follow="<address>"` says which page to ask and
// `data-parts="#head,#rows"` which elements of it take the place of ours; it looks when `slipway:changed` comes, and with
// `data-every="10"` after so many seconds as well. One question at a time, and one more for all that came meanwhile.
// What has `data-keep` and an id outlives it: a half-written form, say. Tells `slipway:swapped` when something is new.
// `data-with="#a,#b"` sends the values of these fields along. A field with `data-check="<address>"` posts those of its form
// that `data-fields` names while somebody types, and takes the answer's `data-parts` in.

(() => {
  const GATHER = 250; // ms in which changes come together
  const TYPING = 700; // ms without a key after which a field is checked
  const asking = new Map(); // what is being asked for → whether to ask once more
  const unfolded = new Set();
  const lookedAt = new WeakMap();
  const shown = new Map(); // selector → its source as it last came

  function logIn(part) {
    return part.querySelector("[data-log]")?.dataset.log;
  }

  function swap(selector, from) {
    const next = from.querySelector(selector);
    const old = document.querySelector(selector);
    if (!next || !old || shown.get(selector) === next.outerHTML) return false;
    if (logIn(old) && logIn(old) === logIn(next)) return false; // it follows its log by itself, and somebody reads there
    shown.set(selector, next.outerHTML);
    for (const kept of old.querySelectorAll("[data-keep][id]")) {
      next.querySelector(`#${CSS.escape(kept.id)}`)?.replaceWith(kept);
    }
    const scrolled = [...old.querySelectorAll(".scrollx")].map((one) => one.scrollLeft);
    old.replaceWith(next);
    next.querySelectorAll(".scrollx").forEach((one, place) => {
      if (scrolled[place]) one.scrollLeft = scrolled[place];
    });
    return true;
  }

  function address(follower) {
    const url = new URL(follower.dataset.follow || location.href, location.href);
    for (const field of follower.dataset.with ? document.querySelectorAll(follower.dataset.with) : []) {
      url.searchParams.set(field.name, field.value);
    }
    return url;
  }

  async function ask(follower, url, request = {}) {
    const answer = await fetch(url, { ...request, headers: { "X-Part": "1" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return; // gone, or signed out: what is shown stays until somebody looks
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.title) document.title = page.title; // in the tab of who is elsewhere: how it stands now
    const focus = document.activeElement;
    const swapped = follower.dataset.parts.split(",").filter((selector) => swap(selector, page));
    if (focus?.id && focus !== document.activeElement) document.getElementById(focus.id)?.focus({ preventScroll: true });
    if (!swapped.length) return;
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
    document.dispatchEvent(new CustomEvent("slipway:swapped"));
  }

  async function look(follower) {
    const key = follower.dataset.parts;
    if (asking.has(key)) {
      asking.set(key, true);
      return;
    }
    asking.set(key, false);
    lookedAt.set(follower, Date.now());
    try {
      await ask(follower, address(follower));
    } catch {
      // no answer: the connection's state is shown already, and it is tried again
    }
    const again = asking.get(key);
    asking.delete(key);
    if (again) lookAll(); // the follower itself may be another by now
  }

  function lookAll() {
    for (const follower of document.querySelectorAll("[data-follow]:not([data-only])")) look(follower);
  }

  let gathering = 0;
  document.body.addEventListener("slipway:changed", () => {
    gathering ||= setTimeout(() => {
      gathering = 0;
      lookAll();
    }, GATHER);
  });

  // What a person has unfolded stays so, known by its id.
  document.addEventListener(
    "toggle",
    ({ target: fold }) => {
      if (!(fold instanceof HTMLDetailsElement) || !fold.id || !fold.isConnected) return;
      if (fold.open) unfolded.add(fold.id);
      else unfolded.delete(fold.id);
    },
    true, // `toggle` does not bubble
  );

  let typing = 0;
  document.addEventListener("input", ({ target: field }) => {
    if (!field.dataset?.check) return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const given = new FormData(field.form);
      const body = new URLSearchParams(field.dataset.fields.split(",").map((name) => [name, given.get(name) ?? ""]));
      ask(field, field.dataset.check, { method: "POST", body }).catch(() => {});
    }, TYPING);
  });

  setInterval(() => {
    if (document.hidden) return;
    for (const follower of document.querySelectorAll("[data-follow][data-every]")) {
      if (!lookedAt.has(follower)) lookedAt.set(follower, Date.now());
      else if (Date.now() - lookedAt.get(follower) >= follower.dataset.every * 1000) look(follower);
    }
  }, 200);
})();
