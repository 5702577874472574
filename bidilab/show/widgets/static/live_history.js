// What a page knows of a live session: frames of level and probability, and the kernel's tally. Pure.

const KEPT_FRAMES = 4000;

export class LiveHistory {
  constructor() {
    this.reset({});
  }

  reset({ frame_s = 0.032 }) {
    this.frame_s = frame_s;
    this.first = 0; // number of the oldest frame kept
    this.levels = [];
    this.probabilities = [];
    this.tally = null;
  }

  // payload: Float32 level (dB) of n frames, then their probabilities. Frames known already are not taken twice.
  takeFrames({ first, n }, payload) {
    const values = new Float32Array(payload);
    if (first > this.next || !this.levels.length) {
      this.first = first;
      this.levels = [];
      this.probabilities = [];
    }
    const known = this.next - first;
    if (known >= n) return;
    this.levels.push(...values.subarray(known, n));
    this.probabilities.push(...values.subarray(n + known, 2 * n));
    const excess = this.levels.length - KEPT_FRAMES;
    if (excess > 0) {
      this.levels.splice(0, excess);
      this.probabilities.splice(0, excess);
      this.first += excess;
    }
  }

  get next() {
    return this.first + this.levels.length;
  }

  get end_s() {
    return this.next * this.frame_s;
  }

  get lastInterruption() {
    return this.tally?.interruptions.at(-1) ?? null;
  }

  // One sentence for who does not see the chart.
  words() {
    if (!this.tally) return "Strip chart of a live session: nothing yet.";
    const { turns, responses, interruptions } = this.tally.counts;
    const last = this.lastInterruption;
    const latency = last?.onset_to_silent_ms;
    const end = last
      ? ` Last interruption at ${last.t_s.toFixed(1)} s` + (latency == null ? "." : `, silent ${latency.toFixed(0)} ms after the onset.`)
      : "";
    return `Strip chart at ${this.end_s.toFixed(0)} s: ${turns} turns, ${responses} responses, ${interruptions} interruptions.${end}`;
  }
}
