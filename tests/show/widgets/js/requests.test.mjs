import assert from "node:assert/strict";
import test from "node:test";

const { Requests, numbers } = await import(`${process.env.BIDILAB_STATIC}/requests.js`);

/** A model whose kernel answers with `kernel(question)`. */
class Model {
  listeners = new Set();
  sent = [];
  on(name, listener) {
    assert.equal(name, "msg:custom");
    this.listeners.add(listener);
  }
  off(name, listener) {
    this.listeners.delete(listener);
  }
  send(question) {
    this.sent.push(question);
  }
  reply(content, buffers) {
    for (const listener of this.listeners) listener(content, buffers);
  }
}

test("each answer goes to its own question, in any order", async () => {
  const model = new Model();
  const requests = new Requests(model);
  const [first, second] = [requests.ask({ kind: "a" }), requests.ask({ kind: "b" })];
  model.reply({ reply: model.sent[1].request, n: 2 }, ["two"]);
  model.reply({ reply: "of another view", n: 3 }, []);
  model.reply({ reply: model.sent[0].request, n: 1 }, ["one"]);
  assert.deepEqual((await first).buffers, ["one"]);
  assert.equal((await second).content.n, 2);
});

test("what the kernel refuses is rejected in its words, and so is what a closed view waits for", async () => {
  const model = new Model();
  const requests = new Requests(model);
  const refused = requests.ask({});
  model.reply({ reply: model.sent[0].request, error: "channel must be user" });
  await assert.rejects(refused, /channel must be user/);
  const waiting = requests.ask({});
  requests.close();
  await assert.rejects(waiting, /closed/);
  assert.equal(model.listeners.size, 0);
});

test("what is not answered is asked again, ever more seldom, until it is answered or the view closed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const model = new Model();
  const requests = new Requests(model);
  const [answered, closed] = [requests.ask({ kind: "a" }), requests.ask({ kind: "b" })];
  const kinds = () => model.sent.map(({ kind }) => kind).join("");
  t.mock.timers.tick(2999);
  assert.equal(kinds(), "ab");
  t.mock.timers.tick(1);
  assert.equal(kinds(), "abab");
  assert.equal(model.sent[2].request, model.sent[0].request);
  model.reply({ reply: model.sent[0].request }, []);
  await answered;
  t.mock.timers.tick(5999);
  assert.equal(kinds(), "abab");
  t.mock.timers.tick(1);
  assert.equal(kinds(), "ababb");
  requests.close();
  await assert.rejects(closed);
  t.mock.timers.tick(100000);
  assert.equal(kinds(), "ababb");
});

test("numbers of an unaligned view", () => {
  const bytes = new Uint8Array([9, 1, 0, 255, 255, 9]);
  assert.deepEqual([...numbers(new DataView(bytes.buffer, 1, 4), Int16Array)], [1, -1]);
});
