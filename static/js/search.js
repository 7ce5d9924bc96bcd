// Search while somebody types: names come at once, lines of logs when the typing rests. Every look into the logs is bounded, so
// the next one is asked for by a link. Without script the form and the links do the same.

(() => {
  const TYPING = 300; // ms without a key after which names are looked up
  const RESTING = 700; // and lines of logs
  const field = document.getElementById("q");
  let waits = 0;
  let asked = null;

  async function page(url) {
    const answer = await fetch(url, { credentials: "same-origin", signal: asked.signal });
    return answer.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  }

  async function put(old, url, part) {
    const next = await page(url).catch(() => null); // overtaken, or no answer: the link is still there
    if (!next || !old.isConnected) return;
    old.replaceWith(...(part ? [next.querySelector(part)] : next.body.childNodes));
    document.dispatchEvent(new CustomEvent("slipway:swapped"));
  }

  function again() {
    asked?.abort();
    asked = new AbortController();
  }

  async function names() {
    again();
    const url = new URL(field.form.action);
    url.search = new URLSearchParams(new FormData(field.form));
    url.searchParams.delete("before");
    history.replaceState(null, "", url);
    if (url.searchParams.get("kind") !== "logs") await put(document.getElementById("results"), url, "#results");
  }

  function rest() {
    if (new URLSearchParams(location.search).get("kind") === "logs") field.form.requestSubmit();
    else lines();
  }

  function lines() {
    const waiting = document.querySelector("[data-lines]");
    if (!waiting) return;
    waiting.setAttribute("aria-busy", "true");
    put(waiting, waiting.dataset.lines);
  }

  field.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      await names();
      waits = setTimeout(rest, RESTING);
    }, TYPING);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-further]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    link.setAttribute("aria-disabled", "true");
    put(link.closest(".found__end"), link.dataset.further);
  });

  again();
  lines();
})();
