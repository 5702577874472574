// The playback buffer of a page: which sample of which response is played when. Pure: no audio API inside.
//
// The same rules as bidilab/bidi/io/playback.py. A response is a number that only grows; once cleared, nothing of it is
// ever played again, whatever still arrives.

const KEPT_CLEARED = 64;

export class Playout {
  constructor() {
    this.queue = []; // {response, samples: Float32Array, at}
    this.responses = new Map(); // number -> {heard, waiting, audible, done}
    this.cleared = new Set();
    this.late = 0;
  }

  _of(number) {
    let response = this.responses.get(number);
    if (!response) {
      response = { heard: 0, waiting: 0, audible: false, done: false };
      this.responses.set(number, response);
    }
    return response;
  }

  // Samples of a response, Int16Array. Of a cleared one they are thrown away, and counted in `late`.
  put(number, pcm) {
    if (this.cleared.has(number)) {
      this.late += pcm.length;
      return;
    }
    if (pcm.length === 0) return;
    const samples = new Float32Array(pcm.length);
    for (let i = 0; i < pcm.length; i++) samples[i] = pcm[i] / 32768;
    this.queue.push({ response: number, samples, at: 0 });
    this._of(number).waiting += pcm.length;
  }

  // No more of a response will come. Returns the reports that follow, at `frame`.
  done(number, frame) {
    if (this.cleared.has(number)) return [];
    const response = this._of(number);
    if (response.done) return [];
    response.done = true;
    return response.waiting ? [] : [this._ranOut(number, response, frame)];
  }

  // Throws away what waits of a response, for ever. Returns the report: how much of it was played before `frame`.
  clear(number, frame) {
    const heard = this.responses.get(number)?.heard ?? 0;
    this.queue = this.queue.filter((piece) => piece.response !== number);
    this.responses.delete(number);
    this.cleared.add(number);
    while (this.cleared.size > KEPT_CLEARED) this.cleared.delete(this.cleared.values().next().value);
    return [{ what: "cleared", response: number, heard, frame }];
  }

  // Fills `out` (Float32Array) from the audio clock's `frame` on; zeros where there is nothing. Returns the reports.
  fill(out, frame) {
    const reports = [];
    let filled = 0;
    while (filled < out.length && this.queue.length) {
      const piece = this.queue[0];
      const n = Math.min(out.length - filled, piece.samples.length - piece.at);
      out.set(piece.samples.subarray(piece.at, piece.at + n), filled);
      piece.at += n;
      if (piece.at === piece.samples.length) this.queue.shift();
      this._handOut(piece.response, n, frame + filled, reports);
      filled += n;
    }
    out.fill(0, filled);
    return reports;
  }

  _handOut(number, n, frame, reports) {
    const response = this._of(number);
    if (!response.audible) {
      response.audible = true;
      reports.push({ what: "started", response: number, heard: response.heard, frame });
    }
    response.heard += n;
    response.waiting -= n;
    if (!response.waiting) reports.push(this._ranOut(number, response, frame + n));
  }

  _ranOut(number, response, frame) {
    response.audible = false;
    if (response.done) this.responses.delete(number);
    return { what: response.done ? "drained" : "dry", response: number, heard: response.heard, frame };
  }
}
