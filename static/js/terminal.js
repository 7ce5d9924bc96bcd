// From the text of one row to pieces with colours. No DOM here.
//
// Only colours (SGR) mean anything; every other escape sequence is dropped, and characters that would move, hide or turn
// text are shown as escapes. The server reads colours by the same rules (pipelines/logs/looks.py, search.py).

const LONGEST_COLOUR = 60; // characters between the bracket and the m; what is longer is no colour

/** How text looks: a frozen value, shared by all rows it stands for. Colours are "31", "x208" or "#ff0000". */
export const PLAIN = Object.freeze({ fg: "", bg: "", bold: false, dim: false, italic: false, under: false, strike: false, swap: false });

// CSI, then OSC, then DCS and its like, then two-character sequences. What has no end is not matched, and so is shown.
const SEQUENCE = /\x1b(?:\[([0-9;:<=>?]*)([ -/]*[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/g;
// C0 but tab, DEL, C1, and what turns the direction of text round.
const UNSEEN = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The look that the server writes as SGR codes. */
export function looking(codes) {
  return codes ? coloured(PLAIN, codes) : PLAIN;
}

/** The pieces of a row that begins in `state`: [{ text, name, ink, ground }]: CSS classes, and true colours or "". */
export function pieces(text, state) {
  const found = [];
  let from = 0;
  const add = (until) => {
    if (until > from) addVisible(found, text.slice(from, until), dress(state));
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

/** How text looks after this. */
export function after(text, state) {
  if (!text.includes("\x1b")) return state;
  SEQUENCE.lastIndex = 0;
  for (let match = SEQUENCE.exec(text); match; match = SEQUENCE.exec(text)) {
    if (match[2] === "m") state = coloured(state, match[1]);
  }
  return state;
}

function addVisible(found, text, dressed) {
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (match.index > from) found.push({ ...dressed, text: text.slice(from, match.index) });
    const code = match[0].charCodeAt(0);
    const shown = code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    found.push({ ...UNDRESSED, name: "esc", text: shown });
    from = match.index + 1;
  }
  if (from < text.length) found.push({ ...dressed, text: text.slice(from) });
}

const UNDRESSED = Object.freeze({ name: "", ink: "", ground: "" });

function dress(state) {
  if (state === PLAIN) return UNDRESSED;
  const [fg, bg] = state.swap ? [state.bg || "-bg", state.fg || "-fg"] : [state.fg, state.bg];
  const names = [];
  if (fg && fg[0] !== "#") names.push(fg === "-bg" ? "a-under" : `a${fg}`);
  if (bg && bg[0] !== "#") names.push(bg === "-fg" ? "b-over" : `b${bg}`);
  if (state.bold) names.push("a1");
  if (state.dim) names.push("a2");
  if (state.italic) names.push("a3");
  if (state.under) names.push("a4");
  if (state.strike) names.push("a9");
  return { name: names.join(" "), ink: fg[0] === "#" ? fg : "", ground: bg[0] === "#" ? bg : "" };
}

const FLAGS = { 1: ["bold", true], 2: ["dim", true], 3: ["italic", true], 4: ["under", true], 7: ["swap", true], 9: ["strike", true],
  21: ["under", true], 23: ["italic", false], 24: ["under", false], 27: ["swap", false], 29: ["strike", false] };

function coloured(state, given) {
  if (/[<=>?]/.test(given) || given.length > LONGEST_COLOUR) return state; // only looks like a colour
  const now = { ...state };
  const parts = given.split(";");
  for (let i = 0; i < parts.length; i++) {
    if (parts[i].includes(":")) group(now, parts[i].split(":").map(Number));
    else if (parts[i] === "38" || parts[i] === "48") i += extend(now, parts.slice(i, i + 5).map((part) => (part.includes(":") ? 256 : Number(part))));
    else single(now, Number(parts[i]));
  }
  return Object.keys(PLAIN).every((key) => now[key] === PLAIN[key]) ? PLAIN : Object.freeze(now);
}

function single(now, code) {
  if (code === 0) Object.assign(now, PLAIN);
  else if (code === 22) now.bold = now.dim = false;
  else if (FLAGS[code]) now[FLAGS[code][0]] = FLAGS[code][1];
  else if (code === 39) now.fg = "";
  else if (code === 49) now.bg = "";
  else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) now.fg = String(code);
  else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) now.bg = String(code - 10);
}

/** Codes with colons: an underline of some kind, or a colour with or without its space. */
function group(now, codes) {
  if (codes[0] === 4) single(now, codes[1] === 0 ? 24 : 4);
  else if (codes[0] === 38 || codes[0] === 48) extend(now, codes[1] === 2 && codes.length > 5 ? [codes[0], 2, ...codes.slice(3, 6)] : codes);
}

/** `38;5;n` or `38;2;r;g;b`; gives how many codes follow the first. */
function extend(now, codes) {
  const key = codes[0] === 38 ? "fg" : "bg";
  const taken = codes[1] === 5 ? 2 : codes[1] === 2 ? 4 : 1;
  const values = codes.slice(2, taken + 1);
  if (taken > 1 && values.length === taken - 1 && values.every((value) => value <= 255)) {
    now[key] = taken === 2 ? named(values[0]) : `#${values.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  }
  return taken;
}

function named(index) {
  if (index < 8) return String(30 + index);
  return index < 16 ? String(82 + index) : `x${index}`;
}
