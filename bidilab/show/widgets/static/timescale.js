// The window of time that is shown, and its scale. No DOM: tested in Node.

const LEAST_SPAN_S = 0.005;

/** A window [start_s, end_s] of a recording, never outside it, never empty, and never wider than `widest_s`. */
export class Viewport {
  constructor(duration_s, widest_s = Infinity) {
    this.duration_s = Math.max(duration_s, LEAST_SPAN_S);
    this.widest_s = Math.min(Math.max(widest_s, LEAST_SPAN_S), this.duration_s);
    this.start_s = 0;
    this.end_s = this.widest_s;
  }

  get span_s() {
    return this.end_s - this.start_s;
  }

  /** Show [start_s, end_s], moved or shortened to lie inside the recording. */
  show(start_s, end_s) {
    const span = Math.min(Math.max(end_s - start_s, LEAST_SPAN_S), this.widest_s);
    this.start_s = Math.min(Math.max(start_s, 0), this.duration_s - span);
    this.end_s = this.start_s + span;
  }

  /** Show `factor` times as much (> 1 is out), with at_s staying where it is. */
  zoom(factor, at_s) {
    const span = Math.min(Math.max(this.span_s * factor, LEAST_SPAN_S), this.widest_s);
    const share = (at_s - this.start_s) / this.span_s;
    const start = at_s - share * span;
    this.show(start, start + span);
  }

  /** Show as much as can be shown, with at_s staying where it is. */
  widen(at_s) {
    this.zoom(this.duration_s / this.span_s, at_s);
  }

  pan(by_s) {
    this.show(this.start_s + by_s, this.end_s + by_s);
  }

  /** Bring [start_s, end_s] into view with a margin on both sides; keep the zoom where it fits. */
  reveal(start_s, end_s, margin_s = 0) {
    const [from, to] = [start_s - margin_s, end_s + margin_s];
    if (to - from > this.span_s) this.show(from, to);
    else if (from < this.start_s) this.pan(from - this.start_s);
    else if (to > this.end_s) this.pan(to - this.end_s);
  }

  toX(t_s, width) {
    return ((t_s - this.start_s) / this.span_s) * width;
  }

  toTime(x, width) {
    return this.start_s + (x / width) * this.span_s;
  }
}

/** Round times for an axis: at most `most` of them, in steps of 1, 2 or 5 times a power of ten. */
export function ticks(start_s, end_s, most) {
  const least = (end_s - start_s) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= least * (1 - 1e-9));
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  const first = Math.ceil(start_s / step - 1e-9);
  for (let k = first; k * step <= end_s * (1 + 1e-12); k += 1) values.push(k * step + 0); // -0 + 0 is 0
  return { values, decimals };
}

/** A time as a player tells it: 1:05, 1:00:00. */
export function clockWords(t_s) {
  const whole = Math.round(t_s);
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}
