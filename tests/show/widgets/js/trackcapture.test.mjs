// The microphone from its track: pieces like AudioData, from a processor that the test feeds.
import assert from "node:assert/strict";
import test from "node:test";

let fed; // of the last processor made
globalThis.MediaStreamTrackProcessor = class {
  constructor(init) {
    fed = { init, cancelled: false, waiting: [], pieces: [], ended: false };
    const mine = fed;
    this.readable = {
      getReader: () => ({
        read: () => new Promise((resolve) => (mine.waiting.push(resolve), serve(mine))),
        cancel: async () => {
          mine.cancelled = true;
          end(mine);
        },
      }),
    };
  }
};
const { TrackCapture, canCaptureTracks } = await import(`${process.env.BIDILAB_STATIC}/trackcapture.js`);

function serve(source) {
  while (source.waiting.length && source.pieces.length) source.waiting.shift()({ value: source.pieces.shift(), done: false });
  if (source.ended) for (const resolve of source.waiting.splice(0)) resolve({ value: undefined, done: true });
}

function end(source) {
  source.ended = true;
  serve(source);
}

function piece(channels, sampleRate = 48000) {
  return {
    sampleRate,
    numberOfChannels: channels.length,
    numberOfFrames: channels[0].length,
    closed: false,
    copyTo(into, { planeIndex, format }) {
      assert.equal(format, "f32-planar");
      into.set(channels[planeIndex]);
    },
    close() {
      this.closed = true;
    },
  };
}

const ramp = (start, n) => Float32Array.from({ length: n }, (_, i) => (start + i) / 32768);
const settle = () => new Promise((resolve) => setTimeout(resolve));

function capture(message_ms = 20) {
  const heard = { messages: [], lost: [] };
  const made = new TrackCapture("track", {
    message_ms,
    take: ({ frame, pcm }) => heard.messages.push([frame, [...pcm]]),
    lost: (text) => heard.lost.push(text),
  });
  return { made, heard, source: fed };
}

async function running(pieces, message_ms) {
  const all = capture(message_ms);
  all.source.pieces.push(...pieces);
  assert.equal(await all.made.open(), pieces[0].sampleRate);
  const begun = all.made.begin();
  await settle();
  return { ...all, begun };
}

test("every sample comes, once, in messages numbered from the first on, whatever the pieces' lengths", async () => {
  const pieces = [480, 1, 479, 1000].reduce((made, n) => {
    made.list.push(piece([ramp(made.at, n)]));
    return { list: made.list, at: made.at + n };
  }, { list: [], at: 0 }).list;
  const { heard, made, source } = await running(pieces);
  assert.deepEqual(heard.messages.map(([frame]) => frame), [0, 960]);
  assert.deepEqual(heard.messages.flatMap(([, pcm]) => pcm), Array.from({ length: 1920 }, (_, i) => i));
  assert.equal(made.frames, 1960);
  assert.ok(pieces.every((p) => p.closed));
  assert.deepEqual([source.init.track, source.init.maxBufferSize >= 1000], ["track", true]);
});

test("nothing flows before it begins, and what came meanwhile is kept", async () => {
  const { made, heard, source } = capture();
  source.pieces.push(piece([ramp(0, 480)]), piece([ramp(480, 480)]));
  await made.open();
  await settle();
  assert.deepEqual(heard.messages, []);
  made.begin();
  await settle();
  assert.deepEqual(heard.messages.map(([frame, pcm]) => [frame, pcm[0], pcm.at(-1)]), [[0, 0, 959]]);
});

test("several channels are their mean, at any rate", async () => {
  const stereo = piece([new Float32Array(441).fill(0.5), new Float32Array(441)], 44100);
  const { heard, made } = await running([stereo], 10);
  assert.equal(made.sampleRate, 44100);
  assert.deepEqual([heard.messages[0][1].length, heard.messages[0][1][7]], [441, 8192]);
});

test("a microphone that ends, or changes its rate, is told; one that is closed is not", async () => {
  const ended = await running([piece([ramp(0, 480)])]);
  end(ended.source);
  await ended.begun;
  assert.match(ended.heard.lost[0], /no more sound/);
  const changed = await running([piece([ramp(0, 480)]), piece([ramp(0, 160)], 16000)]);
  await changed.begun;
  assert.match(changed.heard.lost[0], /from 48000 to 16000 Hz/);
  const closed = await running([piece([ramp(0, 480)])]);
  closed.made.close();
  await closed.begun;
  assert.deepEqual([closed.heard.lost, closed.source.cancelled], [[], true]);
});

test("a microphone that gives nothing is an error that says so", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { made } = capture();
  const opening = assert.rejects(made.open(), /gives no sound/);
  t.mock.timers.tick(5000);
  await opening;
});

test("a browser without it is known by it", () => {
  assert.equal(canCaptureTracks(), true);
  const had = globalThis.MediaStreamTrackProcessor;
  delete globalThis.MediaStreamTrackProcessor;
  assert.equal(canCaptureTracks(), false);
  globalThis.MediaStreamTrackProcessor = had;
});
