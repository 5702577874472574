// The microphone as its track gives it: every sample of the device, and none that the browser made up.
//
// An AudioContext has a clock of its own. Where it and the microphone's come apart (two crystals, a thread that woke up
// late) the browser leaves out, or puts in, 10 ms of sound on the way from one to the other, and tells nobody. A
// MediaStreamTrackProcessor (Chromium) has no second clock in it. Frames are counted here, from 0, at the track's rate.
import { Capture } from "./capture.js";
import { Mixdown } from "./mixdown.js";

// Pieces of 10 ms that the browser keeps for a page that is busy: a minute. Beyond, it would drop the oldest.
const KEPT_PIECES = 6000;
const FIRST_LIMIT_MS = 5000;

export const canCaptureTracks = () => typeof MediaStreamTrackProcessor === "function";

export class TrackCapture {
  // take({frame, pcm: Int16Array}): a message of `message_ms`; lost(text): no more will come.
  constructor(track, { message_ms, take, lost }) {
    this.reader = new MediaStreamTrackProcessor({ track, maxBufferSize: KEPT_PIECES }).readable.getReader();
    this.message_ms = message_ms;
    this.take = take;
    this.lost = lost;
    this.mixdown = new Mixdown();
    this.frames = 0; // read so far
    this.over = false;
  }

  // Waits for the first piece, which tells the rate; nothing flows before `begin`.
  async open() {
    let limit;
    const silence = new Promise((_, reject) => {
      limit = setTimeout(() => reject(new Error("the microphone gives no sound; is it switched off?")), FIRST_LIMIT_MS);
    });
    try {
      const { value, done } = await Promise.race([this.reader.read(), silence]);
      if (done) throw new Error("the microphone ended before it gave any sound");
      this.first = value;
    } finally {
      clearTimeout(limit);
    }
    this.sampleRate = this.first.sampleRate;
    this.capture = new Capture(Math.round((this.sampleRate * this.message_ms) / 1000));
    return this.sampleRate;
  }

  async begin() {
    try {
      let piece = this.first;
      this.first = null;
      while (piece && !this.over) {
        this._take(piece);
        const { value } = await this.reader.read();
        piece = value;
      }
      piece?.close();
      if (!this.over) this.lost("the microphone gives no more sound");
    } catch (error) {
      if (!this.over) this.lost(`the microphone failed: ${error.message}`);
    }
  }

  // An AudioData, which is closed.
  _take(piece) {
    const { numberOfFrames, numberOfChannels, sampleRate } = piece;
    if (sampleRate !== this.sampleRate) {
      piece.close();
      throw new Error(`it changed from ${this.sampleRate} to ${sampleRate} Hz`);
    }
    const channels = Array.from({ length: numberOfChannels }, (_, planeIndex) => {
      const samples = new Float32Array(numberOfFrames);
      piece.copyTo(samples, { planeIndex, format: "f32-planar" });
      return samples;
    });
    piece.close();
    for (const message of this.capture.take(this.mixdown.mean(channels), this.frames)) this.take(message);
    this.frames += numberOfFrames;
  }

  close() {
    this.over = true;
    this.first?.close();
    this.first = null;
    this.reader.cancel().catch(() => {}); // of a track that failed already
  }
}
