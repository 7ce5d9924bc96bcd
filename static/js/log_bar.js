// The switches of a log, and the lines that its address names.

const REMEMBERED = "slipway.log.times";

export class Bar {
  constructor(bar, { onFollow, onTimes, onError }) {
    this.told = bar.querySelector(".log__told");
    this.follow = bar.querySelector("[name=follow]");
    this.times = bar.querySelector("[name=times]");
    this.times.checked = isRemembered();
    bar.querySelector(".log__error").addEventListener("click", onError);
    this.follow.addEventListener("change", () => onFollow(this.follow.checked));
    this.times.addEventListener("change", () => {
      remember(this.times.checked);
      onTimes(this.times.checked);
    });
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
