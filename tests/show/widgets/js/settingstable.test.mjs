import assert from "node:assert/strict";
import { test } from "node:test";

const { SettingsTable, unpack } = await import(`${process.env.BIDILAB_STATIC}/settingstable.js`);
const { sorted } = await import(`${process.env.BIDILAB_STATIC}/recordinglist.js`);
const { colourIndex } = await import(`${process.env.BIDILAB_STATIC}/heatmap.js`);

// Two thresholds by one padding by three silences; setting = 3 × threshold + silence.
//
//   silence    200  500  800
//   th. 0.3     10   20   20     setting 0 1 2
//   th. 0.6    NaN    5  inf     setting 3 4 5
const AXES = [
  { name: "threshold", label: "threshold", unit: "", default: 0.5, values: [0.3, 0.6] },
  { name: "prefix_padding_ms", label: "prefix padding", unit: "ms", default: 300, values: [300] },
  { name: "silence_duration_ms", label: "silence duration", unit: "ms", default: 500, values: [200, 500, 800] },
];
const METRIC = { name: "m", label: "m", unit: "ms", scale: 1, decimals: 0, lower_is_better: true, n_columns: ["n_a", "n_b"], n_label: "things", small_n: 10, interval: null };

function table({ degenerate = [0, 0, 0, 0, 0, 0], metric = METRIC } = {}) {
  const columns = [
    { name: "m", type: "float64" },
    { name: "n_a", type: "int32" },
    { name: "n_b", type: "int32" },
    { name: "degenerate", type: "uint8" },
  ];
  const buffers = [
    new Float64Array([10, 20, 20, NaN, 5, Infinity]),
    new Int32Array([4, 5, 6, 0, 8, 9]),
    new Int32Array([1, 5, 6, 0, 8, 9]),
    new Uint8Array(degenerate),
    new Uint8Array(768),
  ].map((numbers) => new DataView(numbers.buffer));
  return new SettingsTable({ axes: AXES, metrics: [metric], headline: ["m"], columns, n_settings: 6 }, buffers);
}
const plane = (at, x = "threshold", y = "prefix_padding_ms") => ({ metric: "m", x, y, at });

test("a setting's place on each axis", () => {
  const t = table();
  assert.deepEqual([0, 4, 5].map((s) => t.place(s, "silence_duration_ms")), [0, 1, 2]);
  assert.equal(t.parameter(4, "threshold"), 0.6);
});

test("n is the sum of its columns; a small one is marked, an undefined value is not small", () => {
  const t = table();
  assert.equal(t.n(METRIC, 1), 10);
  assert.deepEqual([0, 1, 3].map((s) => t.small(METRIC, s)), [true, false, false]);
  assert.equal(t.n({ ...METRIC, n_columns: [] }, 0), null);
});

test("cells of a plane, the least y first", () => {
  const { width, height, settings } = table().cells(plane({ prefix_padding_ms: 300 }, "threshold", "silence_duration_ms"));
  assert.deepEqual([width, height, [...settings]], [2, 3, [0, 3, 1, 4, 2, 5]]);
});

test("the best of what is held: defined before undefined, then the least, then the nearest to the default", () => {
  assert.deepEqual([...table().cells(plane({ silence_duration_ms: "best" })).settings], [0, 4]);
  const greatest = { ...METRIC, lower_is_better: false };
  // 20 stands at 500 and at 800 ms: 500 is the default.
  assert.deepEqual([...table({ metric: greatest }).cells(plane({ silence_duration_ms: "best" })).settings], [1, 5]);
});

test("a degenerate setting is the best only where there is no other", () => {
  assert.deepEqual([...table({ degenerate: [1, 0, 0, 1, 1, 1] }).cells(plane({ silence_duration_ms: "best" })).settings], [1, 4]);
});

test("the colour scale is that of finite values", () => {
  assert.deepEqual(table().range(METRIC), [5, 20]);
});

test("colours as matplotlib has them", () => {
  assert.deepEqual([0, 0.5, 0.999, 1].map((v) => colourIndex(v, [0, 1])), [0, 128, 255, 255]);
  assert.equal(colourIndex(3, [3, 3]), 128);
});

test("columns need not lie at a multiple of their size", () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat64(1, 2.5, true);
  const [column] = Object.values(unpack([{ name: "a", type: "float64" }], [new DataView(bytes.buffer, 1)]));
  assert.deepEqual([...column], [2.5]);
});

test("recordings in order: infinite first, undefined last, ties as they were", () => {
  const ids = ["d", "c", "b", "a"];
  assert.deepEqual(sorted(ids, [1, NaN, Infinity, 1]), [2, 0, 3, 1]);
  assert.deepEqual(sorted(ids, undefined), [3, 2, 1, 0]);
});

test("what cannot differ is not told of a setting", () => {
  const axes = [
    { name: "eot_threshold", label: "t", unit: "", default: "Infinity", infinite: "off", values: [0.5, "Infinity"] },
    { name: "eot_timeout_ms", label: "d", unit: "ms", default: 3000, off_with: "eot_threshold", values: [1000, 3000] },
  ];
  const t = new SettingsTable({ axes, metrics: [], headline: [], columns: [], n_settings: 4 }, [new DataView(new ArrayBuffer(768))]);
  const told = (setting) => t.telling(setting).map((axis) => axis.name);
  assert.deepEqual(told(0), ["eot_threshold", "eot_timeout_ms"]);
  assert.deepEqual(told(2), ["eot_threshold"]);
  assert.equal(t.parameter(3, "eot_threshold"), Infinity);
});
