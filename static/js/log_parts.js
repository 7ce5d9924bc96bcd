// The parts of a log in the page: rows, the heads of steps, and small elements.

import { pieces } from "./terminal.js";

const SPRITE = document.querySelector("use[href*='sprite']")?.getAttribute("href").split("#")[0];

/** The element of a row; `block` may be missing: then it only holds the place. */
export function rowOf(block, index, { marked, hits, times }) {
  if (!block || index >= block.count) return element("div", "ln ln--wait");
  const number = block.number(index);
  const root = element("div", `ln${number && number % 5 === 0 ? " ln--5" : ""}${number && number % 10 === 0 ? " ln--10" : ""}`);
  root.classList.toggle("ln--at", marked(number, block.row + index));
  const anchor = element("a", "", number ? String(number) : "");
  if (number) {
    root.id = `L${number}`;
    anchor.href = `#L${number}`;
    anchor.setAttribute("aria-label", `Line ${number}`);
  }
  root.append(anchor);
  if (times) root.append(timeOf(block.time(index)));
  root.append(textOf(block.seen(index), hits));
  return root;
}

/** Of a text only as nodes: nothing in it becomes a part of the page. */
function textOf({ text, state }, hits) {
  const root = element("span");
  const found = pieces(text, state);
  const ranges = hits ? rangesOf(found.map((piece) => piece.text).join(""), hits) : [];
  let at = 0;
  for (const piece of found) {
    const end = at + piece.text.length;
    for (const [part, isHit] of parts(piece.text, at, ranges)) root.append(dressed(piece, part, isHit));
    at = end;
  }
  return root;
}

function dressed(piece, text, isHit) {
  const inner = isHit ? element("mark", "", text) : text;
  if (!piece.name && !piece.ink && !piece.ground) return inner;
  const made = element("span", piece.name);
  made.append(inner);
  // Mixed with ink and ground as the 256 are (log.css), to be readable on either.
  if (piece.ink) made.style.color = `color-mix(in oklab, ${piece.ink} 62%, var(--ink))`;
  if (piece.ground) made.style.background = `color-mix(in oklab, ${piece.ground} 35%, var(--well))`;
  return made;
}

function rangesOf(text, pattern) {
  return Array.from(text.matchAll(pattern), (match) => [match.index, match.index + match[0].length]);
}

/** A piece of text that begins at `at`, cut where a hit begins or ends: [text, is it one]. */
function parts(text, at, ranges) {
  const found = [];
  let from = at;
  for (const [begin, end] of ranges) {
    if (end <= from || begin >= at + text.length) continue;
    if (begin > from) found.push([text.slice(from - at, begin - at), false]);
    const until = Math.min(end, at + text.length);
    found.push([text.slice(Math.max(begin, from) - at, until - at), true]);
    from = until;
  }
  if (from < at + text.length) found.push([text.slice(from - at), false]);
  return found;
}

function timeOf(at) {
  const made = element("time", "", at ? clockTime(new Date(at)) : "");
  if (at) {
    made.dateTime = new Date(at).toISOString();
    made.title = `${made.dateTime}: when this was stored, a moment after it was printed`;
  }
  return made;
}

function clockTime(date) {
  const two = (value) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${Math.floor(date.getMilliseconds() / 100)}`;
}

/** The head of a step: its name, verdict and time. */
export function describe(head, step, isOpen) {
  const status = step.code === null ? "running" : step.code === 0 ? "succeeded" : "failed";
  const time = step.seconds === null ? "" : clock(step.seconds);
  const code = step.code ? element("code", "clip", `exit code ${step.code}`) : "";
  head.setAttribute("aria-expanded", String(isOpen));
  head.replaceChildren(icon("i", "i-chev", ""), icon(`g c-${status}${status === "running" ? " g--running" : ""}`, `s-${status}`, status),
    element("span", "", step.name), code, element("span", "push qq", time));
}

export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

/** An icon of the sprite; without a label it is only for the eye. */
export function icon(name, id, label = "") {
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
