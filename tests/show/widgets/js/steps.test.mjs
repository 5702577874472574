import assert from "node:assert/strict";
import test from "node:test";

const { Latest, neighbour } = await import(`${process.env.BIDILAB_STATIC}/steps.js`);

test("the next and the previous event", () => {
  const events = [{ start_s: 5 }, { start_s: 1 }, { start_s: 3 }];
  assert.equal(neighbour(events, 0, 1).start_s, 1);
  assert.equal(neighbour(events, 1, 1).start_s, 3); // standing on one, the next is another
  assert.equal(neighbour(events, 5, 1), undefined);
  assert.equal(neighbour(events, 9, -1).start_s, 5);
  assert.equal(neighbour(events, 3, -1).start_s, 1);
  assert.equal(neighbour(events, 1, -1), undefined);
});

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
