import assert from "node:assert/strict";
import test from "node:test";

const { edgeAt, labelAt, labelWords, withEdge } = await import(`${process.env.BIDILAB_STATIC}/labelgeometry.js`);

const LABELS = [
  { channel: "agent", label: "agent response", start_s: 0, end_s: 4, origin: "given", by: "", text: "" },
  { channel: "user", label: "echo", start_s: 0.5, end_s: 4.5, origin: "proposed", by: "", text: "" },
  { channel: "user", label: "backchannel", start_s: 1, end_s: 1.5, origin: "confirmed", by: "mia", text: "mhm" },
  { channel: "user", label: "turn", start_s: 5, end_s: 6, origin: "proposed", by: "", text: "" },
];

test("the shortest label at a time, the selected one before it", () => {
  assert.equal(labelAt(LABELS, "user", 1.2), 2);
  assert.equal(labelAt(LABELS, "user", 1.2, 1), 1);
  assert.equal(labelAt(LABELS, "user", 1.5), 1); // a label does not hold its end
  assert.equal(labelAt(LABELS, "agent", 1.2), 0);
  assert.equal(labelAt(LABELS, "agent", 4.2), -1);
});

test("an edge within reach, the nearer of two", () => {
  assert.equal(edgeAt(LABELS[2], 0.95, 0.1), "start_s");
  assert.equal(edgeAt(LABELS[2], 1.3, 0.4), "end_s");
  assert.equal(edgeAt(LABELS[2], 1.25, 0.1), null);
});

test("an edge stays in the recording and off the other edge", () => {
  assert.equal(withEdge(LABELS[2], "start_s", -1, 7).start_s, 0);
  assert.ok(Math.abs(withEdge(LABELS[2], "start_s", 9, 7).start_s - 1.49) < 1e-9);
  assert.equal(withEdge(LABELS[2], "end_s", 9, 7).end_s, 7);
  assert.ok(Math.abs(withEdge(LABELS[2], "end_s", 0, 7).end_s - 1.01) < 1e-9);
});

test("of a long recording only some labels are here, under their numbers", () => {
  const some = Object.assign(new Array(900), { 700: LABELS[1], 702: LABELS[2] });
  assert.equal(labelAt(some, "user", 1.2), 702);
  assert.equal(labelWords(some, 702), "703 of 900: user, backchannel “mhm”, 1.000 to 1.500 s, confirmed by mia.");
  assert.equal(labelWords(some, 3), "The label that is selected is not in view.");
});

test("a label in words", () => {
  assert.equal(labelWords(LABELS, 2), "3 of 4: user, backchannel “mhm”, 1.000 to 1.500 s, confirmed by mia.");
  assert.equal(labelWords(LABELS, 1), "2 of 4: user, echo, 0.500 to 4.500 s, proposed, not confirmed.");
  const unsure = [{ ...LABELS[1], unsure: true }];
  assert.equal(labelWords(unsure, 0), "1 of 1: user, echo (unsure: in no rate until somebody decides), 0.500 to 4.500 s, proposed, not confirmed.");
  assert.equal(labelWords(LABELS, -1), "No label selected.");
});
