import assert from "node:assert/strict";
import test from "node:test";

const { LiveHistory } = await import(`${process.env.BIDILAB_STATIC}/live_history.js`);

const columns = (levels, probabilities) => Float32Array.from([...levels, ...probabilities]).buffer;

test("frames that overlap are taken once, frames after a hole begin anew", () => {
  const history = new LiveHistory();
  history.reset({ frame_s: 0.5 });
  history.takeFrames({ first: 0, n_frames: 3 }, columns([-1, -2, -3], [0, 0.25, 0.5]));
  history.takeFrames({ first: 2, n_frames: 2 }, columns([-3, -4], [0.5, 0.75]));
  assert.deepEqual(history.levels, [-1, -2, -3, -4]);
  assert.deepEqual(history.probabilities, [0, 0.25, 0.5, 0.75]);
  assert.equal(history.end_s, 2);
  history.takeFrames({ first: 9, n_frames: 1 }, columns([-9], [1]));
  assert.deepEqual([history.first, history.levels, history.next], [9, [-9], 10]);
});

test("only the last frames are kept", () => {
  const history = new LiveHistory();
  for (let first = 0; first < 9000; first += 100) {
    history.takeFrames({ first, n_frames: 100 }, new Float32Array(200).buffer);
  }
  assert.equal(history.next, 9000);
  assert.equal(history.levels.length, 4000);
});

test("the words say what the chart shows", () => {
  const history = new LiveHistory();
  assert.match(history.words(), /nothing yet/);
  history.tally = {
    counts: { turns: 2, responses: 1, interruptions: 1 },
    interruptions: [{ t_s: 6.1, onset_to_silent_ms: 64.2 }],
  };
  assert.match(history.words(), /1 interruptions\. Last interruption at 6\.1 s, silent 64 ms after the onset\./);
});

test("what nobody heard is no interruption to label", () => {
  const history = new LiveHistory();
  const cut = (seq, unheard) => ({ seq, t_s: seq, unheard, onset_to_silent_ms: unheard ? null : 100 });
  history.tally = { counts: { turns: 2, responses: 2, interruptions: 1, unheard: 1 }, interruptions: [cut(3, false), cut(5, true)] };
  assert.equal(history.lastInterruption.seq, 3);
  assert.match(history.words(), /1 interruptions, 1 cut that nobody heard\./);
});

test("a threshold lasts from where it took effect to where the next did", () => {
  const history = new LiveHistory();
  assert.deepEqual(history.thresholds(9), []);
  history.tally = { thresholds: [{ at_s: 0, on: 0.5, off: 0.35 }, { at_s: 4, on: 0.8, off: 0.65 }] };
  assert.deepEqual(history.thresholds(9), [
    { from_s: 0, to_s: 4, on: 0.5, off: 0.35 },
    { from_s: 4, to_s: 9, on: 0.8, off: 0.65 },
  ]);
});
