// What the page holds of a log: its growing end, and a bounded number of blocks around what is looked at. No DOM here.

import { Block, BLOCK_ROWS } from "./log_rows.js";

const HELD_BYTES = 24 * 1024 * 1024; // of blocks; those that were not looked at for longest go first
const AT_ONCE = 3; // requests under way
const PAUSE = 1000; // ms after a request that failed

/** Blocks of a log by row, fetched when they are asked for; `onChange` is told when there is more to show. */
export class Store {
  constructor(address, onChange) {
    this.address = address; // of the log, with a slash at its end
    this.onChange = onChange;
    this.rows = 0;
    this.lines = 0;
    this.size = 0;
    this.skew = 0; // the server's clock minus ours, ms
    this.tail = null; // the block that still grows
    this._blocks = new Map(); // number → block, that looked at last at the end
    this._held = 0;
    this._wanted = new Set();
    this._busy = new Set();
    this._notBefore = 0;
  }

  /** Ask for a place of the log (`{row}`, `{line}`, or nothing: its end) and keep what stands there; gives what was told. */
  async open(place = {}) {
    const told = await this._fetch(place);
    const isOwn = this.tail && told.block.row >= this.tail.row;
    if (!isOwn) this._keep(told.block);
    return told;
  }

  /** Begin to grow from the block that `open` gave of the end. */
  grow(block) {
    this._forget(block.row / BLOCK_ROWS);
    this.tail = block;
    this._count();
  }

  append(bytes) {
    this.tail.append(bytes, Date.now() + this.skew);
    while (this.tail.whole >= BLOCK_ROWS) this._keep(this.tail.split(BLOCK_ROWS));
    this._count();
  }

  /** How large it is, for a log that no longer grows. */
  settle({ rows, lines, size }) {
    Object.assign(this, { rows, lines, size });
  }

  /** The block that row stands in, if it is here; else it is fetched. */
  block(row) {
    if (this.tail && row >= this.tail.row) return this.tail;
    const number = Math.floor(row / BLOCK_ROWS);
    const block = this._blocks.get(number);
    if (block) {
      this._blocks.delete(number);
      this._blocks.set(number, block);
    } else this.want(row);
    return block;
  }

  want(row) {
    const number = Math.floor(row / BLOCK_ROWS);
    if (row < 0 || row >= this.rows || (this.tail && row >= this.tail.row) || this._blocks.has(number)) return;
    this._wanted.add(number);
    this._next();
  }

  /** What was wanted before is no longer: somebody has scrolled on. */
  unwant() {
    this._wanted.clear();
  }

  /** The rows in which text stands, in ascending order. */
  async find(text, signal) {
    const answer = await get(`${this.address}find/?q=${encodeURIComponent(text)}`, signal);
    const rows = new Uint32Array(await answer.arrayBuffer());
    for (let i = 1; i < rows.length; i++) rows[i] += rows[i - 1];
    return rows;
  }

  async firstError() {
    return (await get(`${this.address}first-error/`)).json();
  }

  _count() {
    this.rows = this.tail.row + this.tail.count;
    this.lines = this.tail.lastLine;
    this.size = this.tail.end;
  }

  _next() {
    for (const number of this._wanted) {
      if (this._busy.size >= AT_ONCE || Date.now() < this._notBefore) return;
      this._wanted.delete(number);
      if (!this._busy.has(number)) this._bring(number);
    }
  }

  async _bring(number) {
    this._busy.add(number);
    try {
      await this.open({ row: number * BLOCK_ROWS });
    } catch {
      this._notBefore = Date.now() + PAUSE;
      setTimeout(() => this.onChange(), PAUSE + 50);
    }
    this._busy.delete(number);
    this.onChange();
    this._next();
  }

  async _fetch(place) {
    const answer = await get(`${this.address}rows/?${new URLSearchParams(place)}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const cut = bytes.indexOf(10);
    const told = JSON.parse(new TextDecoder().decode(bytes.subarray(0, cut)));
    told.block = new Block(told.place, bytes.slice(cut + 1));
    told.block.times = told.times;
    this.skew = told.now - Date.now();
    return told;
  }

  _keep(block) {
    const number = block.row / BLOCK_ROWS;
    this._forget(number);
    this._blocks.set(number, block);
    this._held += block.size;
    for (const oldest of this._blocks.keys()) {
      if (this._held <= HELD_BYTES || this._blocks.size <= 3) return;
      this._forget(oldest);
    }
  }

  _forget(number) {
    this._held -= this._blocks.get(number)?.size ?? 0;
    this._blocks.delete(number);
  }
}

/** An answer that is fine; what is not is thrown, with its status. */
async function get(address, signal) {
  const answer = await fetch(address, { signal, credentials: "same-origin" });
  // A session that has ended is answered by the sign-in page.
  if (!answer.ok || answer.redirected) throw Object.assign(new Error(`${address}: ${answer.status}`), { status: answer.redirected ? 403 : answer.status });
  return answer;
}
