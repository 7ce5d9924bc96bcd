// The wall runs for weeks. A socket says that something has changed, a request draws the parts that differ; what could
// not be drawn anew for a while is shown as old. Nothing is kept from one drawing to the next but a handful of numbers.

(() => {
  const LOOK = 15000; // ms between looks, whatever the socket says
  const LOOK_FOR_KEY = 4000; // while somebody types the code
  const OLD = 45000; // without a look that succeeded, what is shown is old
  const SILENCE = 25000; // a socket that says nothing for so long is dead: it beats every 10 s
  const LONGEST_PAUSE = 30000;
  const AGAIN = 6 * 3600 * 1000; // the page itself is loaded again: what the server has learnt, and no memory grows

  const loadedAt = performance.now();
  let drawnAt = performance.now();
  let drawnClock = new Date();
  let nextLook = drawnAt + (state() === "wall" ? LOOK : LOOK_FOR_KEY);
  let isLooking = false;
  let socket = null;
  let heardAt = 0;
  let nextConnect = 0;
  let pause = 1000;

  function state() {
    return document.getElementById("main").dataset.state;
  }

  function put(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function time(date) {
    return `${date.getHours()}:${String(date.getMinutes()).padStart(2, "0")}`;
  }

  async function look() {
    isLooking = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      draw(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The clock, which goes on, says that what is shown gets old.
    }
    isLooking = false;
    nextLook = performance.now() + (state() === "wall" ? LOOK : LOOK_FOR_KEY);
  }

  function draw(fresh) {
    const main = fresh.getElementById("main");
    if (!main?.dataset.state) return; // a page of somebody in between
    if (main.dataset.state !== state() || performance.now() - loadedAt > AGAIN) {
      location.reload();
      return;
    }
    document.title = fresh.title;
    put(document.getElementById("w-title"), fresh.getElementById("w-title")?.textContent ?? "");
    for (const id of ["w-bad", "w-run", "w-fine", "w-live"]) {
      const now = document.getElementById(id);
      const then = fresh.getElementById(id);
      if (now && then && now.innerHTML !== then.innerHTML) now.replaceChildren(...then.childNodes);
    }
    drawnAt = performance.now();
    drawnClock = new Date();
  }

  function connect() {
    nextConnect = Infinity;
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/wall/live/`);
    heardAt = performance.now();
    socket.onmessage = (event) => {
      heardAt = performance.now();
      pause = 1000;
      if (JSON.parse(event.data).changed) nextLook = Math.min(nextLook, heardAt + 300);
    };
    socket.onclose = lost;
  }

  function lost() {
    if (socket) socket.onclose = socket.onmessage = null;
    socket = null;
    nextConnect = performance.now() + pause * (0.75 + Math.random() / 2);
    nextLook = Math.min(nextLook, performance.now() + 500); // signed out, revoked, or only away?
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }

  function say(now) {
    const wire = document.getElementById("wire");
    const isOld = now - drawnAt > OLD;
    const isLive = socket?.readyState === WebSocket.OPEN && !isOld;
    document.body.classList.toggle("old", isOld);
    wire.classList.toggle("wire--lost", !isLive);
    const again = Math.max(1, Math.ceil((Math.min(nextConnect, nextLook) - now) / 1000));
    if (isOld) put(wire, `Not live: this is how it stood at ${time(drawnClock)}`);
    else if (isLive) put(wire, `Live, drawn at ${time(drawnClock)}`);
    else put(wire, socket || again > 60 ? "Connecting" : `Lost, trying again in ${again} s`);
  }

  function tick() {
    const now = performance.now();
    put(document.getElementById("clock"), time(new Date()));
    if (state() === "wall") {
      if (socket && now - heardAt > SILENCE) {
        socket.close();
        lost();
      }
      if (now >= nextConnect && !socket) connect();
      say(now);
      const since = Math.floor((now - drawnAt) / 1000);
      if (!document.body.classList.contains("old")) {
        for (const one of document.querySelectorAll("[data-seconds]")) put(one, clock(Number(one.dataset.seconds) + since));
      }
    }
    if (now >= nextLook && !isLooking) look();
  }

  function clock(seconds) {
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }

  const wake = () => document.hidden || navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", wake);
  wake();
  tick();
  setInterval(tick, 1000);
})();
