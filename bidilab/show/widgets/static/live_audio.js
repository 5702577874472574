// The page's microphone and loudspeaker, each on the clock of an AudioContext at the model's rate.
//
// Where one context can hold both (Chromium, Safari), both directions are on one clock. Firefox does not resample a
// microphone into a context of another rate: the microphone then has a context of its own, and its own clock.

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
    this.player = null;
    this.clock = null;
  }

  // wanted: {microphone, speaker, sample_rate}; constraints: of the microphone. Resolves to what is open.
  async open(wanted, constraints, way) {
    if (wanted.microphone) {
      if (!navigator.mediaDevices) throw new Error("the browser gives a microphone to pages of https or localhost only");
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, ...constraints } });
      const [track] = this.stream.getAudioTracks();
      track.onended = () => this.lost("the microphone was taken away");
    }
    const epoch = crypto.randomUUID();
    const opened = { epoch, microphone_rate: null, speaker_rate: null };
    const main = await this._context(wanted.sample_rate);
    let source = null;
    let microphone = main;
    if (wanted.microphone) {
      try {
        source = main.createMediaStreamSource(this.stream);
      } catch {
        microphone = await this._context(undefined);
        source = microphone.createMediaStreamSource(this.stream);
      }
      opened.microphone_rate = microphone.sampleRate;
      opened.track = this.stream.getAudioTracks()[0].getSettings();
    }
    if (wanted.speaker) opened.speaker_rate = main.sampleRate;
    opened.base_latency_s = main.baseLatency;
    opened.output_latency_s = main.outputLatency ?? null;
    const together = wanted.microphone && microphone === main;
    if (wanted.speaker || together) {
      this.player = this._node(main, { captures: together, plays: wanted.speaker, way });
    }
    if (together) source.connect(this.player);
    else if (wanted.microphone) source.connect(this._node(microphone, { captures: true, plays: false, way }));
    this.clock = { context: microphone, rate: microphone.sampleRate };
    return opened;
  }

  // What was gathered before the session was told flows only from here on.
  begin() {
    this.flowing = true;
    for (const context of this.contexts) context.resume();
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
    return Math.max(0, this.clock.context.currentTime - frame / this.clock.rate);
  }

  async close() {
    for (const node of this.nodes) {
      node.port.postMessage({ kind: "over" });
      node.port.onmessage = null;
      node.disconnect();
    }
    this.stream?.getTracks().forEach((track) => track.stop());
    this.nodes = [];
    this.stream = this.player = null;
    const contexts = this.contexts;
    this.contexts = [];
    await Promise.all(contexts.map((context) => context.close()));
  }
}
