// Times as the viewer's own clocks show them: the server writes UTC into `title`, this puts the viewer's zone there, lets
// "3 min ago" grow older while nobody asks the server, and shows a `data-clock` on the viewer's clock.

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

  function look() {
    if (!document.hidden) document.querySelectorAll("time[datetime]").forEach(tell);
  }

  look();
  setInterval(look, LOOK);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("slipway:swapped", look);
})();
