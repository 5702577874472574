// Gathers an audio clock's quanta into messages of one length, each with the frame of its first sample. Pure.

export class Capture {
  // length: samples of a message.
  constructor(length) {
    this.length = length;
    this._start(0);
  }

  _start(frame) {
    this.frame = frame;
    this.samples = new Int16Array(this.length);
    this.n = 0;
  }

  // Takes a quantum (Float32Array in [-1, 1]) that begins at `frame`; returns the messages that are full, [{frame, pcm}].
  // Where frames were left out, what was gathered is sent as it is: the next message's frame shows the hole.
  take(quantum, frame) {
    const full = [];
    if (this.n && frame !== this.frame + this.n) full.push(...this.flush());
    if (!this.n) this._start(frame);
    for (let i = 0; i < quantum.length; i++) {
      // As bidilab.core.audio.float_to_pcm16: times 32768, rounded, clipped.
      this.samples[this.n++] = Math.max(-32768, Math.min(32767, Math.round(quantum[i] * 32768)));
      if (this.n === this.length) {
        full.push({ frame: this.frame, pcm: this.samples });
        this._start(frame + i + 1);
      }
    }
    return full;
  }

  flush() {
    if (!this.n) return [];
    const rest = { frame: this.frame, pcm: this.samples.slice(0, this.n) };
    this._start(this.frame + this.n);
    return [rest];
  }
}
