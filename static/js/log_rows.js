// From the bytes of a log to rows. No DOM here.
//
// Rows are cut at the byte level, so that a character split between two frames is whole again. A row ends after a
// newline, or is cut where ROW_BYTES have come without newline or carriage return. The server counts rows by the same
// rules (pipelines/logs/rows.py): both must give the same rows, wherever they begin to read.

import { after, looking, PLAIN } from "./terminal.js";

export const ROW_BYTES = 16384;
export const BLOCK_ROWS = 500; // as server/web/logrows.py gives at once
const NEWLINE = 10;
const RETURN = 13;
const ESCAPE = 27;
const LOOK_BACK = 63; // a cut spares escape sequences that begin within so many bytes before it

const letters = new TextDecoder("latin1"); // a byte, a letter: quick, and escapes are the same
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Rows that follow each other from `place` on; the last of them may still grow. */
export class Block {
  constructor(place, bytes = new Uint8Array(0)) {
    this.row = place.row;
    this.offset = place.offset;
    this.times = [];
    this._bytes = bytes;
    this._used = bytes.length;
    this._dropped = 0; // bytes that were drawn over: no longer in `_bytes`
    this._at = [0]; // where each row begins in `_bytes`
    this._begins = [place.offset]; // and in the log
    this._numbers = [place.joined ? 0 : place.line + 1];
    this._line = place.line; // newlines before the last row
    this._states = [place.state ?? looking(place.look)];
    this._scan();
  }

  /** The byte of the log after its last. */
  get end() {
    return this.offset + this._used + this._dropped;
  }

  get size() {
    return this._bytes.length;
  }

  /** Rows, the unfinished last one included if there is any of it. */
  get count() {
    return this._at.length - (this._at.at(-1) === this._used ? 1 : 0);
  }

  /** Rows that will never change. */
  get whole() {
    return this._at.length - 1;
  }

  /** The number of the last line that has begun. */
  get lastLine() {
    const last = this._at.length - 1;
    return this._line + (this._at[last] < this._used && this._numbers[last] ? 1 : 0);
  }

  begin(index) {
    return this._begins[index];
  }

  /** For people; 0 when it goes on with the line before. */
  number(index) {
    return this._numbers[index];
  }

  /** What is seen of row `index`, and how it looks where that begins. */
  seen(index) {
    const isLast = index === this._at.length - 1;
    const bytes = this._bytes.subarray(this._at[index], isLast ? this._used : this._at[index + 1]);
    let stop = bytes.length;
    while (stop > 0 && (bytes[stop - 1] === NEWLINE || bytes[stop - 1] === RETURN)) stop--;
    const start = stop > 0 ? bytes.lastIndexOf(RETURN, stop - 1) + 1 : 0;
    const state = this._stateAt(index);
    // Without its end the last character may be half there: `stream` holds it back.
    const text = isLast ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(start, stop), { stream: true }) : decoder.decode(bytes.subarray(start, stop));
    return { text, state: start && bytes.indexOf(ESCAPE) >= 0 ? after(decoder.decode(bytes.subarray(0, start)), state) : state };
  }

  /** When row `index` was stored, in milliseconds since 1970; 0 when that is not known. */
  time(index) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle][0] <= this._begins[index]) low = middle + 1;
      else high = middle;
    }
    return low ? this.times[low - 1][1] : 0;
  }

  /** Add bytes that follow its last. */
  append(bytes, now) {
    this._make(bytes.length);
    this.times.push([this.end, now]);
    this._bytes.set(bytes, this._used);
    this._used += bytes.length;
    this._scan();
    this._dropOverwritten();
  }

  /** Give away the first `rows` rows for good, as a block of their own; the rest stays. */
  split(rows) {
    const cut = this._at[rows];
    const end = this.end;
    const state = stateAfter(this._bytes.subarray(0, cut), this._states[0]);
    const first = new Block({ row: this.row, offset: this.offset, line: 0, state: this._states[0] }, this._bytes.slice(0, cut));
    first._begins = this._begins.slice(0, rows + 1);
    first._numbers = this._numbers.slice(0, rows + 1);
    first.times = this.times;
    this.row += rows;
    this._bytes = this._bytes.slice(cut, this._used);
    this._used -= cut;
    this._at = this._at.slice(rows).map((at) => at - cut);
    this._begins = this._begins.slice(rows);
    this._numbers = this._numbers.slice(rows);
    this._states = [state];
    this.offset = this._begins[0];
    this._dropped = end - this.offset - this._used;
    const known = this.times.findLastIndex((one) => one[0] <= this.offset);
    this.times = this.times.slice(Math.max(known, 0));
    return first;
  }

  _make(more) {
    if (this._used + more <= this._bytes.length) return;
    const bytes = new Uint8Array(Math.max(this._used + more, 2 * this._used, 4096));
    bytes.set(this._bytes.subarray(0, this._used));
    this._bytes = bytes;
  }

  /** Find the rows that begin after the last known one. */
  _scan() {
    const data = this._bytes.subarray(0, this._used);
    let begin = this._at.at(-1);
    for (;;) {
      const end = data.indexOf(NEWLINE, begin);
      const stop = end < 0 ? data.length : end;
      if (stop - begin > ROW_BYTES) for (const cut of cuts(data, begin, stop)) this._add(cut, true);
      if (end < 0) return;
      this._line += 1;
      this._add(end + 1, false);
      begin = end + 1;
    }
  }

  _add(at, isJoined) {
    this._at.push(at);
    this._begins.push(this.offset + this._dropped + at);
    this._numbers.push(isJoined ? 0 : this._line + 1);
  }

  /** A progress bar draws over itself for hours; only its last drawing is kept, and how it left the text to look. */
  _dropOverwritten() {
    const last = this._at.length - 1;
    const begin = this._at[last];
    let stop = this._used;
    while (stop > begin && this._bytes[stop - 1] === RETURN) stop--;
    const cut = stop > begin ? this._bytes.lastIndexOf(RETURN, stop - 1) + 1 : 0;
    if (cut <= begin || cut - begin < ROW_BYTES) return;
    const state = after(decoder.decode(this._bytes.subarray(begin, cut)), this._stateAt(last));
    this._bytes.copyWithin(begin, cut, this._used);
    this._used -= cut - begin;
    this._dropped += cut - begin;
    this._states[last] = state;
  }

  _stateAt(index) {
    while (this._states.length <= index) {
      const known = this._states.length - 1;
      const bytes = this._bytes.subarray(this._at[known], this._at[known + 1]);
      this._states.push(bytes.indexOf(ESCAPE) < 0 ? this._states[known] : after(decoder.decode(bytes), this._states[known]));
    }
    return this._states[index];
  }
}

/** How text looks after many rows: what stands before the last reset counts for nothing. */
function stateAfter(bytes, state) {
  if (bytes.indexOf(ESCAPE) < 0) return state;
  const text = letters.decode(bytes);
  const reset = Math.max(text.lastIndexOf("\x1b[0m"), text.lastIndexOf("\x1b[m"));
  return reset < 0 ? after(text, state) : after(text.slice(reset), PLAIN);
}

function cuts(data, begin, end) {
  const found = [];
  for (let from = begin; from < end; ) {
    const turn = data.subarray(0, end).indexOf(RETURN, from);
    const stop = turn < 0 ? end : turn;
    for (let at = from; stop - at > ROW_BYTES; ) {
      at = cutBefore(data, at + ROW_BYTES);
      found.push(at);
    }
    from = stop + 1;
  }
  return found;
}

/** Neither inside a colour nor inside a character. */
function cutBefore(data, at) {
  const escape = data.subarray(at - LOOK_BACK, at).lastIndexOf(ESCAPE);
  if (escape >= 0) return at - LOOK_BACK + escape;
  for (let back = 0; back < 4; back++) if ((data[at - back] & 0xc0) !== 0x80) return at - back;
  return at;
}
