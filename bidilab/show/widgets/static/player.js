// Plays a recording's two channels from a position, evened out and balanced.
//
//   const player = new Player({ ask, onPosition, onEnd, onError });
//   player.show(recording);            // recording_data of timelinefeed.py
//   await player.play(from_s); player.stop(); player.balance = -1 … 1 (user alone … agent alone)
//   player.silent = ["agent"];         // not heard at any balance
//
// Audio is asked for when it is needed, a few seconds ahead, and each stretch starts at the very sample at which the one
// before it ends: the context runs at the audio's own rate.

import { numbers } from "./requests.js";

const FIRST_S = 2; // soon to be heard
const STRETCH_S = 8;
const AHEAD_S = 4;
const START_DELAY_S = 0.05;
const PANS = { user: -0.4, agent: 0.4 };

/** Gains of both channels at a balance: the one that is turned away from fades, the other stays. */
export function balanceGains(balance) {
  return { user: Math.min(1, 1 - balance), agent: Math.min(1, 1 + balance) };
}

export class Player {
  #ask;
  #Context;
  #recording = null;
  #run = null;
  #balance = 0;
  #silent = new Set();

  constructor({ ask, onPosition = () => {}, onEnd = () => {}, onError = () => {}, Context = globalThis.AudioContext }) {
    this.#ask = ask;
    this.#Context = Context;
    Object.assign(this, { onPosition, onEnd, onError });
  }

  show(recording) {
    this.stop();
    this.#recording = recording;
  }

  get playing() {
    return this.#run !== null;
  }

  get balance() {
    return this.#balance;
  }

  set balance(value) {
    this.#balance = Math.min(Math.max(value, -1), 1);
    this.#weigh();
  }

  /** Names of channels that are not to be heard. */
  set silent(channels) {
    this.#silent = new Set(channels);
    this.#weigh();
  }

  #weigh() {
    for (const [channel, node] of Object.entries(this.#run?.gains ?? {})) node.gain.value = this.#gain(channel);
  }

  #gain(channel) {
    return this.#silent.has(channel) ? 0 : balanceGains(this.#balance)[channel] * this.#recording.channels[channel].gain;
  }

  /** Play from a position to the end of the recording, or until stopped. */
  async play(from_s) {
    this.stop();
    const run = { from_s, until_s: from_s, sources: new Set(), stopped: false, gains: {}, context: null, zero: null };
    this.#run = run;
    try {
      await this.#fill(run, FIRST_S);
      if (!run.stopped) this.#follow(run);
    } catch (error) {
      if (run.stopped) return;
      this.stop();
      this.onError(error);
    }
  }

  stop() {
    const run = this.#run;
    if (!run) return;
    this.#run = null;
    run.stopped = true;
    clearTimeout(run.timer);
    for (const source of run.sources) source.stop();
    run.context?.close();
  }

  /** Fetch the next stretch of both channels and line it up behind what is playing. */
  async #fill(run, stretch_s) {
    const start_s = run.until_s;
    const end_s = Math.min(start_s + stretch_s, this.#recording.duration_s);
    if (end_s <= start_s) return;
    const channels = Object.keys(this.#recording.channels);
    const parts = await Promise.all(channels.map((channel) => this.#ask({ kind: "audio", channel, start_s, end_s })));
    if (run.stopped) return;
    if (!run.context) await this.#open(run, channels, parts[0].content.sample_rate, parts[0].content.start_samples);
    if (run.stopped) return;
    channels.forEach((channel, k) => this.#line(run, channel, parts[k]));
    run.until_s = end_s;
  }

  async #open(run, channels, sampleRate, startSamples) {
    run.context = new this.#Context({ sampleRate });
    await run.context.resume();
    run.startSamples = startSamples;
    run.zero = run.context.currentTime + START_DELAY_S;
    for (const channel of channels) {
      const gain = run.context.createGain();
      gain.gain.value = this.#gain(channel);
      const pan = run.context.createStereoPanner();
      pan.pan.value = PANS[channel];
      gain.connect(pan).connect(run.context.destination);
      run.gains[channel] = gain;
    }
  }

  #line(run, channel, { content, buffers }) {
    const samples = Float32Array.from(numbers(buffers[0], Int16Array), (value) => value / 32768);
    if (!samples.length) return;
    const buffer = run.context.createBuffer(1, samples.length, content.sample_rate);
    buffer.copyToChannel(samples, 0);
    const source = run.context.createBufferSource();
    source.buffer = buffer;
    source.connect(run.gains[channel]);
    source.onended = () => run.sources.delete(source);
    run.sources.add(source);
    const at = run.zero + (content.start_samples - run.startSamples) / content.sample_rate;
    // A kernel that was busy answers late: what should have sounded already is left out, so that the clock stays true.
    const late = Math.max(0, run.context.currentTime - at);
    source.start(at + late, late);
  }

  /** Tell where the sound is, ask for more in time, and say when it is over. */
  #follow(run) {
    const tell = () => {
      const { context, zero } = run;
      const heard_s = context ? context.currentTime - zero - (context.outputLatency || 0) : Infinity;
      const at_s = Math.min(run.from_s + Math.max(0, heard_s), this.#recording.duration_s);
      if (at_s >= this.#recording.duration_s) {
        this.stop();
        this.onEnd();
        return;
      }
      this.onPosition(at_s);
      if (run.until_s - at_s < AHEAD_S && !run.filling) this.#more(run);
      run.timer = setTimeout(tell, 30);
    };
    tell();
  }

  async #more(run) {
    run.filling = true;
    try {
      await this.#fill(run, STRETCH_S);
    } catch (error) {
      if (run.stopped) return;
      this.stop();
      this.onError(error);
    } finally {
      run.filling = false;
    }
  }
}
