// The front end of ReplayPlayer: a timeline, a player, sliders, steps from one error to the next, the numbers.

import { eventWords } from "./describe.js";
import { button, element } from "./elements.js";
import { Player } from "./player.js";
import { Requests } from "./requests.js";
import { Latest, neighbour } from "./steps.js";
import { Timeline } from "./timeline.js";

const MARGIN_S = 1.5;
const KINDS = {
  both: ["missed or false", ["missed", "false", "unjudged"]],
  missed: ["missed", ["missed"]],
  false: ["false", ["false"]],
};

function numbersTable(caption, numbers) {
  const rows = numbers.map(({ label, value, interval, n }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, label),
      element("td", { class: "bl-number" }, value),
      element("td", { class: "bl-weak" }, interval && `95 %: ${interval}`),
      element("td", { class: "bl-weak" }, n),
    ),
  );
  const table = element("table", { class: "bl-table" }, element("caption", { class: "bl-unseen" }, caption), ...rows);
  table.hidden = !rows.length;
  return table;
}

class View {
  constructor(model, root) {
    this.model = model;
    root.classList.add("bl", "bl-replay");
    this.requests = new Requests(model);
    const ask = (question) => this.requests.ask(question);
    this.status = element("div", { class: "bl-weak", role: "status", "aria-live": "polite" });
    this.player = new Player({
      ask,
      onPosition: (t_s) => (this.timeline.playhead_s = t_s),
      onEnd: () => this.stopped("The end of the recording."),
      onError: (error) => this.stopped(`It cannot be played: ${error.message}`),
    });
    const place = element("div", { class: "bl-timeline" });
    this.settings = element("div", { class: "bl-row", role: "group", "aria-label": "Setting" });
    this.notes = element("div", { class: "bl-weak" });
    this.numbers = element("div", { class: "bl-row bl-replay-numbers" });
    root.append(this.transport(), this.settings, place, this.status, this.notes, this.numbers);
    this.timeline = new Timeline(place, { ask });
    this.hearing.after(this.timeline.tools);
    this.sending = new Latest((changes) => {
      for (const [name, value] of Object.entries(changes)) model.set(name, value);
      model.save_changes();
    });
    this.listeners = [
      ["change:recording", () => this.showRecording()],
      ["change:decisions", () => this.showDecisions()],
      ["change:controls", () => this.showControls()],
    ];
    for (const [name, listener] of this.listeners) model.on(name, listener);
    this.showRecording();
    this.showControls();
    this.showDecisions();
  }

  // -- parts ----------------------------------------------------------------------------------------------------

  transport() {
    this.playButton = button("Play", () => this.togglePlay(), { title: "Play from the cursor" });
    this.balance = element("input", { type: "range", min: -1, max: 1, step: 0.05, "aria-label": "Balance of user and agent" });
    this.balance.value = 0;
    this.balance.addEventListener("input", () => (this.player.balance = Number(this.balance.value)));
    this.kinds = element("select", { "aria-label": "Which errors to step through" });
    for (const [value, [words]] of Object.entries(KINDS)) this.kinds.append(element("option", { value }, words));
    this.count = element("span", { class: "bl-weak bl-number" });
    this.kinds.addEventListener("change", () => this.countErrors());
    this.hearing = element("span", { class: "bl-field" }, "user", this.balance, "agent");
    return element(
      "div",
      { class: "bl-row" },
      this.playButton,
      this.hearing,
      element("span", { class: "bl-spacer" }),
      button("‹ previous", () => this.step(-1), { title: "Previous missed or false interruption" }),
      button("next ›", () => this.step(1), { title: "Next missed or false interruption" }),
      element("label", { class: "bl-field" }, this.kinds),
      this.count,
    );
  }

  showControls() {
    const { sliders, evaluations, notes } = this.model.get("controls");
    this.notes.replaceChildren(...notes.map((text) => element("div", {}, text)));
    this.inputs = {};
    if (!evaluations.length) return this.settings.replaceChildren();
    const fields = Object.entries(sliders).map(([name, slider]) => this.slider(name, slider));
    this.evaluation = element("select", { "aria-label": "Evaluation" });
    for (const value of evaluations) this.evaluation.append(element("option", { value }, `${value} agent`));
    this.evaluation.disabled = evaluations.length < 2;
    this.evaluation.addEventListener("change", () => this.sending.send({ evaluation: this.evaluation.value }));
    const start = Object.fromEntries(Object.entries(sliders).map(([name, { start: value }]) => [name, value]));
    const reset = button("reset", () => this.sending.send(start), { title: "Back to the setting that it began with" });
    this.settings.replaceChildren(...fields, element("label", { class: "bl-field" }, this.evaluation), reset);
    this.showSetting();
  }

  slider(name, { label, unit, least, greatest, step }) {
    const input = element("input", { type: "range", min: least, max: greatest, step, "aria-label": label });
    const output = element("output");
    const show = () => {
      output.textContent = name === "threshold" ? Number(input.value).toFixed(2) : `${Number(input.value)} ${unit}`;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => {
      show();
      this.sending.send({ [name]: Number(input.value) });
    });
    this.inputs[name] = { input, show };
    return element("label", { class: "bl-field", "data-parameter": name }, label, input, output);
  }

  // -- what the kernel says ---------------------------------------------------------------------------------------

  showRecording() {
    const recording = this.model.get("recording");
    this.player.show(recording);
    this.timeline.show(recording);
    this.playButton.disabled = !Object.keys(recording.channels).length;
    this.hearing.hidden = Object.keys(recording.channels).length < 2;
  }

  showDecisions() {
    const decisions = this.model.get("decisions");
    this.decisions = decisions;
    this.timeline.decide(decisions);
    this.player.silent = decisions.agent_audio ? [] : ["agent"];
    this.balance.disabled = !decisions.agent_audio;
    const [counts, rates] = [[], []];
    for (const number of decisions.numbers) (number.n ? rates : counts).push(number);
    this.numbers.replaceChildren(numbersTable("Counts", counts), numbersTable("Rates and times", rates));
    this.countErrors();
    this.sending.arrived();
    this.showSetting();
  }

  /** The kernel's values, unless newer ones are on their way to it. */
  showSetting() {
    if (this.sending.busy) return;
    for (const [name, { input, show }] of Object.entries(this.inputs ?? {})) {
      input.value = this.model.get(name);
      show();
    }
    if (this.evaluation) this.evaluation.value = this.model.get("evaluation");
  }

  // -- what the reader does -----------------------------------------------------------------------------------------

  get errors() {
    const [, outcomes] = KINDS[this.kinds.value];
    return (this.decisions?.events ?? []).filter((event) => outcomes.includes(event.outcome));
  }

  countErrors() {
    this.count.textContent = `${this.errors.length}`;
    this.count.title = `${this.errors.length} to step through`;
  }

  step(direction) {
    const found = neighbour(this.errors, this.timeline.cursor_s, direction);
    if (!found) {
      const [words] = KINDS[this.kinds.value];
      this.status.textContent = `No ${words} interruption ${direction > 0 ? "after" : "before"} the cursor.`;
      return;
    }
    const [from, to] = [Math.min(found.start_s, found.at_s), Math.max(found.start_s, found.at_s)];
    this.timeline.moveCursor(found.start_s);
    this.timeline.reveal(from, to, MARGIN_S);
    this.status.textContent = `${this.errors.indexOf(found) + 1} of ${this.errors.length}: ${eventWords(found)}.`;
  }

  togglePlay() {
    if (this.player.playing) return this.stopped("");
    this.playButton.textContent = "Stop";
    this.playButton.title = "Stop playing";
    this.status.textContent = "";
    const at = this.timeline.cursor_s;
    this.player.play(at < this.timeline.view.duration_s - 0.01 ? at : 0);
  }

  stopped(words) {
    this.player.stop();
    this.timeline.playhead_s = null;
    this.playButton.textContent = "Play";
    this.playButton.title = "Play from the cursor";
    this.status.textContent = words;
  }

  close() {
    for (const [name, listener] of this.listeners) this.model.off(name, listener);
    this.sending.close();
    this.player.stop();
    this.timeline.close();
    this.requests.close();
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
