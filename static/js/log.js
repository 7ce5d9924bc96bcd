// Follows a log over its WebSocket: replays it, then goes on live; after a lost connection it goes on at the exact byte.

import { element, LogView } from "./log_view.js";
import { Lines } from "./terminal.js";

const FIRST_PAUSE = 500; // ms before the next try, doubled each time
const LONGEST_PAUSE = 15000;
const MOST = 64 * 1024 * 1024; // bytes of a log that are shown; of a longer one the end
const NOT_FOUND = 4404;

class Log {
  constructor(section) {
    this.section = section;
    this.scroller = section.querySelector(".log__b");
    const size = Number(section.dataset.size) || 0;
    this.begin = Math.max(0, size - MOST);
    this.lines = new Lines(this.begin);
    this.closed = false;
    this.pause = FIRST_PAUSE;
    this.note = element("div", "log__end");
    section.append(this.note);
    section.querySelector(".log__bar > .sm")?.remove(); // its size when the page was made; the note has it as it grows
    this._makeSwitch();
    this._connect();
  }

  get isGone() {
    return !this.section.isConnected;
  }

  leave() {
    this.isLeft = true;
    clearTimeout(this.timer);
    clearInterval(this.ticking);
    this.socket?.close();
    this.view?.leave();
  }

  /** The page's own text stands until there is something to put in its place. */
  _show() {
    if (this.view) return;
    this.view = new LogView(this.scroller, this.lines, { numbered: !this.begin, onFollow: (on) => (this.switch.checked = on) });
    if (this.begin) this.scroller.prepend(element("p", "log__cut", "Only the end is shown here; Raw has the whole log."));
    this.view.setSteps(read(this.section.dataset.steps));
    const line = lineInAddress();
    if (line) this.view.mark(line);
    else if (this.section.dataset.closed !== "true") this.view.follow(true);
  }

  _connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}${this.section.dataset.socket}?from=${this.lines.size}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => (typeof event.data === "string" ? this._told(JSON.parse(event.data)) : this._bytes(event.data));
    this.socket.onclose = (event) => this._lost(event.code);
    this.socket.onopen = () => this._say("");
  }

  _bytes(frame) {
    const offset = Number(new DataView(frame).getBigUint64(0));
    const known = this.lines.size - offset;
    if (known < 0) {
      this.socket.close(); // a gap: come again at the byte that is missing
      return;
    }
    this.pause = FIRST_PAUSE;
    this._show();
    this.lines.feed(new Uint8Array(frame, 8).subarray(known));
    this.view.refresh();
    this._say("");
  }

  _told(message) {
    if (message.steps && (message.steps.length || this.view)) {
      if (this.lines.count) this._show();
      this.section.dataset.steps = JSON.stringify(message.steps);
      this.view?.setSteps(message.steps);
    }
    if (message.closed) {
      this.closed = true;
      this.section.dataset.closed = "true";
      this._say("");
    }
  }

  _lost(code) {
    if (this.isLeft || this.closed) return;
    if (code === NOT_FOUND) {
      this._say("This log is not there, or not yours to read. Load the page again.");
      return;
    }
    const at = Date.now() + this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    const say = () => this._say(`Lost, trying again in ${Math.max(1, Math.ceil((at - Date.now()) / 1000))} s`, true);
    say();
    clearInterval(this.ticking);
    this.ticking = setInterval(say, 1000);
    this.timer = setTimeout(() => {
      clearInterval(this.ticking);
      if (this.isGone) this.leave();
      else this._connect();
    }, at - Date.now());
  }

  _say(trouble, isLost = false) {
    const state = trouble || (this.closed ? "The end" : "Goes on");
    const whole = this.lines.count ? this.lines.number(this.lines.count - 1) : 0;
    const count = this.begin || !whole ? "" : `${whole.toLocaleString("en")} line${whole === 1 ? "" : "s"}, `;
    this.words ||= this.note.appendChild(element("span", "wire"));
    this.amount ||= this.note.appendChild(element("span", "q"));
    this.words.classList.toggle("wire--lost", isLost);
    this.words.classList.toggle("wire--still", this.closed && !trouble);
    if (this.words.textContent !== state) this.words.textContent = state;
    this.amount.textContent = `${count}${bytes(this.lines.size - this.begin)}`;
  }

  _makeSwitch() {
    const label = element("label", "sw");
    this.switch = element("input");
    this.switch.type = "checkbox";
    this.switch.setAttribute("role", "switch");
    this.switch.addEventListener("change", () => this.view?.follow(this.switch.checked));
    label.append(this.switch, "Follow");
    const place = this.section.querySelector(".log__bar .push") ?? this.section.querySelector(".log__bar");
    place?.prepend(label);
  }
}

function read(json) {
  try {
    const steps = JSON.parse(json || "[]");
    return Array.isArray(steps) ? steps : [];
  } catch {
    return [];
  }
}

function lineInAddress() {
  return Number(/^#L(\d{1,9})$/.exec(location.hash)?.[1] ?? 0);
}

function bytes(count) {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${(count / 1e3).toFixed(count < 1e4 ? 1 : 0)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

const logs = new Map();

/** Begin with logs that have come into the page, and let go of those that have left it. */
function look() {
  for (const [section, log] of logs) {
    if (!section.isConnected) {
      log.leave();
      logs.delete(section);
    }
  }
  for (const section of document.querySelectorAll("section[data-log]")) {
    if (!logs.has(section)) logs.set(section, new Log(section));
  }
}

look();
for (const swapped of ["htmx:afterSettle", "htmx:oobAfterSwap", "htmx:load"]) document.body.addEventListener(swapped, look);
addEventListener("hashchange", () => {
  for (const log of logs.values()) log.view?.mark(lineInAddress());
});
