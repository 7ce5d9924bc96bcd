// Shows a log: folded by steps, and of its rows only those in sight are in the page, however many there are.

import { describe, element, rowOf } from "./log_parts.js";
import { BLOCK_ROWS } from "./log_rows.js";
import { Scroll } from "./log_scroll.js";

const AROUND = 30; // rows kept beyond what is in sight, on either side

/** One step, or what was printed before the first: its head, and of its rows those in sight. */
class Section {
  constructor(view, index) {
    this.view = view;
    this.first = 0;
    this.last = 0; // the row after its last
    this.top = 0; // pixels of all before it
    this.touched = false;
    this.isOpen = true;
    this.rows = new Map(); // row → its element and how it was drawn
    this.root = element("div", index ? "fold" : "");
    this.body = element("div", "fold__rows");
    if (index) this._makeHead();
    this.root.append(this.body);
  }

  get height() {
    return this.headHeight + (this.isOpen ? (this.last - this.first) * this.view.rowHeight : 0);
  }

  get headHeight() {
    return this.head ? this.view.headHeight : 0;
  }

  _makeHead() {
    this.head = element("button", "fold__h");
    this.head.type = "button";
    this.head.addEventListener("click", () => this.open(!this.isOpen));
    this.root.append(this.head);
  }

  open(isOpen) {
    this.touched = true;
    this.isOpen = isOpen;
    this.shown = "";
    this.view.refresh();
  }

  /** A step that went well is folded, unless somebody has opened it or it is the last. */
  describe(step, isLast) {
    const said = JSON.stringify([step, isLast, this.isOpen]);
    if (said === this.shown) return;
    if (!this.touched) this.isOpen = isLast || step.code !== 0;
    this.shown = JSON.stringify([step, isLast, this.isOpen]);
    describe(this.head, step, this.isOpen);
  }

  /** Put into the page what stands between two pixels of all, or nothing. */
  draw(top, bottom) {
    const { rowHeight, scroll, layer } = this.view;
    if (this.top > bottom || this.top + this.height < top) {
      this._keep(0, 0);
      this.root.remove();
      return;
    }
    const body = this.top + this.headHeight;
    const count = this.isOpen ? this.last - this.first : 0;
    const from = Math.max(0, Math.min(count, Math.floor((top - body) / rowHeight)));
    const to = Math.max(from, Math.min(count, Math.ceil((bottom - body) / rowHeight)));
    this._keep(this.first + from, this.first + to);
    // The head comes along: it stays in sight above the rows of its step.
    this.root.style.insetBlockStart = `${scroll.place(this.top + from * rowHeight)}px`;
    if (this.root.parentNode !== layer) layer.insertBefore(this.root, this.view.rootAfter(this));
  }

  _keep(from, to) {
    for (const [row, drawn] of this.rows) {
      if (row >= from && row < to && drawn.key === this.view.keyOf(row)) continue;
      drawn.root.remove();
      this.rows.delete(row);
    }
    let before = null;
    for (let row = to - 1; row >= from; row--) {
      let drawn = this.rows.get(row);
      if (!drawn) {
        drawn = this.view.drawn(row);
        this.rows.set(row, drawn);
        this.body.insertBefore(drawn.root, before);
      }
      before = drawn.root;
    }
  }
}

/** The rows of `store` in `scroller`, following their end when `following`. */
export class LogView {
  constructor(scroller, store, { onFollow = () => {} } = {}) {
    this.scroller = scroller;
    this.store = store;
    this.following = false;
    this.marked = [0, 0]; // the numbers of the lines that the address names, first and last
    this.pointed = -1; // the row that a search or a jump has come to
    this.hits = null; // a pattern to mark
    this.times = false;
    this.steps = [];
    this._sections = [new Section(this, 0)];
    this._version = 0; // of how all rows are drawn
    this._asked = false;
    this._onFollow = onFollow;
    this.layer = element("div", "log__all");
    this.scroll = new Scroll(scroller, this.layer);
    scroller.replaceChildren(this.layer);
    scroller.scrollTop = 0;
    scroller.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._sizes = new ResizeObserver(() => this.refresh());
    this._sizes.observe(scroller);
    this._measure();
  }

  leave() {
    this._sizes.disconnect();
    this._isLeft = true;
  }

  /** Draw again soon: rows came, or the window moved. */
  refresh() {
    if (this._asked) return;
    this._asked = true;
    requestAnimationFrame(() => {
      this._asked = false;
      if (!this._isLeft) this._draw();
    });
  }

  /** Draw every row anew: it is to look different. */
  redraw(change) {
    Object.assign(this, change);
    this._version += 1;
    this.refresh();
  }

  setSteps(steps) {
    this.steps = [...steps].sort((a, b) => a.begins - b.begins);
    this.refresh();
  }

  follow(on) {
    this.following = on;
    this._onFollow(on);
    if (on) this.refresh();
  }

  /** Mark lines by their numbers. */
  mark(first, last) {
    this.redraw({ marked: [first, last] });
  }

  /** Bring a row into sight, out of its fold. */
  show(row, { point = false } = {}) {
    this.follow(false);
    if (point) this.redraw({ pointed: row });
    this._sought = row;
    this.store.want(row);
    this.refresh();
  }

  /** What stands behind a section in the page: for those who do not see, the order counts. */
  rootAfter(section) {
    const later = this._sections.slice(this._sections.indexOf(section) + 1);
    return later.find((one) => one.root.parentNode === this.layer)?.root ?? null;
  }

  /** The first row that is wholly in sight. */
  get topRow() {
    const section = this._sections.findLast((one) => one.top <= this.scroll.top) ?? this._sections[0];
    return Math.min(section.last, section.first + Math.max(0, Math.ceil((this.scroll.top - section.top) / this.rowHeight)));
  }

  /** What a drawn row depends on. */
  keyOf(row) {
    const block = this._blockOf(row);
    const isOpen = block === this.store.tail && row - block?.row >= block?.whole;
    return `${this._version} ${block ? (isOpen ? block.end : "whole") : ""}`;
  }

  drawn(row) {
    const block = this._blockOf(row);
    const marked = (number, at) => at === this.pointed || (number > 0 && number >= this.marked[0] && number <= this.marked[1]);
    const root = rowOf(block, row - (block?.row ?? 0), { marked, hits: this.hits, times: this.times });
    if (row === this.pointed) root.classList.add("ln--on");
    return { root, key: this.keyOf(row) };
  }

  _blockOf(row) {
    const number = this.store.tail && row >= this.store.tail.row ? -1 : Math.floor(row / BLOCK_ROWS);
    if (!this._seen.has(number)) this._seen.set(number, this.store.block(row));
    return this._seen.get(number);
  }

  /** Section 0 is what was printed before the first step; a row belongs to the step that it begins in. */
  _lay() {
    const rows = this.store.rows;
    const borders = [0, ...this.steps.map((step) => Math.min(step.row, rows)), rows];
    let top = 0;
    for (let index = 0; index <= this.steps.length; index++) {
      const section = (this._sections[index] ??= new Section(this, index));
      section.first = borders[index];
      section.last = Math.max(borders[index], borders[index + 1]);
      if (index) section.describe(this.steps[index - 1], index === this.steps.length);
      section.top = top;
      top += section.height;
    }
    return top;
  }

  _draw() {
    this._seen = new Map();
    this.store.unwant();
    if (this._sought !== undefined) this._openFold(this._sought);
    const wide = this.scroller.clientHeight;
    this.scroll.measure(this._lay(), wide);
    this.scroller.style.setProperty("--log-wide", `${this.scroller.clientWidth}px`);
    if (this.following) this.scroll.to(Infinity);
    if (this._sought !== undefined) this._seek(wide);
    const [top, around] = [this.scroll.top, AROUND * this.rowHeight];
    for (const section of this._sections) section.draw(top - around, top + wide + around);
    this._foresee();
  }

  /** What is next to what is in sight may be wanted next. */
  _foresee() {
    const row = this.topRow;
    this.store.want(row + BLOCK_ROWS);
    this.store.want(row - BLOCK_ROWS);
  }

  _sectionOf(row) {
    return this._sections.find((one) => row >= one.first && row < one.last);
  }

  _openFold(row) {
    this._lay();
    const section = this._sectionOf(row);
    if (section && !section.isOpen) section.open(true);
  }

  _seek(wide) {
    const section = this._sectionOf(this._sought);
    if (!section) return;
    this.scroll.to(section.top + section.headHeight + (this._sought - section.first) * this.rowHeight - wide / 3);
    this._sought = undefined;
  }

  _scrolled() {
    if (this.scroll.moved()) this.follow(this.scroll.isAtEnd);
    this.refresh();
  }

  _measure() {
    const [row, head] = [element("div", "ln"), element("button", "fold__h")];
    row.append(element("a", "", "1"), element("span", "", "M"));
    head.append(element("span", "", "M"));
    this.layer.append(row, head);
    this.rowHeight = row.getBoundingClientRect().height || 19;
    this.headHeight = head.getBoundingClientRect().height || 27;
    this.layer.replaceChildren();
  }
}
