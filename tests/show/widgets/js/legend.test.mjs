import assert from "node:assert/strict";
import test from "node:test";

const { legendItems } = await import(`${process.env.BIDILAB_STATIC}/legend.js`);
const { describe, segmentAt, segmentWords, summary } = await import(`${process.env.BIDILAB_STATIC}/describe.js`);

const LOOKS = { false: ["cross", "black", true], missed: ["square", "vermillion", false] };
const USER = { channel: "user", kind: "interruption", label: "interruption", start_s: 1, end_s: 2, text: "stop" };
const NARROW = { channel: "user", kind: "noise", label: "noise", start_s: 1.4, end_s: 1.41, text: "", origin: "proposed" };
const RECORDING = { name: "r", duration_s: 4, segments: [USER, NARROW], probability: null, session: null };
const TURN = { onset_s: 1, offset_s: 2, started_s: 1.1, stopped_s: 2.4, cause: "score", score: 0.83 };
const DECISIONS = {
  responses: null,
  turns: [TURN, { ...TURN, onset_s: 3, offset_s: 3.2, started_s: 3.1, stopped_s: 3.9, cause: "timeout", score: null }],
  events: [{ outcome: "false", start_s: 1, at_s: 1.1, text: "false: noise", cut_s: null }],
  eot_threshold: 0.5,
  asked: [
    { at_s: 2.3, score: 0.83, fires: true },
    { at_s: 3.5, score: null, fires: false },
  ],
};
const words = (items) => items.map((item) => item.words);

test("the legend names what is shown, and nothing else", () => {
  assert.deepEqual(words(legendItems(RECORDING, null, LOOKS)), ["interruption", "noise", "dashed: nobody has confirmed it"]);
  const shown = words(legendItems(RECORDING, DECISIONS, LOOKS));
  assert.ok(shown.includes("turn ended by a score") && shown.includes("turn ended by the timeout"));
  assert.ok(shown.includes("false interruption") && !shown.includes("missed interruption"));
  const silent = { ...DECISIONS, eot_threshold: null, asked: [] };
  assert.ok(!words(legendItems(RECORDING, silent, LOOKS)).some((item) => item.includes("score")));
});

test("a narrow label is found by its name", () => {
  assert.equal(segmentAt(RECORDING.segments, 1.405), NARROW);
  assert.equal(segmentAt(RECORDING.segments, 1.43, 0.03), NARROW);
  assert.equal(segmentAt(RECORDING.segments, 1.6, 0.03), USER);
  assert.equal(segmentAt(RECORDING.segments, 3), null);
  assert.equal(segmentWords(NARROW), "noise, 1.40 to 1.41 s, nobody has confirmed it");
  assert.equal(segmentWords({ ...USER, unsure: true }), "interruption “stop”, 1.00 to 2.00 s, unsure");
});

test("why a turn ends and what was asked, in words", () => {
  assert.match(describe(RECORDING, DECISIONS, 2.3), /its turn ends at 2\.40 s by a score of 0\.83; asked at 2\.30 s: score 0\.83/);
  assert.match(describe(RECORDING, DECISIONS, 3.5), /its turn ends at 3\.90 s by the timeout; asked at 3\.50 s: no score at hand/);
  assert.match(summary(RECORDING, DECISIONS), /They end 1 × by a score, 1 × by the timeout; scores asked for: 2\./);
});
