// Several channels into one: their mean. Pure.

export class Mixdown {
  constructor() {
    this.mono = new Float32Array(0);
  }

  // channels: Float32Arrays of one length. A single one is returned as it is; else an array that the next call writes anew.
  mean(channels) {
    if (channels.length === 1) return channels[0];
    const n = channels[0].length;
    if (this.mono.length !== n) this.mono = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.mono[i] = sum / channels.length;
    }
    return this.mono;
  }
}
