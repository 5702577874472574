// What a page knows of a live session: frames of level and probability, and the kernel's tally. Pure.

const KEPT_FRAMES = 4000;

export class LiveHistory {
  constructor() {
    this.reset({});
  }

  reset({ frame_s = 0.032, detector = "", is_its_own = false }) {
    this.frame_s = frame_s;
    this.detector = detector; // what gives the probability; its own: the one that the session decides by
    this.isItsOwn = is_its_own;
    this.first = 0; // number of the oldest frame kept
    this.levels = [];
    this.probabilities = [];
    this.tally = null;
    this.diagnosis = null; // what the doctor found last
  }

  // payload: Float32 level (dB) of n_frames frames, then their probabilities. Frames known already are not taken twice.
  takeFrames({ first, n_frames: n }, payload) {
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
    // What nobody heard is no interruption: it has no latency, and is neither true nor false.
    return this.tally?.interruptions.findLast((cut) => !cut.unheard) ?? null;
  }

  // The detector's thresholds, each from where it took effect to where the next did: {from_s, to_s, on, off}.
  thresholds(until_s) {
    const steps = this.tally?.thresholds ?? [];
    return steps.map(({ at_s, on, off }, k) => ({ from_s: at_s, to_s: steps[k + 1]?.at_s ?? until_s, on, off }));
  }

  // One sentence for who does not see the chart.
  words() {
    if (!this.tally) return "Strip chart of a live session: nothing yet.";
    const { turns, responses, interruptions, unheard } = this.tally.counts;
    const last = this.lastInterruption;
    const latency = last?.onset_to_silent_ms;
    const end = last
      ? ` Last interruption at ${last.t_s.toFixed(1)} s` + (latency == null ? "." : `, silent ${latency.toFixed(0)} ms after the onset.`)
      : "";
    return `Strip chart at ${this.end_s.toFixed(0)} s: ${turns} turns, ${responses} responses, ${interruptions} interruptions${unheard ? `, ${unheard} cut that nobody heard` : ""}.${end}`;
  }
}
