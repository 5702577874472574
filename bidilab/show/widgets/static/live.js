// LiveSession's front end: one engine a widget (the way to the session, the browser's audio, what is known), many views.
import { BrowserAudio } from "./live_audio.js";
import { LiveHistory } from "./live_history.js";
import { Link } from "./live_link.js";
import { LiveView } from "./live_view.js";
import { refusalWords } from "./refusals.js";
import { besideItsForm } from "./saved.js";

const KNOB_EVERY_MS = 60;
const ABANDONED_AFTER_MS = 3000;

export class Engine {
  constructor(model) {
    this.model = model;
    this.history = new LiveHistory();
    this.views = new Set();
    this.words = "";
    this.behind_s = 0;
    this.audio = null;
    this.audioOpen = false;
    this.wanted = null; // what the session asks of a page's audio, while no page gives it
    // A page that finds a session running was loaded anew: it opens no microphone until somebody asks for it.
    this.mayOpen = model.get("state") !== "running";
    this.knobs = {};
    this.knobTimer = 0;
    this.link = new Link(model, {
      hear: (head, payload) => this.hear(head, payload),
      changed: () => this.wayChanged(),
    });
    this.link.hello();
  }

  get way() {
    return this.link.way;
  }

  // ---- the user's hand -----------------------------------------------------------------------------------------

  start() {
    this.mayOpen = true;
    this.say("");
    this.link.toKernel({ kind: "start" });
  }

  openByHand() {
    this.mayOpen = true;
    if (this.wanted) this.openAudio(this.wanted);
  }

  // Whether the session is to hear a browser, and none has opened its microphone.
  get waitsForMicrophone() {
    return this.model.get("state") === "running" && Boolean(this.wanted?.microphone) && !this.audio;
  }

  stop() {
    this.link.socket ? this.link.send({ kind: "stop" }) : this.link.toKernel({ kind: "stop" });
  }

  choose(name, value) {
    this.link.toKernel({ kind: "choose", name, value });
  }

  label(isTrue) {
    const last = this.history.lastInterruption;
    if (!last) return;
    const said = { kind: "label", label: isTrue, seq: last.seq };
    this.link.socket ? this.link.send(said) : this.link.toKernel(said);
  }

  knob(name, value) {
    this.knobs[name] = value;
    if (!this.knobTimer) this.knobTimer = setTimeout(() => this.sendKnobs(), KNOB_EVERY_MS);
    this.show();
  }

  sendKnobs() {
    this.knobTimer = 0;
    const said = { kind: "update", ...this.knobs };
    this.knobs = {};
    this.link.socket ? this.link.send(said) : this.link.toKernel(said);
  }

  moving(name) {
    return name in this.knobs;
  }

  // ---- the session's word --------------------------------------------------------------------------------------

  hear(head, payload) {
    switch (head.kind) {
      case "reset":
        this.history.reset(head);
        break;
      case "tally":
        this.history.tally = head;
        break;
      case "doctor":
        this.history.diagnosis = head;
        break;
      case "frames":
        this.history.takeFrames(head, payload);
        break;
      case "audio_wanted":
        this.wanted = head.owner === null ? head : null;
        if (head.owner === null && (this.mayOpen || !head.microphone)) this.openAudio(head);
        this.show();
        return;
      case "owner":
        this.owned(head);
        return;
      case "play":
      case "done":
      case "clear":
        this.audio?.command(head, payload);
        return;
      case "behind":
        if (head.page === this.link.page && this.audioOpen) this.behind_s = this.audio.behind(head.frame);
        break;
      case "refused":
        this.words = head.text;
        break;
      case "ended":
        this.wanted = null;
        this.closeAudio("");
        // That it has ended goes by Jupyter's comm, too, where the server may have left it out.
        if (this.model.get("state") === "running") this.link.toKernel({ kind: "state" });
        break;
      default:
        return;
    }
    this.show();
  }

  owned({ owner, ...wanted }) {
    this.wanted = owner === null ? wanted : null;
    if (owner !== null && owner !== this.link.page) this.closeAudio("another page has taken the microphone");
    else this.show();
  }

  async openAudio(wanted) {
    if (this.audio || !(wanted.microphone || wanted.speaker)) return;
    const audio = new BrowserAudio({
      send: (head, payload) => this.link.send(head, payload),
      lost: (text) => this.closeAudio(text),
    });
    this.audio = audio;
    try {
      await this.link.settled;
      const { model } = this;
      const constraints = {
        echoCancellation: model.get("echo_cancellation"),
        noiseSuppression: model.get("noise_suppression"),
        autoGainControl: model.get("auto_gain_control"),
      };
      const opened = await audio.open(wanted, constraints, this.way);
      if (this.audio !== audio) throw new Error("stopped meanwhile");
      this.opened = opened;
      this.link.send({ kind: "open_audio", ...opened });
      this.audioOpen = true;
      audio.begin();
      this.say("");
    } catch (error) {
      if (this.audio !== audio) {
        audio.close(); // stopped meanwhile: what was opened since must not stay open
        return;
      }
      const text = refusalWords(error, navigator.userAgent);
      this.link.send({ kind: "audio_refused", text });
      this.closeAudio(text);
    }
  }

  closeAudio(words) {
    const { audio } = this;
    if (audio) {
      if (this.audioOpen && words) this.link.send({ kind: "close_audio" });
      this.audio = null;
      this.audioOpen = false;
      this.behind_s = 0;
      audio.close();
    }
    this.say(words);
  }

  wayChanged() {
    if (this.link.ended) return;
    if (this.way === "comm" && this.model.get("state") === "running") {
      this.link.hello();
      if (this.audioOpen) this.link.send({ kind: "open_audio", ...this.opened });
    }
    this.show();
  }

  // ---- views ---------------------------------------------------------------------------------------------------

  say(words) {
    this.words = words;
    this.show();
  }

  show() {
    for (const view of this.views) view.showNews();
  }

  view(model, el) {
    const view = new LiveView(el, model, this);
    this.views.add(view);
    clearTimeout(this.abandoned);
    return () => {
      this.views.delete(view);
      view.close();
      // The output is gone, and with it the button that would stop the session: a microphone must not stay open.
      if (!this.views.size) this.abandoned = setTimeout(() => this.audio && this.stop(), ABANDONED_AFTER_MS);
    };
  }

  close() {
    clearTimeout(this.abandoned);
    clearTimeout(this.knobTimer);
    this.closeAudio("");
    this.link.close();
  }
}

export default () => {
  let engine = null;
  return {
    initialize({ model }) {
      engine = new Engine(model);
      return () => engine.close();
    },
    render: besideItsForm(({ model, el }) => engine.view(model, el)),
  };
};
