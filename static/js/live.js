// Hears over one WebSocket that what the page shows has changed, and says so to the page: `slipway:changed` on <body>.
// Without the socket the page is told to look every few seconds, so that it is late but never wrong.

(() => {
  const FIRST_PAUSE = 500; // ms before the next try, doubled each time
  const LONGEST_PAUSE = 15000;
  const POLL = 10000; // ms between looks while there is no socket
  const CHECK = 30000; // and while there is one: a hint may be lost

  const subjects = (document.body.dataset.subjects ?? "").split(/\s+/).filter(Boolean);
  const wire = document.getElementById("wire");
  let socket = null;
  let pause = FIRST_PAUSE;
  let lookedAt = Date.now();
  let missed = false;
  let ticking = 0;
  let wasLost = false;

  function changed(detail = {}) {
    if (document.hidden) {
      missed = true; // a page that nobody sees asks for nothing until it is seen
      return;
    }
    missed = false;
    lookedAt = Date.now();
    document.body.dispatchEvent(new CustomEvent("slipway:changed", { bubbles: true, detail }));
  }

  function say(text, isLost) {
    if (!wire) return;
    wire.classList.toggle("wire--lost", isLost);
    if (wire.textContent !== text) wire.textContent = text;
  }

  function connect() {
    clearInterval(ticking);
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live/`);
    socket.onopen = () => socket.send(JSON.stringify({ watch: subjects }));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.watching) live();
      else changed(message);
    };
    socket.onclose = lost;
  }

  function live() {
    pause = FIRST_PAUSE;
    say("Live", false);
    if (wasLost) changed(); // whatever happened meanwhile
    wasLost = false;
  }

  function lost() {
    socket = null;
    wasLost = true;
    const at = Date.now() + pause * (0.75 + Math.random() / 2);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
    const count = () => say(`Lost, trying again in ${Math.max(1, Math.ceil((at - Date.now()) / 1000))} s`, true);
    count();
    clearInterval(ticking);
    ticking = setInterval(count, 1000);
    setTimeout(connect, at - Date.now());
  }

  if (!subjects.length) return;
  connect();
  setInterval(() => {
    const isLive = socket?.readyState === WebSocket.OPEN;
    if (Date.now() - lookedAt >= (isLive ? CHECK : POLL)) changed();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && missed) changed();
  });
})();
