// The page's one WebSocket. It tells the page that what it shows has changed: `slipway:changed` on <body>; and it brings the
// bytes of logs, which go on at the exact byte after a lost connection. While there is none all are told to look every few
// seconds, so that the page is late but never wrong. What is said and heard: server/live/page.py.

const FIRST_PAUSE = 500; // ms before the next try, doubled each time
const LONGEST_PAUSE = 15000;
const POLL = 10000; // ms between looks while there is no connection
const CHECK = 30000; // and while there is one: a hint may be lost
const SILENCE = 25000; // the server beats every 10 s: a connection that says nothing for so long is dead
const HAD = 65536 * (1 + Math.random()); // bytes after which the server hears that they are here; not all pages at once
const SIGNED_OUT = 4404;

const subjects = (document.body.dataset.subjects ?? "").split(/\s+/).filter(Boolean);
const wire = document.getElementById("wire");
const logs = new Map(); // id → log
let socket = null;
let isLive = false;
let wasLost = false;
let missed = false;
let pause = FIRST_PAUSE;
let nextAt = 0; // when to connect again
let heardAt = 0;
let lookedAt = Date.now();
let trouble = "";

/** Give `log` its bytes from `log.size` on; who asks again gets them from there. */
export function follow(log) {
  logs.set(log.id, log);
  if (isLive) ask(log);
  else if (!socket && !nextAt) connect();
  log.wired(!wasLost);
}

export function leave(log) {
  if (logs.get(log.id) !== log) return;
  logs.delete(log.id);
  if (isLive) say({ leave: log.id });
}

function ask(log) {
  log.had = log.size;
  say({ log: log.id, from: log.had, skip: true });
}

function say(message) {
  socket.send(JSON.stringify(message));
}

function changed(detail = {}) {
  missed = document.hidden; // a page that nobody sees asks for nothing until it is seen
  if (missed) return;
  lookedAt = Date.now();
  document.body.dispatchEvent(new CustomEvent("slipway:changed", { bubbles: true, detail }));
  if (!isLive) logs.forEach((log) => log.look());
}

function show(text) {
  wire?.classList.toggle("wire--lost", !isLive);
  if (wire && wire.textContent !== text) wire.textContent = text;
}

function connect() {
  nextAt = 0;
  heardAt = Date.now();
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live/`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => say({ watch: subjects });
  socket.onmessage = ({ data }) => {
    heardAt = Date.now();
    if (typeof data === "string") hear(JSON.parse(data));
    else take(data);
  };
  socket.onclose = lost;
}

function hear(message) {
  if (message.watching) live();
  else if (message.subject) changed(message);
  else logs.get(message.log)?.hear(message);
}

function take(frame) {
  const head = new DataView(frame);
  const log = logs.get(Number(head.getBigUint64(0)));
  if (!log) return;
  const known = log.size - Number(head.getBigUint64(8));
  if (known < 0) {
    socket.close(); // a gap: come again at the byte that is missing
    return;
  }
  log.take(new Uint8Array(frame, 16).subarray(known));
  if (log.size - log.had >= HAD) say({ log: log.id, had: (log.had = log.size) });
}

function live() {
  isLive = true;
  pause = FIRST_PAUSE;
  show("Live");
  if (wasLost || document.querySelector(".st--queued, .st--running")) changed(); // whatever happened meanwhile
  wasLost = false;
  logs.forEach(follow);
}

function lost({ code } = {}) {
  socket = null;
  isLive = false;
  wasLost = true;
  trouble = code === SIGNED_OUT ? "Signed out" : "Lost";
  if (code === SIGNED_OUT) pause = LONGEST_PAUSE;
  nextAt = Date.now() + pause * (0.75 + Math.random() / 2);
  pause = Math.min(pause * 2, LONGEST_PAUSE);
  logs.forEach((log) => log.wired(false));
  tick();
}

function tick() {
  const now = Date.now();
  if (socket && now - heardAt > SILENCE) {
    socket.onclose = socket.onmessage = null;
    socket.close();
    lost();
  }
  if (nextAt && now >= nextAt) connect();
  if (nextAt) show(`${trouble}, trying again in ${Math.ceil((nextAt - now) / 1000)} s`);
  if ((socket || nextAt) && now - lookedAt >= (isLive ? CHECK : POLL)) changed();
}

if (subjects.length) connect();
setInterval(tick, 500);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  tick();
  if (missed) changed();
});
