// A sweep's settings in the browser: the columns that columns.py packed, and which setting stands in each cell of a
// heat map (the rule of plane.py; a test holds the two equal). No DOM: tested in Node.

import { numbers } from "./requests.js";

const TYPES = { int32: Int32Array, uint8: Uint8Array, float64: Float64Array };
export const BEST = "best";

/** A plane with numbers for what JSON cannot say, and as it is sent: an infinite value is the text "Infinity". */
export function planeOf(sent) {
  return { ...sent, at: mapped(sent.at, (value) => (value === BEST ? value : Number(value))) };
}

export function planeToSend(plane) {
  return { ...plane, at: mapped(plane.at, (value) => (value === Infinity ? "Infinity" : value)) };
}

function mapped(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

/** Named typed arrays from a description and its buffers. */
export function unpack(columns, buffers) {
  return Object.fromEntries(columns.map(({ name, type }, k) => [name, numbers(buffers[k], TYPES[type])]));
}

export class SettingsTable {
  constructor(described, buffers) {
    this.axes = described.axes.map((axis) => ({ ...axis, default: Number(axis.default), values: axis.values.map(Number) }));
    this.metrics = described.metrics;
    this.headline = described.headline;
    this.size = described.n_settings;
    this.columns = unpack(described.columns, buffers);
    this.colours = numbers(buffers.at(-1), Uint8Array);
    // A setting's index counts through the grid, the last axis fastest.
    let stride = this.size;
    this.strides = this.axes.map((axis) => (stride /= axis.values.length));
  }

  axis(name) {
    return this.axes.find((axis) => axis.name === name);
  }

  metric(name) {
    return this.metrics.find((metric) => metric.name === name);
  }

  /** Place of a setting on an axis. */
  place(setting, name) {
    const k = this.axes.findIndex((axis) => axis.name === name);
    return Math.floor(setting / this.strides[k]) % this.axes[k].values.length;
  }

  parameter(setting, name) {
    return this.axis(name).values[this.place(setting, name)];
  }

  /** Axes that make a difference in a setting: not the further ones of a model that is off. */
  telling(setting) {
    const off = (name) => this.axis(name) && this.parameter(setting, name) === Infinity;
    return this.axes.filter((axis) => !axis.off_with || !off(axis.off_with));
  }

  value(metric, setting) {
    return this.columns[metric.name][setting];
  }

  /** What a value rests on; null where it is itself a count. */
  n(metric, setting) {
    if (!metric.n_columns.length) return null;
    return metric.n_columns.reduce((sum, name) => sum + this.columns[name][setting], 0);
  }

  interval(metric, setting) {
    return metric.interval && metric.interval.map((name) => this.columns[name][setting]);
  }

  degenerate(setting) {
    return this.columns.degenerate[setting] === 1;
  }

  /** Whether the value rests on fewer than the metric asks for. */
  small(metric, setting) {
    const n = this.n(metric, setting);
    return n !== null && n < metric.small_n && !Number.isNaN(this.value(metric, setting));
  }

  /** Least and greatest finite value of a metric over the whole grid: one colour scale, wherever the sliders stand. */
  range(metric) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of this.columns[metric.name]) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return low <= high ? [low, high] : null;
  }

  /** The setting of each cell, row by row from the least y: `{width, height, settings}`. */
  cells(plane) {
    const [x, y] = [this.axis(plane.x), this.axis(plane.y)];
    const others = this.axes.filter((axis) => axis !== x && axis !== y);
    const stride = (axis) => this.strides[this.axes.indexOf(axis)];
    let offsets = [0]; // of the candidates of a cell, the one nearest to the defaults first
    for (const axis of others) {
      const places = plane.at[axis.name] === BEST ? byDistance(axis) : [axis.values.indexOf(plane.at[axis.name])];
      offsets = offsets.flatMap((offset) => places.map((place) => offset + place * stride(axis)));
    }
    const [width, height] = [x.values.length, y.values.length];
    const settings = new Int32Array(width * height);
    const better = this.#better(this.metric(plane.metric));
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        const corner = row * stride(y) + column * stride(x);
        let chosen = corner + offsets[0];
        for (const offset of offsets.slice(1)) if (better(corner + offset, chosen)) chosen = corner + offset;
        settings[row * width + column] = chosen;
      }
    }
    return { width, height, settings };
  }

  /** Whether a setting is to be preferred: not degenerate, then defined, then the better value. */
  #better(metric) {
    const sign = metric.lower_is_better === false ? -1 : 1;
    return (a, b) => {
      const degenerate = this.degenerate(a) - this.degenerate(b);
      if (degenerate) return degenerate < 0;
      const [va, vb] = [sign * this.value(metric, a), sign * this.value(metric, b)];
      if (Number.isNaN(va) || Number.isNaN(vb)) return Number.isNaN(vb) && !Number.isNaN(va);
      return va < vb;
    };
  }
}

/** Places of an axis' values by their distance from the default, the smaller value first of equals. */
function byDistance(axis) {
  const away = (place) => (axis.values[place] === axis.default ? 0 : Math.abs(axis.values[place] - axis.default));
  return axis.values.map((_, place) => place).sort((a, b) => (away(a) === away(b) ? a - b : away(a) - away(b)));
}
