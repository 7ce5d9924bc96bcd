// Times as the viewer's own clocks show them: the server writes UTC into `title`, this puts the viewer's zone there, lets
// "3 min ago" grow older while nobody asks the server, and shows a `data-clock` on the viewer's clock. `data-took` holds the
// seconds that something has taken when the page was made: they are counted on, whatever the viewer's clock says.

(() => {
  const MINUTE = 60;
  const HOUR = 60 * MINUTE;
  const DAY = 24 * HOUR;
  const LOOK = 10000; // ms between two looks
  const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });

  // The same words as the server's filter `ago`.
  function distance(at) {
    const seconds = Math.max((Date.now() - at) / 1000, 0);
    if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
    if (seconds < 2 * HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
    if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h ago`;
    return seconds < 60 * DAY ? `${Math.floor(seconds / DAY)} days ago` : day.format(at);
  }

  function put(time, text) {
    if (time.textContent !== text) time.textContent = text;
  }

  function tell(time) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    if (!time.dataset.exact) {
      const own = exact.format(at);
      time.dataset.exact = own;
      time.title = "zoned" in time.dataset ? `${time.title}; on your clock ${own}` : own;
    }
    if ("ago" in time.dataset) put(time, distance(at));
    else if ("clock" in time.dataset) put(time, clock.format(at));
  }

  // The same as the server's filter `clock`.
  function taken(seconds) {
    const two = (value) => String(value).padStart(2, "0");
    const [hours, minutes] = [Math.floor(seconds / HOUR), Math.floor((seconds % HOUR) / MINUTE)];
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(Math.floor(seconds % MINUTE))}`;
  }

  const begun = new WeakMap(); // element → when it would have been 0, on the page's own clock
  function count() {
    if (document.hidden) return;
    for (const one of document.querySelectorAll("[data-took]")) {
      if (!begun.has(one)) begun.set(one, performance.now() - one.dataset.took * 1000);
      put(one, taken((performance.now() - begun.get(one)) / 1000));
    }
  }

  function look() {
    if (!document.hidden) document.querySelectorAll("time[datetime]").forEach(tell);
  }

  look();
  count();
  setInterval(look, LOOK);
  setInterval(count, 1000);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("slipway:swapped", () => {
    look();
    count();
  });
})();
