// Search within a log: the server looks through the whole of it, and the view goes from row to row.

const PAUSE = 200; // ms after the last key

/** The search field in a log's bar, with its count and its buttons. */
export class Find {
  constructor(bar, store) {
    this.store = store;
    this.view = null; // comes with the first rows
    this.rows = new Uint32Array(0);
    this.at = -1;
    this.text = "";
    this.input = bar.querySelector("input");
    this.count = bar.querySelector(".log__n");
    this.input.form.addEventListener("submit", (event) => event.preventDefault());
    for (const one of bar.querySelectorAll("[data-step]")) one.addEventListener("click", () => this.step(Number(one.dataset.step)));
    this.input.addEventListener("input", () => this._later());
    this.input.addEventListener("keydown", (event) => this._key(event));
  }

  /** As if somebody had typed it. */
  async look(text) {
    clearTimeout(this._timer);
    this._going?.abort();
    this.text = text;
    this.at = -1;
    if (!text) {
      this._found(new Uint32Array(0), "");
      return;
    }
    const going = (this._going = new AbortController());
    this.count.textContent = "Looking";
    try {
      const rows = await this.store.find(text, going.signal);
      this.size = this.store.size;
      this._found(rows, text);
      if (rows.length) this._to(this._nearest());
    } catch (error) {
      if (error.name !== "AbortError") this.count.textContent = "The server did not answer: press Enter to ask again";
      if (this._going === going) this.text = "";
    }
  }

  /** To the next row with a match, or with -1 to the one before; after the last comes the first. */
  async step(by) {
    const text = this.input.value;
    if (text !== this.text || (text && this.size !== this.store.size && this.at + by >= this.rows.length)) {
      const before = text === this.text ? this.rows[this.at] : -1;
      await this.look(text);
      if (before < 0) return;
      this.at = this.rows.indexOf(before);
    }
    if (this.rows.length) this._to((this.at + by + this.rows.length) % this.rows.length);
  }

  _found(rows, text) {
    this.rows = rows;
    const pattern = text && new RegExp(text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&"), "giu");
    this.view?.redraw({ hits: pattern || null, pointed: -1 });
    this._say();
  }

  _to(index) {
    this.at = index;
    this.view?.show(this.rows[index], { point: true });
    this._say();
  }

  /** The first match that is not above what is in sight. */
  _nearest() {
    const top = this.view?.topRow ?? 0;
    const index = this.rows.findIndex((row) => row >= top);
    return index < 0 ? 0 : index;
  }

  _say() {
    const all = this.rows.length.toLocaleString("en");
    const lines = this.rows.length === 1 ? "line" : "lines";
    if (!this.text) this.count.textContent = "";
    else this.count.textContent = this.rows.length ? `${(this.at + 1).toLocaleString("en")} of ${all} ${lines}` : "Nowhere";
  }

  _later() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.look(this.input.value), PAUSE);
  }

  _key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && this.input.value) {
      event.preventDefault();
      this.input.value = "";
      this.look("");
    }
  }
}
