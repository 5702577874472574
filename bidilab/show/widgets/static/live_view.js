// The face of a live session: one view's elements, and what they show.
import { keepKeys } from "./keyboard.js";
import { LiveChart } from "./live_chart.js";
import { DoctorPanel } from "./live_doctor.js";

const KNOBS = [
  { name: "threshold", label: "threshold", min: 0, max: 1, step: 0.01, show: (v) => v.toFixed(2) },
  { name: "prefix_padding_ms", label: "prefix padding", min: 0, max: 1000, step: 10, show: (v) => `${v} ms` },
  { name: "silence_duration_ms", label: "silence duration", min: 0, max: 2000, step: 10, show: (v) => `${v} ms` },
];
const EOT_KNOBS = [
  { name: "eot_threshold", label: "end-of-turn threshold", min: 0, max: 1, step: 0.01, show: (v) => v.toFixed(2) },
  { name: "eot_action_delay_ms", label: "end-of-turn delay", min: 0, max: 2000, step: 10, show: (v) => `${v} ms` },
  { name: "eot_timeout_ms", label: "end-of-turn timeout", min: 0, max: 5000, step: 50, show: (v) => `${v} ms` },
];
const LEAST = { eot_action_delay_ms: "eot_timeout_ms", eot_timeout_ms: "eot_action_delay_ms" };
const SWITCHES = [
  ["echo_cancellation", "echo cancellation"],
  ["noise_suppression", "noise suppression"],
  ["auto_gain_control", "automatic gain"],
];
const TITLES = {
  browser: "browser",
  soundcard: "kernel's sound card",
  none: "none (played to nobody)",
  recording: "recording",
};
const PARTS = [
  ["onset_to_detected_ms", "onset → detected"],
  ["detected_to_event_ms", "detected → event"],
  ["event_to_silent_ms", "event → silent"],
  ["onset_to_silent_ms", "onset → silent"],
];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Gemini's setting is an object in an object.
function flat(told) {
  const entries = Object.entries(told).map(([name, value]) => (value && typeof value === "object" ? flat(value) : { [name]: value }));
  return Object.assign({}, ...entries);
}

export class LiveView {
  // engine: what the view shows and commands; see live.js.
  constructor(el, model, engine) {
    this.model = model;
    this.engine = engine;
    this.root = element("div", { className: "bl bl-live" });
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "live session");
    keepKeys(this.root);
    this.doctor = new DoctorPanel();
    this.root.append(this.controls(), this.knobs(), this.switches(), this.strip(), this.figures(), this.doctor.root, this.events());
    el.append(this.root);
    this.changed = () => this.showTraits();
    model.on("change", this.changed);
    this.showTraits();
    this.showNews();
  }

  close() {
    this.model.off("change", this.changed);
    this.chart.close();
    this.root.remove();
  }

  // ---- elements ------------------------------------------------------------------------------------------------

  controls() {
    this.button = element("button", { type: "button", className: "bl-button bl-live-start" });
    this.button.addEventListener("click", () => (this.onAir() ? this.engine.stop() : this.engine.start()));
    this.selects = Object.fromEntries(
      ["provider", "microphone", "speaker"].map((name) => {
        const select = element("select", { name });
        select.addEventListener("change", () => this.engine.choose(name, select.value));
        return [name, select];
      }),
    );
    this.status = element("div", { className: "bl-live-status", role: "status" });
    this.opening = element("button", { type: "button", className: "bl-button bl-live-open", hidden: true }, "Open the microphone");
    this.opening.addEventListener("click", () => this.engine.openByHand());
    const fields = Object.entries(this.selects).map(([name, select]) =>
      element("label", { className: "bl-field" }, name === "provider" ? "model" : name, select),
    );
    return element("div", {}, element("div", { className: "bl-row" }, this.button, this.opening, ...fields), this.status);
  }

  knobs() {
    this.inputs = {};
    const rows = [element("div", { className: "bl-row" })];
    const scorer = this.model.get("scorer_name");
    if (scorer) rows.push(element("div", { className: "bl-row" }, element("span", { className: "bl-weak" }, `turns end by a score of ${scorer}:`)));
    for (const { name, label, min, max, step, show } of [...KNOBS, ...(scorer ? EOT_KNOBS : [])]) {
      const row = rows[name.startsWith("eot_") ? 1 : 0];
      const input = element("input", { type: "range", min, max, step, name, ariaLabel: label });
      const output = element("output");
      input.addEventListener("input", () => {
        output.textContent = show(input.valueAsNumber);
        this.engine.knob(name, input.valueAsNumber);
        this.push(name, input.valueAsNumber);
      });
      this.inputs[name] = { input, output, show };
      row.append(element("label", { className: "bl-field" }, label, input, output));
    }
    this.effective = element("div", { className: "bl-weak bl-live-effective" });
    return element("div", {}, ...rows, this.effective);
  }

  // A timeout is never shorter than the delay: the one that is moved takes the other along.
  push(name, value) {
    const other = this.inputs[LEAST[name]];
    if (!other) return;
    const crossed = name === "eot_timeout_ms" ? other.input.valueAsNumber > value : other.input.valueAsNumber < value;
    if (!crossed) return;
    other.input.value = value;
    other.output.textContent = other.show(other.input.valueAsNumber);
    this.engine.knob(LEAST[name], other.input.valueAsNumber);
  }

  switches() {
    this.boxes = {};
    this.switchRow = element("div", { className: "bl-row bl-weak" }, "browser's microphone:");
    for (const [name, label] of SWITCHES) {
      const box = element("input", { type: "checkbox", name });
      box.addEventListener("change", () => this.engine.choose(name, box.checked));
      this.boxes[name] = box;
      this.switchRow.append(element("label", { className: "bl-field" }, box, label));
    }
    return this.switchRow;
  }

  strip() {
    this.canvas = element("canvas", { className: "bl-canvas bl-live-strip" });
    this.canvas.setAttribute("role", "img");
    this.chart = new LiveChart(this.canvas);
    this.legend = element("div", { className: "bl-weak bl-live-legend" });
    return element("div", {}, this.canvas, this.legend);
  }

  figures() {
    this.latency = element("tbody");
    const head = element("tr", {}, ...["latency", "last", "median", "n"].map((text) => element("th", { scope: "col" }, text)));
    const table = element("table", { className: "bl-table" }, element("thead", {}, head), this.latency);
    this.counts = element("div", { className: "bl-live-counts" });
    this.labels = [true, false].map((isTrue) => {
      const button = element("button", { type: "button", className: `bl-button bl-live-${isTrue}` }, isTrue ? "true" : "false");
      button.addEventListener("click", () => this.engine.label(isTrue));
      return button;
    });
    this.labelWords = element("span", { className: "bl-weak" });
    const labelling = element("div", { className: "bl-row" }, "last interruption was", ...this.labels, this.labelWords);
    return element("div", { className: "bl-live-figures" }, table, element("div", {}, this.counts, labelling));
  }

  events() {
    this.rows = element("ol", { className: "bl-live-events bl-number" });
    this.rows.setAttribute("aria-label", "last events");
    this.rows.tabIndex = 0; // it scrolls
    return this.rows;
  }

  // ---- what they show ------------------------------------------------------------------------------------------

  onAir() {
    return ["starting", "running", "stopping"].includes(this.model.get("state"));
  }

  showTraits() {
    const { model } = this;
    const onAir = this.onAir();
    this.button.textContent = onAir ? "■ Stop" : "● Start";
    this.button.disabled = model.get("state") === "stopping";
    const choices = model.get("choices");
    this.options("provider", model.get("providers").map((p) => [p.name, p.title + (p.unusable ? " (not usable)" : "")]));
    this.options("microphone", (choices.microphone ?? []).map((name) => [name, TITLES[name]]));
    this.options("speaker", (choices.speaker ?? []).map((name) => [name, TITLES[name]]));
    for (const select of Object.values(this.selects)) select.disabled = onAir;
    for (const [name, { input, output, show }] of Object.entries(this.inputs)) {
      if (!this.engine.moving(name)) input.value = model.get(name);
      output.textContent = show(input.valueAsNumber);
      input.setAttribute("aria-valuetext", output.textContent);
    }
    for (const [name, box] of Object.entries(this.boxes)) {
      box.checked = model.get(name);
      box.disabled = onAir;
    }
    this.switchRow.hidden = model.get("microphone") !== "browser";
    this.showEffective();
    this.showStatus();
    this.showChart();
  }

  options(name, wanted) {
    const select = this.selects[name];
    const key = JSON.stringify(wanted);
    if (select.dataset.shown !== key) {
      select.replaceChildren(...wanted.map(([value, text]) => element("option", { value }, text ?? value)));
      select.dataset.shown = key;
    }
    select.value = this.model.get(name);
  }

  showEffective() {
    const told = flat(this.model.get("effective"));
    const names = ["threshold", "deactivation_threshold", "prefix_padding_ms", "silence_duration_ms"];
    if (this.model.get("scorer_name")) names.push(...EOT_KNOBS.map(({ name }) => name));
    const ours = names.filter((name) => name in told);
    // In a provider's own words where it has others: `START_SENSITIVITY_HIGH`.
    const shown = (ours.length ? ours : Object.keys(told))
      .filter((name) => ["number", "string"].includes(typeof told[name]))
      .map((name) => `${name} ${typeof told[name] === "number" ? Number(told[name].toFixed(3)) : told[name]}`);
    this.effective.textContent = shown.length ? `in force: ${shown.join(" · ")}` : "";
  }

  showStatus() {
    const { model, engine } = this;
    const chosen = model.get("providers").find((p) => p.name === model.get("provider"));
    const said = [model.get("state")];
    if (model.get("message")) said.push(model.get("message"));
    else if (chosen?.unusable) said.push(`${chosen.title} ${chosen.unusable}`);
    if (engine.words) said.push(engine.words);
    const unheard = engine.waitsForMicrophone;
    this.opening.hidden = !unheard;
    if (unheard) said.push("no microphone is open: a page opens it only when somebody presses the button");
    const wrong = unheard || model.get("state") === "failed" || Boolean(engine.words);
    this.status.classList.toggle("bl-flag", wrong);
    if (model.get("state") === "running" && engine.audioOpen) {
      if (engine.way === "comm") said.push("audio goes by way of Jupyter: a running cell delays it");
      if (engine.behind_s > 0.5) said.push(`the session is ${engine.behind_s.toFixed(1)} s behind the microphone; nothing is lost`);
    }
    const { dropped, gone } = engine.link.inbox;
    if (dropped) {
      const again = gone ? `all but ${gone} were sent again` : "all were sent again";
      said.push(`the Jupyter server left out ${dropped} messages, as the kernel sent too many at once; ${again}`);
    }
    this.status.textContent = said.join(" · ");
  }

  showChart() {
    const on = this.inputs.threshold.input.valueAsNumber;
    this.chart.show(this.engine.history, { on, off: Math.max(on - 0.15, 0.01) });
  }

  // New frames, a new tally, or the engine's words.
  showNews() {
    const { tally } = this.engine.history;
    this.showChart();
    this.showStatus();
    this.showLegend();
    this.showDoctor();
    if (tally === this.shownTally) return;
    this.shownTally = tally;
    this.canvas.setAttribute("aria-label", this.engine.history.words());
    this.showFigures(tally);
    this.rows.replaceChildren(
      ...(tally?.rows ?? []).toReversed().map((row) => element("li", {}, `${row.t_s.toFixed(3)} s  ${row.type}  ${row.text}`)),
    );
  }

  showDoctor() {
    const { diagnosis } = this.engine.history;
    if (diagnosis === this.shownDiagnosis) return;
    this.shownDiagnosis = diagnosis;
    this.doctor.show(diagnosis);
  }

  showLegend() {
    const { detector, isItsOwn } = this.engine.history;
    const whose = detector ? `${detector}, ${isItsOwn ? "the session's own" : "here; the provider's is not told"}` : "of the session's detector";
    const words = `line: speech probability (${whose}) · grey: level, −90 to 0 dBFS · orange: threshold from where it acts, dashed: where silence begins · ▼ interruption · ○ cut that nobody heard`;
    if (this.legend.textContent !== words) this.legend.textContent = words;
  }

  showFigures(tally) {
    const last = this.engine.history.lastInterruption;
    const ms = (value) => (value == null ? "–" : `${value.toFixed(1)} ms`);
    this.latency.replaceChildren(
      ...PARTS.map(([key, title]) => {
        const median = tally?.medians[key];
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, title),
          ...[ms(last?.[key]), ms(median?.ms), String(median?.n ?? 0)].map((text) => element("td", {}, text)),
        );
      }),
    );
    this.counts.textContent = tally
      ? Object.entries(tally.counts)
          .map(([name, n]) => `${name} ${n}`)
          .join(" · ")
      : "";
    for (const [i, button] of this.labels.entries()) {
      button.disabled = !last;
      button.setAttribute("aria-pressed", String(last?.label === (i === 0 ? "true" : "false")));
    }
    this.labelWords.textContent = last ? `at ${last.t_s.toFixed(2)} s, ${last.response_id ?? "?"}${last.label ? `, labelled ${last.label}` : ""}` : "";
  }
}
