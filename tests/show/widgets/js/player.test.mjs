import assert from "node:assert/strict";
import test from "node:test";

const { Player, balanceGains } = await import(`${process.env.BIDILAB_STATIC}/player.js`);

const RATE = 100;

/** A context that writes down what is started when; its clock stands until it is moved. */
function contexts() {
  const made = [];
  class Context {
    currentTime = 1;
    started = [];
    gains = [];
    closed = false;
    constructor({ sampleRate }) {
      this.sampleRate = sampleRate;
      made.push(this);
    }
    async resume() {}
    close() {
      this.closed = true;
    }
    createGain() {
      const node = { gain: { value: 1 }, connect: (next) => next };
      this.gains.push(node);
      return node;
    }
    createStereoPanner() {
      return { pan: { value: 0 }, connect: (next) => next };
    }
    createBuffer(channels, length, rate) {
      return { length, rate, copyToChannel: (samples) => (this.last = samples) };
    }
    createBufferSource() {
      const source = {
        connect: () => {},
        start: (at, offset) => this.started.push({ at, offset, length: source.buffer.length }),
        stop: () => (source.stopped = true),
      };
      return source;
    }
  }
  return { Context, made };
}

function kernel(asked) {
  return async ({ kind, channel, start_s, end_s }) => {
    asked.push([kind, channel, start_s, end_s]);
    const first = Math.round(start_s * RATE);
    const samples = new Int16Array(Math.round(end_s * RATE) - first).fill(16384);
    return { content: { sample_rate: RATE, start_samples: first }, buffers: [samples] };
  };
}

const RECORDING = { duration_s: 12, channels: { user: { gain: 2 }, agent: { gain: 0.5 } } };
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("stretches follow each other to the sample, and the end is told", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { Context, made } = contexts();
  const asked = [];
  const positions = [];
  let ended = 0;
  const player = new Player({ ask: kernel(asked), Context, onPosition: (s) => positions.push(s), onEnd: () => (ended += 1) });
  player.show(RECORDING);
  await player.play(1);
  const [context] = made;
  assert.equal(context.sampleRate, RATE);
  for (let k = 0; k < 20; k += 1) await Promise.resolve();
  // First 2 s, then 8 s: [1, 3), [3, 11) of both channels, from 50 ms after the context's 1 s.
  assert.deepEqual(asked, [["audio", "user", 1, 3], ["audio", "agent", 1, 3], ["audio", "user", 3, 11], ["audio", "agent", 3, 11]]);
  const starts = context.started.map((s) => [Number(s.at.toFixed(6)), s.offset, s.length]);
  assert.deepEqual(starts, [[1.05, 0, 200], [1.05, 0, 200], [3.05, 0, 800], [3.05, 0, 800]]);
  assert.equal(positions[0], 1);
  context.currentTime = 1.05 + 2.5;
  t.mock.timers.tick(30);
  assert.ok(Math.abs(positions.at(-1) - 3.5) < 1e-9);
  context.currentTime = 1.05 + 11;
  t.mock.timers.tick(30);
  assert.equal(ended, 1);
  assert.ok(context.closed && !player.playing);
});

test("a stretch that comes late leaves out what should have sounded", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { Context, made } = contexts();
  const answer = kernel([]);
  let release;
  const player = new Player({
    Context,
    ask: async (question) => {
      if (question.start_s > 0) await new Promise((resolve) => (release = resolve));
      return answer(question);
    },
  });
  player.show({ duration_s: 4, channels: { user: { gain: 1 } } });
  await player.play(0);
  made[0].currentTime = 1.05 + 2.5; // the second stretch was due at 2 s
  release();
  for (let k = 0; k < 20; k += 1) await Promise.resolve();
  const last = made[0].started.at(-1);
  assert.ok(Math.abs(last.at - 3.55) < 1e-9 && Math.abs(last.offset - 0.5) < 1e-9);
  player.stop();
});

test("balance and evened levels", async () => {
  const { Context, made } = contexts();
  const player = new Player({ ask: kernel([]), Context });
  player.show(RECORDING);
  await player.play(0);
  assert.deepEqual(made[0].gains.map((g) => g.gain.value), [2, 0.5]);
  player.balance = 1; // the agent alone
  assert.deepEqual(made[0].gains.map((g) => g.gain.value), [0, 0.5]);
  player.balance = -0.5;
  assert.deepEqual(made[0].gains.map((g) => g.gain.value), [2, 0.25]);
  player.silent = ["user"];
  assert.deepEqual(made[0].gains.map((g) => g.gain.value), [0, 0.25]);
  assert.deepEqual(balanceGains(0), { user: 1, agent: 1 });
  player.stop();
  await settled();
});

test("stopping while audio is on its way plays nothing, and a failure is told", async () => {
  const { Context, made } = contexts();
  const player = new Player({ ask: kernel([]), Context });
  player.show(RECORDING);
  const playing = player.play(0);
  player.stop();
  await playing;
  assert.equal(made.length, 0);
  const errors = [];
  const failing = new Player({ ask: async () => { throw new Error("no kernel"); }, Context, onError: (e) => errors.push(e.message) });
  failing.show(RECORDING);
  await failing.play(0);
  assert.deepEqual(errors, ["no kernel"]);
  assert.ok(!failing.playing);
});
