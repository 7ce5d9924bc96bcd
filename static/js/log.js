// A log in a page: opens it where it is wanted, follows it over its WebSocket, and after a lost connection goes on at the
// exact byte.

import { Bar, linesInAddress, nameLines } from "./log_bar.js";
import { Find } from "./log_find.js";
import { element } from "./log_parts.js";
import { Store } from "./log_store.js";
import { LogView } from "./log_view.js";

const FIRST_PAUSE = 500; // ms before the next try, doubled each time
const LONGEST_PAUSE = 15000;
const NOT_FOUND = 4404;

class Log {
  constructor(section) {
    this.section = section;
    this.scroller = section.querySelector(".log__b");
    this.store = new Store(section.dataset.rows.replace(/rows\/$/, ""), () => this.view?.refresh());
    this.closed = false;
    this.pause = FIRST_PAUSE;
    const bar = section.querySelector(".log__bar");
    bar.querySelector(":scope > .sm")?.remove(); // its size when the page was made; the note has it as it grows
    this._makeNote();
    this.find = new Find(bar, this.store);
    this.bar = new Bar(bar.querySelector(".push") ?? bar, {
      onFollow: (on) => this.view?.follow(on),
      onTimes: (on) => this._showTimes(on),
      onError: () => this._showError(),
    });
    this.scroller.setAttribute("aria-live", "off"); // rows come and go as one scrolls; nobody wants to hear that
    this.scroller.addEventListener("click", (event) => nameLines(event) && this.view.mark(...linesInAddress()));
    this._open();
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

  /** Go to the lines that the address names. */
  async goToAddress() {
    const [first, last] = linesInAddress();
    this.view?.mark(first, last);
    if (!first) return;
    try {
      const told = await this.store.open({ line: first });
      this.view?.show(told.at);
    } catch {
      this._say("The server did not answer: load the page again");
    }
  }

  /** Where the end is, and unless it goes on or a line is wanted, the beginning. */
  async _open() {
    try {
      const [end] = await Promise.all([this.store.open(), this._isWhole() && !linesInAddress()[0] ? this.store.open({ row: 0 }) : null]);
      if (this.isLeft) return;
      this.store.settle(end);
      this.closed = end.closed;
      if (!end.closed) this.store.grow(end.block);
      this._told(end);
      if (linesInAddress()[0] && this.view) await this.goToAddress();
      else if (!end.closed) this.view?.follow(true);
      if (!end.closed) this._connect();
    } catch (error) {
      if (!this.isLeft) this._lost(error.status === 403 || error.status === 404 ? NOT_FOUND : 0);
    }
  }

  _isWhole() {
    return this.section.dataset.closed === "true";
  }

  /** The page's own text stands until there is something to put in its place. */
  _show() {
    if (this.view || !(this.store.rows || this.steps?.length)) return;
    this.view = this.find.view = new LogView(this.scroller, this.store, { onFollow: (on) => (this.bar.follow.checked = on) });
    this._showTimes(this.bar.times.checked);
    this.view.follow(!this.closed && !linesInAddress()[0]);
  }

  _connect() {
    if (!this.store.tail) {
      this._open();
      return;
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}${this.section.dataset.socket}?from=${this.store.size}&skip=1`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => (typeof event.data === "string" ? this._told(JSON.parse(event.data)) : this._bytes(event.data));
    this.socket.onclose = (event) => this._lost(event.code);
    this.socket.onopen = () => this._say("");
  }

  _bytes(frame) {
    const known = this.store.size - Number(new DataView(frame).getBigUint64(0));
    if (known < 0) {
      this.socket.close(); // a gap: come again at the byte that is missing
      return;
    }
    this.pause = FIRST_PAUSE;
    this.store.append(new Uint8Array(frame, 8).subarray(known));
    this._show();
    this.view.refresh();
    this._say("");
  }

  /** Too much came at once: go on at the end; what is in between is fetched when somebody looks at it. */
  async _catchUp() {
    this.socket.onclose = null;
    try {
      const end = await this.store.open();
      if (this.isLeft) return;
      this.store.grow(end.block);
      this._told({ steps: end.steps });
      this.view?.refresh();
      this._connect();
    } catch {
      this._lost(0);
    }
  }

  _told(message) {
    if (message.skip) {
      this._catchUp();
      return;
    }
    this.steps = message.steps ?? this.steps;
    this._show();
    if (message.steps) this.view?.setSteps(message.steps);
    if (message.closed) {
      this.closed = true;
      this.section.dataset.closed = "true";
    }
    this._say("");
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

  _makeNote() {
    this.note = element("div", "log__end");
    this.words = this.note.appendChild(element("span", "wire"));
    this.amount = this.note.appendChild(element("span", "q"));
    this.section.append(this.note);
  }

  _say(trouble, isLost = false) {
    const state = trouble || (this.closed ? "The end" : "Goes on");
    const { lines, size } = this.store;
    this.words.classList.toggle("wire--lost", isLost);
    this.words.classList.toggle("wire--still", this.closed && !trouble);
    if (this.words.textContent !== state) this.words.textContent = state;
    this.amount.textContent = `${lines ? `${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}, ` : ""}${bytes(size)}`;
  }

  _showTimes(on) {
    this.section.classList.toggle("log--times", on);
    this.view?.redraw({ times: on });
  }

  async _showError() {
    this.bar.told.textContent = "Looking";
    try {
      const { row } = await this.store.firstError();
      this.bar.told.textContent = row === null ? "No line speaks of an error" : "";
      if (row !== null) this.view?.show(row, { point: true });
    } catch {
      this.bar.told.textContent = "The server did not answer: try again";
    }
  }
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
document.addEventListener("slipway:swapped", look);
addEventListener("hashchange", () => logs.forEach((log) => log.goToAddress()));
addEventListener("keydown", (event) => {
  if (document.documentElement.dataset.singleKeys === "off") return; // see keys.js
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
  const log = logs.values().next().value;
  if (!log) return;
  event.preventDefault();
  log.find.input.focus();
  log.find.input.select();
});
