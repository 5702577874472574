import assert from "node:assert/strict";
import test from "node:test";

const { Playout } = await import(`${process.env.BIDILAB_STATIC}/playout.js`);

const pcm = (...values) => Int16Array.from(values);

test("samples come out in order, with zeros after them, and every change has its frame", () => {
  const playout = new Playout();
  playout.put(0, pcm(16384, -32768, 8192));
  const out = new Float32Array(2);
  assert.deepEqual(playout.fill(out, 100), [{ what: "started", response: 0, heard: 0, frame: 100 }]);
  assert.deepEqual([...out], [0.5, -1]);
  assert.deepEqual(playout.fill(out, 102), [{ what: "dry", response: 0, heard: 3, frame: 103 }]);
  assert.deepEqual([...out], [0.25, 0]);
  // More comes: it starts again where it stopped, and is drained when it is known to be all.
  playout.put(0, pcm(1, 1));
  assert.deepEqual(playout.done(0, 104), []);
  assert.deepEqual(playout.fill(out, 104), [
    { what: "started", response: 0, heard: 3, frame: 104 },
    { what: "drained", response: 0, heard: 5, frame: 106 },
  ]);
});

test("a response whose end is told after its last sample is drained at once", () => {
  const playout = new Playout();
  playout.put(3, pcm(1));
  playout.fill(new Float32Array(4), 0);
  assert.deepEqual(playout.done(3, 9), [{ what: "drained", response: 3, heard: 1, frame: 9 }]);
});

test("after a clear not one sample of the response is played, whatever still arrives", () => {
  const playout = new Playout();
  playout.put(0, pcm(...Array(300).fill(16384)));
  playout.put(1, pcm(-16384, -16384));
  const out = new Float32Array(128);
  playout.fill(out, 0);
  assert.deepEqual(playout.clear(0, 128), [{ what: "cleared", response: 0, heard: 128, frame: 128 }]);
  playout.put(0, pcm(16384, 16384));
  assert.deepEqual(playout.done(0, 128), []);
  const reports = playout.fill(out, 128);
  assert.equal(out.filter((x) => x > 0).length, 0);
  assert.deepEqual([...out.subarray(0, 3)], [-0.5, -0.5, 0]); // the one behind it is not cleared
  assert.deepEqual(reports.map((r) => [r.what, r.response]), [["started", 1], ["dry", 1]]);
  assert.equal(playout.late, 2);
  assert.deepEqual(playout.fill(out, 256), []);
});

test("what was never heard is cleared with nothing heard", () => {
  const playout = new Playout();
  assert.deepEqual(playout.clear(7, 5), [{ what: "cleared", response: 7, heard: 0, frame: 5 }]);
  playout.put(7, pcm(1));
  assert.deepEqual(playout.fill(new Float32Array(1), 6), []);
});

test("a long session does not grow", () => {
  const playout = new Playout();
  for (let number = 0; number < 500; number++) {
    playout.put(number, pcm(1, 1));
    if (number % 2) playout.clear(number, 0);
    else playout.done(number, 0);
    playout.fill(new Float32Array(8), 0);
  }
  assert.equal(playout.responses.size, 0);
  assert.equal(playout.queue.length, 0);
  assert.ok(playout.cleared.size <= 64);
});
