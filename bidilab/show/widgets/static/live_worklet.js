// The AudioWorklet of a live session: agent out and, where trackcapture.js cannot, microphone in, on the audio clock
// (`currentFrame`).
import { Capture } from "./capture.js";
import { Mixdown } from "./mixdown.js";
import { Playout } from "./playout.js";

const TICK_S = 0.1;

class LiveProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.capture = processorOptions.captures ? new Capture(processorOptions.capture_samples) : null;
    this.playout = processorOptions.plays ? new Playout() : null;
    this.mixdown = new Mixdown();
    this.nextTick = 0;
    this.end = currentFrame; // of the last quantum: a command acts from here on
    this.over = false;
    this.port.onmessage = ({ data }) => this.command(data);
  }

  // Commands act between two quanta: what is cleared here is silent in the very next one.
  command({ kind, response, pcm }) {
    if (kind === "play") this.playout.put(response, new Int16Array(pcm));
    else if (kind === "done") this.report(this.playout.done(response, this.end));
    else if (kind === "clear") this.report(this.playout.clear(response, this.end));
    else if (kind === "over") this.over = true;
  }

  report(reports) {
    for (const report of reports) this.port.postMessage({ kind: "played", ...report });
  }

  process(inputs, outputs) {
    if (this.over) return false;
    if (this.capture && inputs[0].length) {
      const quantum = this.mixdown.mean(inputs[0]);
      for (const { frame, pcm } of this.capture.take(quantum, currentFrame)) {
        this.port.postMessage({ kind: "mic", frame, pcm: pcm.buffer }, [pcm.buffer]);
      }
    }
    if (this.playout) {
      const [out] = outputs[0];
      this.report(this.playout.fill(out, currentFrame));
      this.end = currentFrame + out.length;
      if (currentFrame >= this.nextTick) {
        this.nextTick = currentFrame + TICK_S * sampleRate;
        this.port.postMessage({ kind: "tick", frame: this.end });
      }
    }
    return true;
  }
}

registerProcessor("bidilab-live", LiveProcessor);
