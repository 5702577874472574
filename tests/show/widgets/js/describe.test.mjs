import assert from "node:assert/strict";
import test from "node:test";

const { describe, summary } = await import(`${process.env.BIDILAB_STATIC}/describe.js`);

const RECORDING = {
  name: "early",
  duration_s: 4,
  segments: [
    { channel: "agent", kind: "response", label: "agent response", start_s: 0, end_s: 3, text: null },
    { channel: "user", kind: "interruption", label: "interruption", start_s: 1, end_s: 2, text: "stop" },
  ],
  probability: { frame_s: 0.5, values: [0, 0, 0.9, 0.8, 0, 0, 0, 0] },
  session: null,
};
const DECISIONS = {
  responses: null,
  turns: [{ onset_s: 1, offset_s: 2, started_s: 1.5, stopped_s: 2.5 }],
  events: [{ outcome: "detected", start_s: 1, at_s: 1.5, text: "500 ms", cut_s: 1.5 }],
};

test("a moment in words", () => {
  assert.equal(
    describe(RECORDING, DECISIONS, 1.5),
    "1.50 s; user: interruption “stop”; agent speaks; P(speech) 0.80; detector: in a turn since 1.50 s; " +
      "true interruption at 1.50 s, latency 500 ms",
  );
  assert.equal(describe(RECORDING, null, 3.5), "3.50 s; P(speech) 0.00");
});

test("what was missed says where the agent was not speaking", () => {
  const missed = { outcome: "missed", start_s: 1, at_s: 2, text: "missed (agent silent)", cut_s: null };
  assert.match(describe(RECORDING, { ...DECISIONS, events: [missed] }, 1.5), /missed interruption \(agent silent\), 1\.00 to 2\.00 s$/);
});

test("simulated responses stand in the place of the recorded", () => {
  const simulated = { ...DECISIONS, responses: [] };
  assert.doesNotMatch(describe(RECORDING, simulated, 1.5), /agent speaks/);
  assert.match(summary(RECORDING, simulated), /agent's responses: 0\./);
});

test("the whole in words", () => {
  assert.equal(
    summary(RECORDING, DECISIONS),
    "early, 4.0 s. Labelled on the user's side: 1 × interruption. The agent's responses: 1. " +
      "The detector's turns: 1. Outcomes: 1 × true interruption.",
  );
});
