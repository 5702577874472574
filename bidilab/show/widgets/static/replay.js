// The front end of ReplayPlayer: a timeline, a player, sliders, steps from one error to the next, the numbers.

import { eventWords } from "./describe.js";
import { button, element } from "./elements.js";
import { isOwnKey, keepKeys } from "./keyboard.js";
import { keysTable, TIMELINE_KEYS } from "./keystable.js";
import { Player } from "./player.js";
import { Requests } from "./requests.js";
import { besideItsForm } from "./saved.js";
import { inTurn, Latest } from "./steps.js";
import { Timeline } from "./timeline.js";

const MARGIN_S = 1.5;
const KEYS = [["n, p", "next, previous missed or false interruption"], ...TIMELINE_KEYS.filter(([key]) => key !== "n, p")];
const MOUSE = "Click to set the cursor; drag to move; Ctrl and wheel to zoom.";
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
    keepKeys(root);
    this.requests = new Requests(model);
    this.step = inTurn((direction) => this.stepOnce(direction));
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
    root.append(this.transport(), this.settings, place, this.status, this.notes, this.numbers, keysTable(KEYS, MOUSE));
    root.addEventListener("keydown", (event) => this.key(event));
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
    const { sliders, scorer, evaluations, notes } = this.model.get("controls");
    this.notes.replaceChildren(...notes.map((text) => element("div", {}, text)));
    this.inputs = {};
    if (!evaluations.length) return this.settings.replaceChildren();
    const fields = Object.entries(sliders).map(([name, slider]) => this.slider(name, slider));
    this.byScore = scorer ? element("input", { type: "checkbox" }) : null;
    this.byScore?.addEventListener("change", () => this.sending.send({ by_score: this.byScore.checked }));
    const ways = scorer ? [element("label", { class: "bl-field" }, this.byScore, `turns end by a score of ${scorer}`)] : [];
    this.evaluation = element("select", { "aria-label": "Evaluation" });
    for (const value of evaluations) this.evaluation.append(element("option", { value }, `${value} agent`));
    this.evaluation.disabled = evaluations.length < 2;
    this.evaluation.addEventListener("change", () => this.sending.send({ evaluation: this.evaluation.value }));
    const start = Object.fromEntries(Object.entries(sliders).map(([name, { start: value }]) => [name, value]));
    if (scorer) start.by_score = true;
    const reset = button("reset", () => this.sending.send(start), { title: "Back to the setting that it began with" });
    const [knobs, endings] = [fields.slice(0, 3), fields.slice(3)];
    this.settings.replaceChildren(...knobs, element("label", { class: "bl-field" }, this.evaluation), ...ways, ...endings, reset);
    this.showSetting();
  }

  slider(name, { label, unit, least, greatest, step }) {
    const input = element("input", { type: "range", min: least, max: greatest, step, "aria-label": label });
    const output = element("output");
    const show = () => {
      output.textContent = name.endsWith("threshold") ? Number(input.value).toFixed(2) : `${Number(input.value)} ${unit}`;
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => {
      show();
      this.sending.send({ [name]: Number(input.value), ...this.pushed(name, Number(input.value)) });
    });
    this.inputs[name] = { input, show };
    return element("label", { class: "bl-field", "data-parameter": name }, label, input, output);
  }

  /** A timeout is never shorter than the delay: the one that is moved takes the other along. */
  pushed(name, value) {
    const other = { eot_action_delay_ms: "eot_timeout_ms", eot_timeout_ms: "eot_action_delay_ms" }[name];
    if (!other) return {};
    const { input, show } = this.inputs[other];
    const crossed = name === "eot_timeout_ms" ? Number(input.value) > value : Number(input.value) < value;
    if (!crossed) return {};
    input.value = value;
    show();
    return { [other]: Number(input.value) };
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
    if (!this.byScore) return;
    this.byScore.checked = this.model.get("by_score");
    for (const [name, { input }] of Object.entries(this.inputs)) input.disabled = name.startsWith("eot_") && !this.byScore.checked;
  }

  // -- what the reader does -----------------------------------------------------------------------------------------

  countErrors() {
    const [, outcomes] = KINDS[this.kinds.value];
    const n = outcomes.reduce((sum, outcome) => sum + (this.decisions?.n_events[outcome] ?? 0), 0);
    this.count.textContent = `${n}`;
    this.count.title = `${n} to step through`;
  }

  /** To the next error, which the kernel knows: of a long recording only a window is here. */
  async stepOnce(direction) {
    const [words, outcomes] = KINDS[this.kinds.value];
    let answer;
    try {
      answer = await this.requests.ask({ kind: "step", outcomes, at_s: this.timeline.cursor_s, direction });
    } catch (error) {
      this.status.textContent = `No step: ${error.message}`;
      return;
    }
    const { event: found, place, total } = answer.content;
    if (!found) {
      this.status.textContent = `No ${words} interruption ${direction > 0 ? "after" : "before"} the cursor.`;
      return;
    }
    const [from, to] = [Math.min(found.start_s, found.at_s), Math.max(found.start_s, found.at_s)];
    this.timeline.moveCursor(found.start_s);
    this.timeline.reveal(from, to, MARGIN_S);
    this.status.textContent = `${place} of ${total}: ${eventWords(found)}.`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isOwnKey(event)) return;
    const act = { " ": () => this.togglePlay(), n: () => this.step(1), p: () => this.step(-1) }[event.key];
    if (!act || this.playButton.disabled && event.key === " ") return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own keys
    act();
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
  render: besideItsForm(({ model, el }) => {
    const view = new View(model, el);
    return () => view.close();
  }),
};
