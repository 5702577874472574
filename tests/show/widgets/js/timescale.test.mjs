import assert from "node:assert/strict";
import test from "node:test";

const { clockWords, Viewport, ticks } = await import(`${process.env.BIDILAB_STATIC}/timescale.js`);

test("zooming keeps the time under the pointer where it is", () => {
  const view = new Viewport(10);
  view.zoom(0.5, 2); // 2 s lay at a fifth of 10 s; a fifth of 5 s before it is 1 s
  assert.deepEqual([view.start_s, view.end_s], [1, 6]);
  assert.equal(view.toX(2, 100), 20);
  assert.equal(view.toTime(20, 100), 2);
});

test("the window never leaves the recording", () => {
  const view = new Viewport(10);
  view.show(2, 4);
  view.pan(-5);
  assert.deepEqual([view.start_s, view.end_s], [0, 2]);
  view.pan(50);
  assert.deepEqual([view.start_s, view.end_s], [8, 10]);
  view.zoom(100, 9);
  assert.deepEqual([view.start_s, view.end_s], [0, 10]);
  view.zoom(1e-9, 5);
  assert.ok(view.span_s > 0.004 && view.span_s < 0.006);
});

test("revealing moves no more than it must", () => {
  const view = new Viewport(100);
  view.show(10, 20);
  view.reveal(12, 13, 1);
  assert.deepEqual([view.start_s, view.end_s], [10, 20]);
  view.reveal(25, 26, 1); // until 27: by 7
  assert.deepEqual([view.start_s, view.end_s], [17, 27]);
  view.reveal(40, 60, 0);
  assert.deepEqual([view.start_s, view.end_s], [40, 60]);
});

test("ticks are round", () => {
  assert.deepEqual(ticks(0, 10, 5), { values: [0, 2, 4, 6, 8, 10], decimals: 0 });
  assert.deepEqual(ticks(1.01, 1.06, 5).values.map((v) => v.toFixed(2)), ["1.01", "1.02", "1.03", "1.04", "1.05", "1.06"]);
  assert.equal(ticks(1.01, 1.06, 5).decimals, 2);
});

test("of a long recording no more is in view than can be shown", () => {
  const view = new Viewport(7200, 600);
  assert.deepEqual([view.start_s, view.end_s], [0, 600]);
  view.show(7000, 7100);
  view.widen(7050);
  assert.deepEqual([view.start_s, view.end_s], [6600, 7200]); // from 6750 on, moved to lie inside
  view.zoom(100, 6700);
  assert.equal(view.span_s, 600);
  view.reveal(10, 12, 1);
  assert.deepEqual([view.start_s, view.end_s], [9, 609]);
  const short = new Viewport(100, 600);
  short.show(3, 4);
  short.widen(3.5);
  assert.deepEqual([short.start_s, short.end_s], [0, 100]);
});

test("a time as a player tells it", () => {
  assert.deepEqual([0, 65.4, 3599.6, 7325].map(clockWords), ["0:00", "1:05", "1:00:00", "2:02:05"]);
});
