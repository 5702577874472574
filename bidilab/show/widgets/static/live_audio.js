// The page's microphone and loudspeaker.
//
// The loudspeaker is on the clock of an AudioContext at the model's rate. The microphone is taken from its track where
// the browser can do that (Chromium), at the track's own rate; else from a context (Safari: the loudspeaker's; Firefox
// does not resample a microphone into a context of another rate, so there it has a context of its own).
import { TrackCapture, canCaptureTracks } from "./trackcapture.js";

const CAPTURE_MS = { socket: 20, comm: 40 };
const WORKLET = new URL("./live_worklet.js", import.meta.url);

export class BrowserAudio {
  // send(head, payload): to the session; lost(text): the microphone is gone.
  constructor({ send, lost }) {
    this.send = send;
    this.lost = lost;
    this.nodes = [];
    this.contexts = [];
    this.stream = null;
    this.tracked = null; // the microphone's TrackCapture
    this.player = null;
    this.rate = 0; // of the microphone, Hz
    this.end = () => 0; // frame of the microphone that is captured next
  }

  // wanted: {microphone, speaker, sample_rate}; constraints: of the microphone. Resolves to what is open.
  async open(wanted, constraints, way) {
    const opened = { epoch: crypto.randomUUID(), microphone_rate: null, speaker_rate: null };
    const track = wanted.microphone ? await this._microphone(constraints) : null;
    const byTrack = track && canCaptureTracks();
    const main = wanted.speaker || (track && !byTrack) ? await this._context(wanted.sample_rate) : null;
    if (wanted.speaker) {
      opened.speaker_rate = main.sampleRate;
      opened.base_latency_s = main.baseLatency;
      opened.output_latency_s = main.outputLatency ?? null;
    }
    if (track) {
      this.rate = byTrack ? await this._captureTrack(track, way) : await this._captureInContext(main, wanted, way);
      opened.microphone_rate = this.rate;
      opened.capture = byTrack ? "track" : "context";
      opened.track = track.getSettings();
    }
    if (wanted.speaker && !this.player) this.player = this._node(main, { captures: false, plays: true, way });
    return opened;
  }

  // What was gathered before the session was told flows only from here on.
  begin() {
    for (const context of this.contexts) context.resume();
    this.tracked?.begin();
  }

  async _microphone(constraints) {
    if (!navigator.mediaDevices) throw new Error("the browser gives a microphone to pages of https or localhost only");
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...constraints } });
    const [track] = this.stream.getAudioTracks();
    track.onended = () => this.lost("the microphone was taken away");
    return track;
  }

  async _captureTrack(track, way) {
    const tracked = new TrackCapture(track, {
      message_ms: CAPTURE_MS[way],
      take: ({ frame, pcm }) => this.send({ kind: "mic", frame }, pcm.buffer),
      lost: this.lost,
    });
    this.tracked = tracked;
    this.end = () => tracked.frames;
    return tracked.open();
  }

  async _captureInContext(main, wanted, way) {
    let context = main;
    let source;
    try {
      source = main.createMediaStreamSource(this.stream);
    } catch {
      context = await this._context(undefined);
      source = context.createMediaStreamSource(this.stream);
    }
    const together = context === main;
    const node = this._node(context, { captures: true, plays: together && wanted.speaker, way });
    if (together && wanted.speaker) this.player = node;
    source.connect(node);
    this.end = () => context.currentTime * context.sampleRate;
    return context.sampleRate;
  }

  async _context(sampleRate) {
    const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    this.contexts.push(context);
    await context.suspend();
    await context.audioWorklet.addModule(WORKLET);
    return context;
  }

  _node(context, { captures, plays, way }) {
    const node = new AudioWorkletNode(context, "bidilab-live", {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
      processorOptions: {
        captures,
        plays,
        capture_samples: Math.round((context.sampleRate * CAPTURE_MS[way]) / 1000),
      },
    });
    node.port.onmessage = ({ data: { pcm, ...head } }) => this.send(head, pcm);
    node.onprocessorerror = () => this.lost("the audio processor of the page failed");
    node.connect(context.destination);
    this.nodes.push(node);
    return node;
  }

  // A message of the session for the loudspeaker.
  command({ kind, response }, payload) {
    this.player?.port.postMessage({ kind, response, pcm: payload }, payload ? [payload] : []);
  }

  // Seconds by which the session is behind the microphone, given the frame it expects next.
  behind(frame) {
    return this.rate ? Math.max(0, (this.end() - frame) / this.rate) : 0;
  }

  async close() {
    this.tracked?.close();
    for (const node of this.nodes) {
      node.port.postMessage({ kind: "over" });
      node.port.onmessage = null;
      node.disconnect();
    }
    this.stream?.getTracks().forEach((track) => track.stop());
    this.nodes = [];
    this.stream = this.player = this.tracked = null;
    const contexts = this.contexts;
    this.contexts = [];
    await Promise.all(contexts.map((context) => context.close()));
  }
}
