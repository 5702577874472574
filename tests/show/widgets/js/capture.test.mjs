import assert from "node:assert/strict";
import test from "node:test";

const { Capture } = await import(`${process.env.BIDILAB_STATIC}/capture.js`);

const ramp = (start, n) => Float32Array.from({ length: n }, (_, i) => (start + i) / 32768);

function gather(capture, pieces) {
  return pieces.flatMap(([frame, n]) => capture.take(ramp(frame, n), frame));
}

test("messages are of one length, numbered by their first frame, and hold every sample", () => {
  const messages = gather(new Capture(5), [[10, 4], [14, 4], [18, 4]]);
  assert.deepEqual(messages.map((m) => m.frame), [10, 15]);
  assert.deepEqual(messages.map((m) => [...m.pcm]), [[10, 11, 12, 13, 14], [15, 16, 17, 18, 19]]);
});

test("where frames were left out, the next message's number shows the hole", () => {
  const messages = gather(new Capture(4), [[0, 2], [6, 4]]);
  assert.deepEqual(messages.map((m) => [m.frame, [...m.pcm]]), [[0, [0, 1]], [6, [6, 7, 8, 9]]]);
});

test("a quantum longer than a message makes several", () => {
  assert.deepEqual(gather(new Capture(2), [[4, 5]]).map((m) => m.frame), [4, 6]);
});

test("samples beyond full scale are clipped", () => {
  const [message] = new Capture(3).take(Float32Array.of(1, -1.5, 0.5), 0);
  assert.deepEqual([...message.pcm], [32767, -32768, 16384]);
});
