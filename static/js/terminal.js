// From the bytes of a log to lines, and from a line to pieces of text with colours. No DOM here.
//
// Lines are cut at the byte level, so that a character split between two frames is whole again, and each knows the byte
// it begins at. Only colours (SGR) mean anything; every other escape sequence is dropped, and characters that would
// move, hide or turn text are shown as escapes.

const NEWLINE = 10;
const RETURN = 13;
const LONGEST = 16384; // bytes of a line before it is continued on the next

/** How text looks: a frozen value, shared by all lines it stands for. */
export const PLAIN = Object.freeze({ fg: "", bg: "", bold: false, dim: false, italic: false, under: false, strike: false, swap: false });

/** Gathers bytes into lines. `text(i)`, `state(i)` and `begin(i)` describe line i; the last may still grow. */
export class Lines {
  constructor(begin = 0) {
    this.size = begin; // the byte after the last one fed
    this._texts = [];
    this._states = [];
    this._begins = [];
    this._numbers = [];
    this._open = new Uint8Array(0); // bytes of the line that has no end yet
    this._openBegin = begin;
    this._openNumber = 1;
    this._state = PLAIN;
    this._decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  }

  /** Lines so far, the unfinished last one included. */
  get count() {
    return this._texts.length + (this._open.length ? 1 : 0);
  }

  /** Whether line `index` has its end: it will never change. */
  isWhole(index) {
    return index < this._texts.length;
  }

  text(index) {
    if (index < this._texts.length) return this._texts[index];
    // Without its end the last character may be half there: `stream` holds it back.
    return overwritten(new TextDecoder("utf-8", { ignoreBOM: true }).decode(this._open, { stream: true }));
  }

  state(index) {
    return index < this._states.length ? this._states[index] : this._state;
  }

  begin(index) {
    return index < this._begins.length ? this._begins[index] : this._openBegin;
  }

  /** Its number for people; 0 when it goes on with the line before. */
  number(index) {
    return index < this._numbers.length ? this._numbers[index] : this._openNumber;
  }

  /** The first line that begins at `byte` or later. */
  at(byte) {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.begin(middle) < byte) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Add bytes that follow what was fed before. */
  feed(bytes) {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      this._extend(bytes.subarray(from, end));
      this._finish(this._open, true);
      this._openNumber = this._nextNumber;
      from = end + 1;
    }
    this._extend(bytes.subarray(from));
  }

  get _nextNumber() {
    for (let i = this._numbers.length - 1; i >= 0; i--) if (this._numbers[i]) return this._numbers[i] + 1;
    return 1;
  }

  _extend(bytes) {
    if (!bytes.length) return;
    const joined = new Uint8Array(this._open.length + bytes.length);
    joined.set(this._open);
    joined.set(bytes, this._open.length);
    this.size += bytes.length;
    this._open = this._dropOverwritten(joined);
    while (this._open.length > LONGEST) this._wrap();
  }

  /** A progress bar draws over itself for hours; only its last drawing is kept, and what it coloured. */
  _dropOverwritten(bytes) {
    const last = bytes.lastIndexOf(RETURN, bytes.length - 2);
    if (last < 0 || bytes.length < 2) return bytes;
    this._state = after(this._decoder.decode(bytes.subarray(0, last)), this._state);
    return bytes.slice(last + 1);
  }

  _wrap() {
    let cut = LONGEST;
    while (cut > LONGEST - 4 && (this._open[cut] & 0xc0) === 0x80) cut--; // not inside a character
    const rest = this._open.slice(cut);
    this._finish(this._open.subarray(0, cut), false);
    this._openNumber = 0;
    this._open = rest;
    this._openBegin = this.size - rest.length;
  }

  _finish(bytes, hasEnd) {
    const whole = this._decoder.decode(bytes);
    this._texts.push(overwritten(whole));
    this._states.push(this._state);
    this._begins.push(this._openBegin);
    this._numbers.push(this._openNumber);
    this._state = after(whole, this._state);
    this._open = new Uint8Array(0);
    if (hasEnd) this.size += 1;
    this._openBegin = this.size;
  }
}

/** Of a line that was drawn over, what stood there last. */
function overwritten(text) {
  const kept = text.endsWith("\r") ? text.slice(0, -1) : text;
  const at = kept.lastIndexOf("\r");
  return at < 0 ? kept : kept.slice(at + 1);
}

// CSI, then OSC, then DCS and its like, then two-character sequences. What has no end is not matched, and so is shown.
const SEQUENCE = /\x1b(?:\[([0-9;:<=>?]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;
// C0 but tab, DEL, C1, and what turns the direction of text round.
const UNSEEN = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The pieces of a line that begins in `state`: [{ text, name }], `name` being CSS classes. */
export function pieces(text, state) {
  const found = [];
  let from = 0;
  const add = (until) => {
    if (until > from) addVisible(found, text.slice(from, until), classes(state));
  };
  SEQUENCE.lastIndex = 0;
  for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
    add(match.index);
    if (match[2] === "m") state = coloured(state, match[1]);
    from = SEQUENCE.lastIndex;
  }
  add(text.length);
  return found;
}

/** How text looks after this line. */
export function after(text, state) {
  if (!text.includes("\x1b")) return state;
  SEQUENCE.lastIndex = 0;
  for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
    if (match[2] === "m") state = coloured(state, match[1]);
  }
  return state;
}

function addVisible(found, text, name) {
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), name });
    const code = match[0].charCodeAt(0);
    const shown = code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    found.push({ text: shown, name: "esc" });
    from = match.index + 1;
  }
  if (from < text.length) found.push({ text: text.slice(from), name });
}

function classes(state) {
  if (state === PLAIN) return "";
  const [fg, bg] = state.swap ? [state.bg || "-bg", state.fg || "-fg"] : [state.fg, state.bg];
  const names = [];
  if (fg) names.push(fg === "-bg" ? "a-under" : `a${fg}`);
  if (bg) names.push(bg === "-fg" ? "b-over" : `b${bg}`);
  if (state.bold) names.push("a1");
  if (state.dim) names.push("a2");
  if (state.italic) names.push("a3");
  if (state.under) names.push("a4");
  if (state.strike) names.push("a9");
  return names.join(" ");
}

const FLAGS = { 1: ["bold", true], 2: ["dim", true], 3: ["italic", true], 4: ["under", true], 7: ["swap", true], 9: ["strike", true],
  21: ["under", true], 23: ["italic", false], 24: ["under", false], 27: ["swap", false], 29: ["strike", false] };

function coloured(state, given) {
  if (/[<=>?]/.test(given)) return state; // a private sequence that only looks like a colour
  const codes = given.split(/[;:]/, 64).map(Number);
  let now = { ...state };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) now = { ...PLAIN };
    else if (code === 22) now.bold = now.dim = false;
    else if (FLAGS[code]) now[FLAGS[code][0]] = FLAGS[code][1];
    else if (code === 39) now.fg = "";
    else if (code === 49) now.bg = "";
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) now.fg = String(code);
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) now.bg = String(code - 10);
    else if (code === 38 || code === 48) {
      const [colour, taken] = extended(codes, i + 1);
      if (colour) now[code === 38 ? "fg" : "bg"] = colour;
      i += taken;
    }
  }
  return Object.keys(PLAIN).every((key) => now[key] === PLAIN[key]) ? PLAIN : Object.freeze(now);
}

/** `5;n`, or `2;r;g;b` as the nearest of the 256; and how many codes it took. */
function extended(codes, at) {
  const byte = (value) => Number.isInteger(value) && value >= 0 && value <= 255;
  if (codes[at] === 5) return [byte(codes[at + 1]) ? named(codes[at + 1]) : "", 2];
  if (codes[at] === 2) {
    const rgb = codes.slice(at + 1, at + 4);
    return [rgb.length === 3 && rgb.every(byte) ? named(nearest(rgb)) : "", 4];
  }
  return ["", 1];
}

function named(index) {
  if (index < 8) return String(30 + index);
  return index < 16 ? String(82 + index) : `x${index}`;
}

function nearest([red, green, blue]) {
  if (Math.max(red, green, blue) - Math.min(red, green, blue) < 8) {
    const grey = Math.round((red - 8) / 10);
    return grey < 0 ? 16 : grey > 23 ? 231 : 232 + grey;
  }
  const level = (value) => (value < 48 ? 0 : value < 115 ? 1 : Math.floor((value - 35) / 40));
  return 16 + 36 * level(red) + 6 * level(green) + level(blue);
}
