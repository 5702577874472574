// SweepExplorer: the heat map, and what lies behind its cells. Kernel side: bidilab/show/widgets/explorer/.

import { button, element, select, table as textTable } from "./elements.js";
import { Heatmap } from "./heatmap.js";
import { keepKeys } from "./keyboard.js";
import { intervalText, metricText, nText, nWords, parameterText } from "./numberformat.js";
import { RecordingList } from "./recordinglist.js";
import { RecordingView } from "./recordingview.js";
import { Requests } from "./requests.js";
import { besideItsForm } from "./saved.js";
import { BEST, planeOf, planeToSend, SettingsTable } from "./settingstable.js";

const ASK_DELAY_MS = 120; // arrow keys pass over cells: only where they rest, the kernel is asked

class Explorer {
  #timer = null;
  #asked = 0;

  constructor(model, host) {
    this.model = model;
    this.requests = new Requests(model);
    this.ask = (question) => this.requests.ask(question);
    host.classList.add("bl", "bl-explorer");
    host.setAttribute("role", "group");
    keepKeys(host);
    host.setAttribute("aria-label", "Sweep explorer");
    this.host = host;
    this.listeners = [];
    host.replaceChildren(element("p", { class: "bl-weak", role: "status" }, "Waiting for the kernel…"));
    this.#start().catch((error) => host.replaceChildren(element("p", { role: "alert" }, `The sweep cannot be shown: ${error.message}`)));
  }

  async #start() {
    const { content, buffers } = await this.ask({ kind: "table" });
    this.table = new SettingsTable(content, buffers);
    this.facts = content;
    this.#build();
    this.#listen("change:_plane", () => this.#planeChanged());
    this.#listen("change:selected", () => this.#selectedChanged());
    this.#listen("change:pinned", () => this.#pinnedChanged());
    this.#listen("change:_recording_data", () => this.#recordingChanged());
    this.#listen("change:_decisions", () => this.#decisionsChanged());
    this.#planeChanged();
    this.#selectedChanged();
    this.#pinnedChanged();
    this.#recordingChanged();
  }

  close() {
    for (const [name, act] of this.listeners) this.model.off(name, act);
    clearTimeout(this.#timer);
    this.requests.close();
    this.map?.close();
    this.view?.close();
  }

  get plane() {
    return planeOf(this.model.get("_plane"));
  }

  get selected() {
    return this.model.get("selected");
  }

  get pinned() {
    return this.model.get("pinned");
  }

  #listen(name, act) {
    this.model.on(name, act);
    this.listeners.push([name, act]);
  }

  #set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  // -- the page -----------------------------------------------------------------------------------------------------

  #build() {
    const { facts } = this;
    this.controls = element("div", { class: "bl-row bl-explorer-controls" });
    this.mapHost = element("div", { class: "bl-explorer-map" });
    this.tip = element("div", { class: "bl-tip", hidden: true, "aria-hidden": "true" });
    this.key = element("div", { class: "bl-weak bl-explorer-key" });
    this.said = element("div", { class: "bl-unseen", "aria-live": "polite" });
    this.numbers = element("div", { class: "bl-explorer-numbers" });
    this.comparison = element("section", { "aria-label": "Two settings compared" });
    this.exports = element("section", { "aria-label": "Use this setting", hidden: true });
    this.listed = element("section", { "aria-label": "Recordings" });
    this.viewed = element("section", { "aria-label": "One recording", hidden: true });
    this.host.replaceChildren(
      element("div", { class: "bl-row" }, element("b", {}, facts.title), element("span", { class: "bl-weak" }, facts.evaluation)),
      element("p", { class: "bl-explorer-message" }, facts.message),
      ...(facts.notes.length ? [element("ul", { class: "bl-weak bl-explorer-notes" }, ...facts.notes.map((note) => element("li", {}, note)))] : []),
      this.controls,
      element(
        "div",
        { class: "bl-explorer-main" },
        element("div", { class: "bl-explorer-left" }, this.mapHost, this.key, this.said),
        this.numbers,
      ),
      this.exports,
      this.comparison,
      this.listed,
      this.viewed,
    );
    this.map = new Heatmap(this.mapHost, {
      onSelect: (setting) => this.#select(setting),
      onHover: (setting, event) => this.#hover(setting, event),
      onFit: () => this.#showKey(this.table.metric(this.plane.metric)),
    });
    this.mapHost.append(this.tip);
    this.list = new RecordingList(this.listed, { onOpen: (id) => this.#open(id) });
    this.#buildControls();
  }

  #buildControls() {
    const names = this.table.axes.map((axis) => [axis.name, axis.label]);
    this.choices = {
      metric: select("show", this.table.metrics.map((m) => [m.name, m.unit ? `${m.label} (${m.unit})` : m.label]), (metric) => this.#setPlane({ metric })),
      x: select("across", names, (x) => this.#setPlane({ x })),
      y: select("up", names, (y) => this.#setPlane({ y })),
    };
    this.held = element("span", { class: "bl-row" });
    this.controls.append(...Object.values(this.choices).map(({ field }) => field), this.held);
  }

  /** Change the plane; axes that meet change places, and what is no longer held or is new gets a value. */
  #setPlane(change) {
    const now = this.plane;
    const next = { ...now, ...change };
    if (next.x === next.y) [next.x, next.y] = [now.y, now.x];
    next.at = Object.fromEntries(
      this.table.axes
        .filter((axis) => axis.name !== next.x && axis.name !== next.y)
        .map((axis) => [axis.name, change.at?.[axis.name] ?? now.at[axis.name] ?? this.table.parameter(this.selected ?? this.facts.marked.setting, axis.name)]),
    );
    if (this.table.metric(next.metric).lower_is_better === null) {
      for (const [name, value] of Object.entries(next.at)) {
        if (value === BEST) next.at[name] = this.table.parameter(this.selected ?? this.facts.marked.setting, name);
      }
    }
    this.#set({ _plane: planeToSend(next) });
    this.#planeChanged(); // a set that the model takes for no change tells nobody
  }

  #planeChanged() {
    const { plane } = this;
    for (const name of ["metric", "x", "y"]) this.choices[name].list.value = plane[name];
    this.choices.metric.list.title = this.table.metric(plane.metric).definition;
    this.#showHeld();
    this.#paint();
    this.#showNumbers();
  }

  /** A slider for each parameter that is held; built when other ones are held, else brought up to date. */
  #showHeld() {
    const { plane } = this;
    const names = Object.keys(plane.at).join();
    if (this.held.dataset.names !== names) {
      this.held.dataset.names = names;
      this.sliders = Object.keys(plane.at).map((name) => this.#slider(this.table.axis(name)));
      this.held.replaceChildren(...this.sliders.map(({ field }) => field));
    }
    for (const { update } of this.sliders) update();
  }

  #slider(axis) {
    const values = axis.values;
    const range = element("input", { type: "range", min: "0", max: String(values.length - 1), step: "1", "aria-label": axis.label });
    const shown = element("output", {});
    const best = element("input", { type: "checkbox" });
    range.addEventListener("input", () => this.#setPlane({ at: { [axis.name]: values[Number(range.value)] } }));
    best.addEventListener("change", () => this.#setPlane({ at: { [axis.name]: best.checked ? BEST : values[Number(range.value)] } }));
    const update = () => {
      const value = this.plane.at[axis.name];
      const isBest = value === BEST;
      best.checked = isBest;
      best.disabled = this.table.metric(this.plane.metric).lower_is_better === null || values.length < 2;
      range.disabled = isBest || values.length < 2;
      if (!isBest) range.value = String(values.indexOf(value));
      shown.textContent = isBest ? `best of ${values.length}` : parameterText(axis, value);
      range.setAttribute("aria-valuetext", shown.textContent);
    };
    const title = "Show in each cell the best of this parameter's values; the best of several flatters a little";
    const field = element("span", { class: "bl-field" }, element("label", { class: "bl-field" }, axis.label, range), shown, element("label", { class: "bl-field", title }, best, "best"));
    return { field, update };
  }

  // -- the heat map -------------------------------------------------------------------------------------------------

  #paint() {
    const { plane, selected, pinned } = this;
    this.map.show({ table: this.table, plane, selected, pinned, marked: this.facts.marked.setting, standard: this.facts.default });
    const metric = this.table.metric(plane.metric);
    this.map.canvas.setAttribute("aria-label", `Heat map of ${metric.label}. Arrow keys move the cell selected.${selected === null ? "" : ` ${this.#words(selected)}`}`);
    this.#showKey(metric);
  }

  #showKey(metric) {
    const { width, height, settings: cells } = this.table.cells(this.plane);
    const settings = [...cells];
    const values = settings.map((s) => this.table.value(metric, s));
    const place = (name, setting) => (settings.includes(setting) ? name : `${name}: not among these cells`);
    const { marked, default: standard } = this.facts;
    const words = [place(marked.setting === standard && marked.role !== "default" ? `◆ default, ${marked.role}` : "◆ default", standard)];
    if (marked.setting !== standard) words.unshift(place(`★ ${marked.role}`, marked.setting));
    if (this.selected !== null) words.push(place("framed: selected", this.selected));
    ["A", "B"].forEach((letter, k) => this.pinned[k] !== null && words.push(place(`${letter} pinned`, this.pinned[k])));
    if (settings.some((s) => this.table.small(metric, s))) words.push(`hatched: fewer than ${metric.small_n} ${metric.n_label}`);
    if (values.some((v) => v === Infinity)) words.push("n.r.: not reached, too many missed");
    if (values.some(Number.isNaN)) words.push("– crossed: undefined, n = 0");
    if (settings.some((s) => this.table.degenerate(s))) words.push("orange corner: degenerate, silence may never come");
    const same = (a, b) => values[a] === values[b] || (Number.isNaN(values[a]) && Number.isNaN(values[b]));
    if (!this.map.fits) words.push("too narrow for numbers: point at a cell for its own");
    const still = (name, from) => words.push(...(values.every((_, k) => same(k, from(k))) ? [`${this.table.axis(name).label} does not move it here`] : []));
    if (width > 1) still(this.plane.x, (k) => k - (k % width));
    if (height > 1) still(this.plane.y, (k) => k % width);
    this.key.textContent = words.join(" · ");
  }

  #setting(setting) {
    return this.table.telling(setting).map((axis) => `${axis.label} ${parameterText(axis, this.table.parameter(setting, axis.name))}`).join(", ");
  }

  /** A cell in words: value, interval and n. */
  #words(setting) {
    const metric = this.table.metric(this.plane.metric);
    const value = this.table.value(metric, setting);
    const interval = intervalText(metric, this.table.interval(metric, setting));
    const n = nWords(metric, this.table.n(metric, setting));
    const said = Number.isNaN(value) ? "undefined" : metricText(metric, value, { unit: true });
    const parts = [`${said}${interval ? ` (95 %: ${interval})` : ""}`, n].filter(Boolean);
    const flag = this.table.degenerate(setting) ? "; degenerate: silence may never come" : "";
    return `${this.#setting(setting)}: ${metric.label} ${parts.join(", ")}${flag}`;
  }

  #hover(setting, event) {
    this.tip.hidden = setting === null;
    if (setting === null) return;
    this.tip.textContent = this.#words(setting);
    const room = this.mapHost.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(event.offsetX + 14, room))}px`;
    this.tip.style.top = `${event.offsetY + 18}px`;
  }

  #select(setting) {
    this.#set({ selected: setting });
  }

  // -- the setting selected -----------------------------------------------------------------------------------------

  #selectedChanged() {
    this.#paint();
    this.#showNumbers();
    const { selected } = this;
    this.said.textContent = selected === null ? "" : this.#words(selected);
    clearTimeout(this.#timer);
    if (selected !== null) this.#timer = setTimeout(() => this.#askBehind(selected), ASK_DELAY_MS);
  }

  async #askBehind(setting) {
    const asked = ++this.#asked;
    try {
      const recordings = await this.ask({ kind: "recordings", setting });
      if (asked !== this.#asked) return;
      this.list.show(recordings);
      this.ending = { setting, words: recordings.content.ending };
      this.endingLine.textContent = this.ending.words;
      if (!this.exports.hidden) await this.#showExports();
    } catch (error) {
      if (asked === this.#asked) this.listed.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  }

  #showNumbers() {
    const { selected, table } = this;
    if (selected === null) {
      this.numbers.replaceChildren(element("p", { class: "bl-weak" }, "Choose a cell of the heat map."));
      return;
    }
    const metrics = [...new Set([this.plane.metric, ...table.headline])].map((name) => table.metric(name));
    const rows = metrics.map((metric) => {
      const label = metric.unit ? `${metric.label} (${metric.unit})` : metric.label;
      return [label, this.#number(metric, selected), this.#number(metric, this.facts.default), nText(metric, table.n(metric, selected)).replace("n = ", "")];
    });
    const pin = (k, letter) => {
      const here = this.pinned[k] === selected;
      const act = () => this.#set({ pinned: this.pinned.map((s, at) => (at === k ? (here ? null : selected) : s)) });
      return button(`Pin as ${letter}`, act, { "aria-pressed": String(here), title: here ? "Take the pin out" : `Keep this setting as ${letter}, to compare` });
    };
    this.endingLine = element("p", { class: "bl-weak" }, this.ending?.setting === selected ? this.ending.words : "");
    const use = button("Use this setting", () => this.#toggleExports(), { "aria-expanded": String(!this.exports.hidden) });
    this.numbers.replaceChildren(
      element("div", {}, element("b", {}, `Setting ${selected}`), ` ${this.#setting(selected)}`),
      this.endingLine,
      ...(table.degenerate(selected) ? [element("p", { class: "bl-flag" }, "Degenerate: silence may never come under this setting, so its numbers are not those of a use.")] : []),
      element("div", { class: "bl-row" }, pin(0, "A"), pin(1, "B"), use),
      textTable(`Setting ${selected} in numbers`, ["metric", "selected (95 %)", "default (95 %)", "n"], rows, { unseen: true }),
      element("p", { class: "bl-weak" }, `default: ${this.#setting(this.facts.default)} (${this.facts.default_title})`),
    );
  }

  /** A number of a setting with its interval, which breaks only between the two. */
  #number(metric, setting) {
    const value = this.table.value(metric, setting);
    const interval = intervalText(metric, this.table.interval(metric, setting));
    const text = Number.isNaN(value) ? "undefined" : metricText(metric, value);
    return interval ? element("span", {}, `${text} `, element("span", { class: "bl-whole" }, `(${interval})`)) : text;
  }

  #toggleExports() {
    this.exports.hidden = !this.exports.hidden;
    this.#showNumbers();
    this.numbers.querySelector("[aria-expanded]").focus();
    if (!this.exports.hidden) this.#showExports();
  }

  async #showExports() {
    const setting = this.selected;
    try {
      const { content } = await this.ask({ kind: "exports", setting });
      if (setting !== this.selected) return;
      const { field, list } = select("as", content.exports.map((each) => [each.name, each.title]), () => show());
      const code = element("pre", { class: "bl-code", tabindex: "0", "aria-label": "Code" });
      const note = element("p", { class: "bl-flag" });
      const said = element("span", { class: "bl-weak", role: "status" });
      const copy = button("Copy", async () => {
        try {
          await navigator.clipboard.writeText(code.textContent);
          said.textContent = "copied";
        } catch {
          getSelection().selectAllChildren(code); // no leave to write to the clipboard: the reader's own Ctrl+C
          said.textContent = "selected: copy it with Ctrl+C";
        }
      });
      const show = () => {
        const chosen = content.exports.find((each) => each.name === list.value);
        this.exported = list.value;
        code.textContent = chosen.text;
        note.textContent = chosen.note;
        note.hidden = !chosen.note;
        said.textContent = "";
      };
      if (content.exports.some((each) => each.name === this.exported)) list.value = this.exported;
      show();
      this.exports.replaceChildren(element("div", { class: "bl-row" }, element("b", {}, `Setting ${setting}`), field, copy, said), note, code);
    } catch (error) {
      this.exports.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  }

  // -- two settings compared ----------------------------------------------------------------------------------------

  async #pinnedChanged() {
    this.#paint();
    this.#showNumbers();
    const [a, b] = this.pinned;
    if (a === null || b === null) {
      this.comparison.replaceChildren();
      return;
    }
    try {
      const { content } = await this.ask({ kind: "comparison", a, b });
      if (this.pinned[0] !== a || this.pinned[1] !== b) return;
      const rows = content.rows.map((row) => [row.label, row.a, row.b, row.difference, row.paired ? row.interval || "none" : "not paired", row.differs ? "yes" : ""]);
      this.comparison.replaceChildren(
        element("div", { class: "bl-row" }, element("b", {}, "B − A"), element("span", {}, `A: ${this.#setting(a)}`), element("span", {}, `B: ${this.#setting(b)}`), button("Unpin both", () => this.#set({ pinned: [null, null] }))),
        textTable("The two settings pinned, and their differences", ["metric", "A", "B", "B − A", "95 % of B − A", "differ"], rows, { unseen: true }),
        element("p", { class: "bl-weak" }, `Intervals are paired: both settings on the same recordings. ${this.facts.n_varies} Among many comparisons some differ by chance.`),
        ...(content.what_if ? [element("p", {}, `What if B instead of A: ${content.what_if}`)] : []),
      );
    } catch (error) {
      this.comparison.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  }

  // -- one recording ------------------------------------------------------------------------------------------------

  async #open(id) {
    try {
      await this.ask({ kind: "recording", id });
    } catch (error) {
      this.viewed.hidden = false;
      this.view?.close();
      this.view = null;
      this.viewed.replaceChildren(element("p", { role: "alert" }, error.message));
    }
  }

  #recordingChanged() {
    const recording = this.model.get("_recording_data");
    this.list.open = recording?.name ?? null;
    this.viewed.hidden = !recording;
    if (!recording) {
      this.view?.close();
      this.view = null;
      return;
    }
    this.view ??= new RecordingView(this.viewed, { ask: this.ask, onClose: () => this.ask({ kind: "recording", id: null }) });
    this.view.show(recording);
    this.#decisionsChanged();
  }

  #decisionsChanged() {
    const decisions = this.model.get("_decisions");
    if (this.view && decisions) this.view.decide(decisions, this.#setting(decisions.setting));
  }
}

export default {
  render: besideItsForm(({ model, el }) => {
    const host = document.createElement("div");
    el.append(host);
    const explorer = new Explorer(model, host);
    return () => explorer.close();
  }),
};
