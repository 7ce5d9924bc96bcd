// Shows lines: folded by steps, and of the many only those in sight are in the page.

import { pieces } from "./terminal.js";

const AROUND = 40; // lines kept beyond what is in sight, on either side
const SPRITE = document.querySelector("use[href*='sprite']")?.getAttribute("href").split("#")[0];

/** One step, or what was printed before the first: a fold with a window on its lines. */
class Section {
  constructor(view, step) {
    this.view = view;
    this.first = 0;
    this.last = 0; // the line after its last
    this.rows = new Map(); // line → its element
    this.shown = "";
    this.body = element("div", "fold__b");
    this.above = element("div", "log__pad");
    this.below = element("div", "log__pad");
    this.body.append(this.above, this.below);
    this.touched = false;
    if (step) this._makeFold();
    else this.root = this.body;
  }

  get isOpen() {
    return !this.fold || this.fold.open;
  }

  _makeFold() {
    this.fold = this.root = element("details", "fold");
    this.head = element("summary");
    this.fold.append(this.head, this.body);
    this.head.addEventListener("click", () => (this.touched = true));
    this.fold.addEventListener("toggle", () => this.view.refresh());
  }

  /** Name, verdict and time; a step that went well is folded, unless somebody has opened it or it is the last. */
  describe(step, isLast) {
    const said = JSON.stringify([step, isLast]);
    if (said === this.shown) return;
    this.shown = said;
    const status = step.code === null ? "running" : step.code === 0 ? "succeeded" : "failed";
    const time = step.seconds === null ? "" : clock(step.seconds);
    const code = step.code ? element("code", "clip", `exit code ${step.code}`) : "";
    this.head.replaceChildren(icon("i", "i-chev", ""), icon(`g c-${status}${status === "running" ? " g--running" : ""}`, `s-${status}`, status),
      element("span", "", step.name), code, element("span", "push qq", time));
    if (!this.touched) this.fold.open = isLast || step.code !== 0;
  }

  /** Put the lines that are in sight into the page. */
  draw(top, bottom, height) {
    const count = this.last - this.first;
    if (!this.isOpen) return;
    const begin = this.body.getBoundingClientRect().top;
    const from = clamp(Math.floor((top - begin) / height) - AROUND, count);
    const to = clamp(Math.ceil((bottom - begin) / height) + AROUND, count);
    this.above.style.height = `${from * height}px`;
    this.below.style.height = `${(count - to) * height}px`;
    this._keep(this.first + from, this.first + to);
  }

  _keep(from, to) {
    for (const [line, row] of this.rows) {
      if (line >= from && line < to && row.whole) continue;
      row.root.remove();
      this.rows.delete(line);
    }
    let before = this.below;
    for (let line = to - 1; line >= from; line--) {
      let row = this.rows.get(line);
      if (!row) {
        row = this.view.row(line);
        this.rows.set(line, row);
        this.body.insertBefore(row.root, before);
      }
      before = row.root;
    }
  }
}

/** The lines of a log in `scroller`, following their end when `following`. */
export class LogView {
  constructor(scroller, lines, { numbered = true, onFollow = () => {} } = {}) {
    this.scroller = scroller;
    this.lines = lines;
    this.numbered = numbered;
    this.following = false;
    this.marked = 0; // the number of the line that the address names
    this.steps = [];
    this.sections = [];
    this._asked = false;
    this._height = 0;
    this._ours = -1; // where we have scrolled to ourselves
    this._onFollow = onFollow;
    scroller.replaceChildren();
    scroller.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._sizes = new ResizeObserver(() => this.refresh());
    this._sizes.observe(scroller);
    this._section(0, null);
  }

  leave() {
    this._sizes.disconnect();
    this.lines = null;
  }

  /** Draw again soon: lines came, or the window moved. */
  refresh() {
    if (this._asked) return;
    this._asked = true;
    requestAnimationFrame(() => {
      this._asked = false;
      if (this.lines) this._draw();
    });
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

  /** Go to a line by its number, once it is there. */
  mark(number) {
    this.marked = number;
    this._sought = number;
    for (const section of this.sections) section.rows.forEach((row) => row.root.classList.toggle("ln--at", row.number === number));
    this.refresh();
  }

  /** The element of one line. */
  row(line) {
    const number = this.numbered ? this.lines.number(line) : 0;
    const root = element("div", `ln${number && number % 5 === 0 ? " ln--5" : ""}${number && number % 10 === 0 ? " ln--10" : ""}`);
    root.classList.toggle("ln--at", number > 0 && number === this.marked);
    const anchor = element("a", "", number ? String(number) : "");
    if (number) {
      root.id = `L${number}`;
      anchor.href = `#L${number}`;
      anchor.setAttribute("aria-label", `Line ${number}`);
    }
    const text = element("span");
    for (const piece of pieces(this.lines.text(line), this.lines.state(line))) {
      text.append(piece.name ? element("span", piece.name, piece.text) : piece.text);
    }
    root.append(anchor, text);
    return { root, number, whole: this.lines.isWhole(line) };
  }

  _section(index, step) {
    if (!this.sections[index]) {
      const section = (this.sections[index] = new Section(this, step));
      this.scroller.append(section.root);
    }
    return this.sections[index];
  }

  /** Section 0 is what was printed before the first step; a line belongs to the step that it begins in. */
  _lay() {
    const borders = [0, ...this.steps.map((step) => this.lines.at(step.begins)), this.lines.count];
    this._section(0, null).last = borders[1];
    this.sections[0].root.hidden = !borders[1] && this.steps.length > 0; // nothing came before the first step
    this.steps.forEach((step, index) => {
      const section = this._section(index + 1, step);
      section.first = borders[index + 1];
      section.last = borders[index + 2];
      section.describe(step, index === this.steps.length - 1);
    });
  }

  _draw() {
    this._lay();
    this._height ||= this._measure();
    const window = this.scroller.getBoundingClientRect();
    if (this.following) this._toEnd();
    if (this._sought) this._seek();
    for (const section of this.sections) section.draw(window.top, window.bottom, this._height);
    if (this.following && this._toEnd()) for (const section of this.sections) section.draw(window.top, window.bottom, this._height);
  }

  _toEnd() {
    const before = this.scroller.scrollTop;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this._ours = this.scroller.scrollTop;
    return this._ours !== before;
  }

  _seek() {
    const section = this.sections.find((one) => one.last > one.first && this._numberAfter(one) > this._sought && this.lines.number(one.first) <= this._sought);
    if (!section) return;
    if (section.fold) section.fold.open = section.touched = true;
    let line = section.first;
    while (line < section.last && this.lines.number(line) !== this._sought) line++;
    const top = section.body.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top + this.scroller.scrollTop;
    section.below.style.height = `${(section.last - section.first) * this._height}px`;
    this.scroller.scrollTop = top + (line - section.first) * this._height - this.scroller.clientHeight / 3;
    this._sought = 0;
  }

  _numberAfter(section) {
    for (let line = section.last - 1; line >= section.first; line--) if (this.lines.number(line)) return this.lines.number(line) + 1;
    return 0;
  }

  _scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollTop !== this._ours) this.follow(scrollHeight - scrollTop - clientHeight < 2 * (this._height || 20));
    this.refresh();
  }

  _measure() {
    const probe = element("div", "ln");
    probe.append(element("a", "", "1"), element("span", "", "M"));
    this.scroller.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height;
  }
}

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

function icon(name, id, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", name);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  if (SPRITE) {
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${SPRITE}#${id}`);
    svg.append(use);
  }
  return svg;
}

function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function clamp(value, most) {
  return Math.max(0, Math.min(value, most));
}
