import assert from "node:assert/strict";
import test from "node:test";

const { LiveHistory } = await import(`${process.env.BIDILAB_STATIC}/live_history.js`);

const columns = (levels, probabilities) => Float32Array.from([...levels, ...probabilities]).buffer;

test("frames that overlap are taken once, frames after a hole begin anew", () => {
  const history = new LiveHistory();
  history.reset({ frame_s: 0.5 });
  history.takeFrames({ first: 0, n: 3 }, columns([-1, -2, -3], [0, 0.25, 0.5]));
  history.takeFrames({ first: 2, n: 2 }, columns([-3, -4], [0.5, 0.75]));
  assert.deepEqual(history.levels, [-1, -2, -3, -4]);
  assert.deepEqual(history.probabilities, [0, 0.25, 0.5, 0.75]);
  assert.equal(history.end_s, 2);
  history.takeFrames({ first: 9, n: 1 }, columns([-9], [1]));
  assert.deepEqual([history.first, history.levels, history.next], [9, [-9], 10]);
});

test("only the last frames are kept", () => {
  const history = new LiveHistory();
  for (let first = 0; first < 9000; first += 100) {
    history.takeFrames({ first, n: 100 }, new Float32Array(200).buffer);
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
