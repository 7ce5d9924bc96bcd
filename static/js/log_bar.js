// The switches of a log, and the lines that its address names.

import { element, icon } from "./log_parts.js";

const REMEMBERED = "slipway.log.times";
const WHAT_ERROR =
  "The first line that says error, failed, fatal, panic, exception or traceback and not that there was none; if a step failed, within it, else where it begins";

export class Bar {
  constructor(place, { onFollow, onTimes, onError }) {
    this.error = element("button", "btn btn--bare btn--sm");
    this.error.type = "button";
    this.error.title = WHAT_ERROR;
    this.error.append(icon("i", "i-x"), "First error");
    this.error.addEventListener("click", onError);
    this.told = element("span", "sm q");
    this.told.setAttribute("role", "status");
    this.follow = makeSwitch("Follow", onFollow);
    this.times = makeSwitch("Times", (on) => {
      remember(on);
      onTimes(on);
    });
    this.times.checked = isRemembered();
    place.prepend(this.told, this.error, this.follow.parentNode, this.times.parentNode);
  }
}

/** The first and last line that the address names: `#L12` or `#L12-L20`; zeros without. */
export function linesInAddress() {
  const found = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
  if (!found) return [0, 0];
  const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
  return first <= last ? [first, last] : [last, first];
}

/** A click on a line's number names that line; with Shift, all lines from the one named before. */
export function nameLines(event) {
  const anchor = event.target.closest(".ln > a[href]");
  if (!anchor || event.ctrlKey || event.metaKey || event.altKey || event.button) return false;
  event.preventDefault();
  const line = Number(anchor.hash.slice(2));
  const before = event.shiftKey ? linesInAddress()[0] : 0;
  const [first, last] = before ? [Math.min(before, line), Math.max(before, line)] : [line, line];
  history.replaceState(history.state, "", first === last ? `#L${first}` : `#L${first}-L${last}`);
  if (event.shiftKey) getSelection()?.removeAllRanges();
  return true;
}

function makeSwitch(name, onChange) {
  const label = element("label", "sw");
  const input = element("input");
  input.type = "checkbox";
  input.setAttribute("role", "switch");
  input.addEventListener("change", () => onChange(input.checked));
  label.append(input, name);
  return input;
}

function remember(on) {
  try {
    localStorage.setItem(REMEMBERED, on ? "1" : "");
  } catch {
    // a browser that keeps nothing: the switch holds for this page
  }
}

function isRemembered() {
  try {
    return Boolean(localStorage.getItem(REMEMBERED));
  } catch {
    return false;
  }
}
