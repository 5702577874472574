import assert from "node:assert/strict";
import test from "node:test";

const { inTurn, Latest } = await import(`${process.env.BIDILAB_STATIC}/steps.js`);

test("one change is under way at a time, and the last values arrive", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const posted = [];
  const latest = new Latest((changes) => posted.push(changes));
  latest.send({ a: 1 });
  latest.send({ a: 2 });
  latest.send({ b: 7 });
  latest.send({ a: 3 });
  assert.deepEqual(posted, [{ a: 1 }]);
  latest.arrived();
  assert.deepEqual(posted, [{ a: 1 }, { a: 3, b: 7 }]);
  assert.ok(latest.busy);
  latest.arrived();
  assert.ok(!latest.busy);
  latest.send({ a: 4 });
  latest.send({ a: 5 });
  t.mock.timers.tick(2000); // no answer: the next one goes all the same
  assert.deepEqual(posted.at(-1), { a: 5 });
  latest.close();
});

test("a step begins where the one before it ended", async () => {
  let at = 0;
  const step = inTurn(async (by) => {
    const from = at;
    await null;
    at = from + by;
  });
  step(1);
  step(1);
  await step(1);
  assert.equal(at, 3);
});
