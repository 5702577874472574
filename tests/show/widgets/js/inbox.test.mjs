import assert from "node:assert/strict";
import test from "node:test";

const { Inbox } = await import(`${process.env.BIDILAB_STATIC}/inbox.js`);

const message = (n, kind = "tally", line = "a") => ({ kind, n, line });
const numbers = (heard) => heard.map(([head]) => head.n);

test("in order, each is heard as it comes, and once", () => {
  const inbox = new Inbox();
  assert.deepEqual([0, 1, 1, 0, 2].map((n) => numbers(inbox.take(message(n)))), [[0], [1], [], [], [2]]);
  assert.equal(inbox.missing(0), null);
});

test("what follows a hole waits until the hole is filled", () => {
  const inbox = new Inbox();
  inbox.take(message(0));
  assert.deepEqual(numbers(inbox.take(message(3), "late")), []);
  assert.deepEqual(inbox.missing(1000), { line: "a", from: 1, until: 3 });
  assert.deepEqual(numbers(inbox.take(message(1))), [1]);
  assert.deepEqual(inbox.take(message(2)), [[message(2), undefined], [message(3), "late"]]);
  assert.equal(inbox.missing(2000), null);
  assert.equal(inbox.dropped, 2);
});

test("an interruption is heard at once, over a hole, and not a second time", () => {
  const inbox = new Inbox();
  inbox.take(message(0));
  assert.deepEqual(numbers(inbox.take(message(2, "clear"))), [2]);
  assert.deepEqual(numbers(inbox.take(message(3))), []);
  assert.deepEqual(numbers(inbox.take(message(2, "clear"))), []);
  assert.deepEqual(numbers(inbox.take(message(1, "play"))), [1, 3]);
});

test("it asks again while something is missing, but not at every message, and counts once", () => {
  const inbox = new Inbox();
  inbox.take(message(2));
  assert.deepEqual(inbox.missing(0), { line: "a", from: 0, until: 2 });
  inbox.take(message(3));
  assert.equal(inbox.missing(100), null);
  assert.deepEqual(inbox.missing(200), { line: "a", from: 0, until: 2 });
  inbox.take(message(0));
  inbox.take(message(1));
  inbox.take(message(9));
  assert.deepEqual(inbox.missing(900), { line: "a", from: 4, until: 9 });
  assert.equal(inbox.dropped, 7);
});

test("what the kernel no longer has is given up", () => {
  const inbox = new Inbox();
  inbox.take(message(0));
  inbox.take(message(4));
  assert.deepEqual(numbers(inbox.take({ kind: "gone", line: "a", before: 3 })), []);
  assert.equal(inbox.gone, 2);
  assert.deepEqual(numbers(inbox.take(message(3))), [3, 4]);
  assert.deepEqual(numbers(inbox.take({ kind: "gone", line: "a", before: 2 })), []);
});

test("a new line of numbers begins at its beginning; what has no number is heard", () => {
  const inbox = new Inbox();
  inbox.take(message(0));
  inbox.take(message(5));
  assert.deepEqual(numbers(inbox.take(message(1, "tally", "b"))), []);
  assert.deepEqual(inbox.missing(0), { line: "b", from: 0, until: 1 });
  assert.deepEqual(inbox.take({ kind: "reset" }, null), [[{ kind: "reset" }, null]]);
});

test("any order, any losses: with what it asks for, everything is heard once", () => {
  for (let seed = 1; seed < 200; seed++) {
    let state = seed * 7919;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const inbox = new Inbox();
    const heard = [];
    const N = 30;
    const sent = Array.from({ length: N }, (_, n) => message(n, random() < 0.2 ? "clear" : "play"));
    const hear = (head) => heard.push(...numbers(inbox.take(head)));
    for (const head of sent) if (random() < 0.6 || head.n === N - 1) hear(head);
    for (let asked, now = 1000; (asked = inbox.missing(now)); now += 1000) {
      assert.ok(asked.until > asked.from);
      for (let n = asked.from; n < asked.until; n++) if (random() < 0.7) hear(sent[n]);
    }
    assert.deepEqual([...heard].sort((a, b) => a - b), sent.map(({ n }) => n));
    const plays = heard.filter((n) => sent[n].kind === "play");
    assert.deepEqual(plays, [...plays].sort((a, b) => a - b));
  }
});
