// Numbers as `Column.format` and `format_n` of bidilab/lab/metrics/columns write them, to the last digit.

/** A number with so many decimals, a tie going to the even digit as in Python; "-0" is "0". */
export function fixed(value, decimals) {
  let text = value.toFixed(decimals);
  const scaled = value * 10 ** decimals;
  // A true tie is a whole number of 2^-(decimals + 1); what only looks like one after the product is not.
  if (Math.abs(scaled) % 1 === 0.5 && Number.isInteger(value * 2 ** (decimals + 1))) {
    const below = Math.floor(scaled);
    text = ((below % 2 === 0 ? below : below + 1) / 10 ** decimals).toFixed(decimals);
  }
  return Number(text) === 0 ? text.replace("-", "") : text;
}

/** A parameter's value as Python's `:g` writes those that are swept. */
export function plain(value) {
  return String(Number(value.toPrecision(6)));
}

/** A parameter's value on an axis; one that is infinite in its word, "off" or "never". */
export function tickText(axis, value) {
  return Number.isFinite(value) ? plain(value) : axis.infinite;
}

export function parameterText(axis, value) {
  return axis.unit && Number.isFinite(value) ? `${plain(value)} ${axis.unit}` : tickText(axis, value);
}

/** One column value: "no data" for NaN, "not reached" for infinity. */
export function metricText(metric, value, { unit = false } = {}) {
  if (Number.isNaN(value)) return "no data";
  if (!Number.isFinite(value)) return "not reached";
  const text = fixed(value * metric.scale, metric.decimals);
  return unit && metric.unit ? `${text} ${metric.unit}` : text;
}

/** The 95 % interval, "3.1–6.4"; "at least 3.1" where there is no upper end; empty where there is none. */
export function intervalText(metric, interval) {
  if (!interval || interval.some(Number.isNaN)) return "";
  const [low, high] = interval.map((end) => metricText(metric, end));
  if (interval[0] === Infinity) return low;
  return interval[1] === Infinity ? `at least ${low}` : `${low}–${high}`;
}

/** "n = 115", "n = 8.1 min", below a minute "n = 12.0 s"; empty for a count. */
export function nText(metric, n) {
  if (n === null) return "";
  if (!metric.n_unit) return `n = ${fixed(n, 0)}`;
  return n >= 1 ? `n = ${fixed(n, 1)} min` : `n = ${fixed(60 * n, 1)} s`;
}

/** "n = 115 true interruptions" */
export function nWords(metric, n) {
  if (n === null) return "";
  return metric.n_unit ? `n = ${fixed(n, 1)} ${metric.n_label}` : `n = ${fixed(n, 0)} ${metric.n_label}`;
}
