// Scrolls over more pixels than a browser lets an element be high (Firefox: 17.8 million, Chrome: 33 million).
//
// Up to MOST both heights are the same. Beyond, the scroll bar goes over MOST pixels that stand for all; a wheel, a key or
// a finger moves what is shown by as much as it moves the bar, and in the next rest the bar is put where it belongs.

const MOST = 15_000_000;
const REST = 150; // ms without scrolling

export class Scroll {
  constructor(scroller, space) {
    this._scroller = scroller;
    this._space = space;
    this._height = 0; // of all that could be shown
    this._shift = 0; // what is shown at the top, minus the bar's place
    this._bar = 0; // where the bar was when we looked last
    this._wide = 0; // the window's height
  }

  /** The pixel of all that stands at the top of the window. */
  get top() {
    return this._bar + this._shift;
  }

  get isAtEnd() {
    return this._height - this.top - this._wide < 40;
  }

  /** Where pixel `y` of all stands in the element that scrolls. */
  place(y) {
    return y - this._shift;
  }

  /** How high all is, and the window; what is at the top stays there. */
  measure(height, wide) {
    this._wide = wide;
    if (height !== this._height) {
      const [top, isLess] = [this.top, height < this._height];
      this._height = height;
      this._space.style.blockSize = `${Math.min(height, MOST)}px`;
      if (isLess) this.to(top);
    }
  }

  /** The bar has moved; gives whether we have not done that ourselves. */
  moved() {
    const bar = this._scroller.scrollTop;
    const by = bar - this._bar;
    if (Math.abs(by) < 1) return false;
    this._bar = bar;
    if (this._height <= MOST) {
      this._shift = 0;
      return true;
    }
    const atRim = bar < this._wide || bar > MOST - 2 * this._wide;
    if (Math.abs(by) > 2 * this._wide) this._shift = this._top(bar) - bar;
    else if (atRim) this.to(this.top);
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.to(this.top), REST);
    return true;
  }

  /** Show pixel `y` of all at the top. */
  to(y) {
    const top = Math.max(0, Math.min(y, this._height - this._wide));
    this._scroller.scrollTop = this._height <= MOST ? top : (top / this._ratio);
    this._bar = this._scroller.scrollTop;
    this._shift = this._height <= MOST ? 0 : top - this._bar;
  }

  get _ratio() {
    return (this._height - this._wide) / (MOST - this._wide);
  }

  _top(bar) {
    return bar * this._ratio;
  }
}
