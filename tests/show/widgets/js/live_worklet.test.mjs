// The worklet itself, in a scope like AudioWorkletGlobalScope: quanta of 128, `currentFrame` moved by hand.
import assert from "node:assert/strict";
import test from "node:test";

let Processor;
const port = { posted: [], postMessage(data) { this.posted.push(data); } };
globalThis.sampleRate = 24000;
globalThis.currentFrame = 0;
globalThis.AudioWorkletProcessor = class {
  port = port;
};
globalThis.registerProcessor = (_name, made) => (Processor = made);
await import(`${process.env.BIDILAB_STATIC}/live_worklet.js`);

function processor(options) {
  port.posted = [];
  globalThis.currentFrame = 0;
  return new Processor({ processorOptions: { captures: false, plays: false, capture_samples: 128, ...options } });
}

function quantum(live, input = []) {
  const out = new Float32Array(128);
  const goesOn = live.process([input], [[out]]);
  globalThis.currentFrame += 128;
  return [out, goesOn];
}

const said = (kind) => port.posted.filter((message) => message.kind === kind);

test("what is cleared between two quanta is silent in the very next, and heard to the sample", () => {
  const live = processor({ plays: true });
  live.command({ kind: "play", response: 4, pcm: new Int16Array(1000).fill(1000).buffer });
  assert.ok(quantum(live)[0].every((x) => x > 0));
  assert.ok(quantum(live)[0].every((x) => x > 0));
  live.command({ kind: "clear", response: 4 });
  assert.ok(quantum(live)[0].every((x) => x === 0));
  assert.deepEqual(said("played").map(({ what, heard, frame }) => [what, heard, frame]), [
    ["started", 0, 0],
    ["cleared", 256, 256],
  ]);
});

test("a microphone of two channels is their mean, and frames are those of the audio clock", () => {
  const live = processor({ captures: true });
  quantum(live, [new Float32Array(128).fill(0.5), new Float32Array(128).fill(0)]);
  quantum(live); // nothing is connected in this one
  quantum(live, [new Float32Array(128).fill(0.25)]);
  const messages = said("mic");
  assert.deepEqual(messages.map((m) => m.frame), [0, 256]);
  assert.deepEqual(messages.map((m) => new Int16Array(m.pcm)[5]), [8192, 8192]);
});

test("it tells the clock ten times a second, and ends when told", () => {
  const live = processor({ plays: true });
  for (let i = 0; i < 188; i++) quantum(live); // a second and a bit at 24 kHz
  assert.equal(said("tick").length, 10);
  live.command({ kind: "over" });
  assert.equal(quantum(live)[1], false);
});
