// A log in a page: opens it where it is wanted, and follows it over the page's connection.

import { follow, leave } from "./live.js";
import { Bar, linesInAddress, nameLines } from "./log_bar.js";
import { Find } from "./log_find.js";
import { Store } from "./log_store.js";
import { LogView } from "./log_view.js";

const AGAIN = 2000; // ms after a question that was not answered

class Log {
  constructor(section) {
    this.section = section;
    this.scroller = section.querySelector(".log__b");
    this.store = new Store(section.dataset.rows.replace(/rows\/$/, ""), () => this.view?.refresh());
    this.id = Number(section.dataset.log);
    this.closed = false;
    this.isLive = true;
    const bar = section.querySelector(".log__bar");
    [this.words, this.amount] = section.querySelector(".log__end").children;
    this.find = new Find(bar, this.store);
    this.bar = new Bar(bar, {
      onFollow: (on) => this.view?.follow(on),
      onTimes: (on) => this._showTimes(on),
      onError: () => this._showError(),
    });
    this.scroller.setAttribute("aria-live", "off"); // rows come and go as one scrolls; nobody wants to hear that
    this.scroller.addEventListener("click", (event) => nameLines(event) && this.view.mark(...linesInAddress()));
    this._open();
  }

  /** The byte that is to come next. */
  get size() {
    return this.store.size;
  }

  leave() {
    this.isLeft = true;
    clearTimeout(this.timer);
    leave(this);
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
      this._say();
    } catch (error) {
      this._failed(error, () => this.goToAddress());
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
      if (!end.closed) follow(this);
    } catch (error) {
      this._failed(error, () => this._open());
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

  take(bytes) {
    this.store.append(bytes);
    this._show();
    this.view.refresh();
    this._say();
  }

  hear(message) {
    if (message.skip) this.look(); // too much came at once: what is in between is fetched when somebody looks at it
    else if (message.gone) this._failed({ status: 404 });
    else this._told(message);
  }

  /** Go on at the end, which is asked for by itself. */
  async look() {
    try {
      const end = await this.store.open();
      if (this.isLeft || this.closed) return;
      if (end.size > this.size) this.store.grow(end.block);
      this._told(end);
      this.view?.refresh();
      if (!this.closed) follow(this);
    } catch (error) {
      if (this.isLive && !this.closed) this._failed(error, () => this.look());
    }
  }

  wired(isLive) {
    this.isLive = isLive;
    this._say();
  }

  _told({ steps, closed }) {
    this.steps = steps ?? this.steps;
    this._show();
    if (steps) this.view?.setSteps(steps);
    if (closed) {
      this.closed = true;
      this.section.dataset.closed = "true";
      leave(this);
    }
    this._say();
  }

  /** No answer is no end; what is not there, or not ours, is. */
  _failed({ status }, again) {
    if (this.isLeft) return;
    if (status === 403 || status === 404) {
      leave(this);
      this._say("This log is not there, or not yours to read. Load the page again.");
    } else if (again) {
      this._say("The server did not answer, trying again");
      clearTimeout(this.timer);
      this.timer = setTimeout(again, AGAIN);
    }
  }

  /** What is said of the connection as a whole stands at the top of the page. */
  _say(trouble = "") {
    const state = trouble || (this.closed ? "The end" : this.isLive ? "Goes on" : "Waits for the connection");
    const { lines, size } = this.store;
    this.words.classList.toggle("wire--lost", !(trouble || this.closed || this.isLive));
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
