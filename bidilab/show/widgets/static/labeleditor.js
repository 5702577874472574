// The front end of LabelEditor: labels over two waveforms, taken hold of with the mouse or by keys.
//
// Nothing is changed here: each change is asked of the kernel, which keeps it and sends the labels anew.

import { button, element, select } from "./elements.js";
import { isOwnKey, keepKeys } from "./keyboard.js";
import { keysTable, TIMELINE_KEYS } from "./keystable.js";
import { edgeAt, labelAt, labelWords, withEdge } from "./labelgeometry.js";
import { drawLabels } from "./labeltracks.js";
import { Player } from "./player.js";
import { Requests } from "./requests.js";
import { besideItsForm } from "./saved.js";
import { inTurn } from "./steps.js";
import { Timeline } from "./timeline.js";

const MARGIN_S = 0.8;
const BEFORE_S = 0.25; // heard before and after a label
const REACH_PX = 7;
const NEW_S = 0.5;
const NUDGE_S = 0.01;
const KEYS = [
  ["Space", "play the label, or from the cursor; stop"],
  ["n, p", "next, previous label that nobody has confirmed"],
  ["Alt+→, Alt+←", "next, previous label"],
  ["Enter", "accept, and on to the next"],
  ["1 … 6", "turn, interruption, backchannel, side speech, noise, echo"],
  ["[ ]", "start, end to the cursor; a label that nobody has confirmed stays so"],
  [", .", "edge 10 ms earlier, later; with Shift 100 ms"],
  ["e", "the other edge"],
  ["a", "add a label at the cursor"],
  ["Delete", "delete"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ...TIMELINE_KEYS.slice(2),
];
const MOUSE = "Click a label to select it; drag its edges; Shift and drag to add one; drag elsewhere to pan.";

class View {
  constructor(model, root) {
    this.model = model;
    this.root = root;
    root.classList.add("bl", "bl-labels");
    keepKeys(root);
    this.requests = new Requests(model);
    this.step = inTurn((direction, unconfirmed) => this.stepOnce(direction, unconfirmed));
    const ask = (question) => this.requests.ask(question);
    this.selected = -1;
    this.edge = "start_s";
    this.dragged = null;
    this.player = new Player({
      ask,
      onPosition: (t_s) => this.heard(t_s),
      onEnd: () => this.silence(),
      onError: (error) => this.silence(`It cannot be played: ${error.message}`),
    });
    this.said = element("div", { class: "bl-labels-said", role: "status", "aria-live": "polite" });
    this.trouble = element("div", { class: "bl-labels-trouble", role: "alert" });
    const place = element("div", {});
    const layer = {
      rows: ["agent", "user"],
      paint: (pen, rows) => this.paint(pen, rows),
      press: (where) => this.press(where),
    };
    root.append(this.choosing(), this.mending(), place, this.said, this.trouble, keysTable(KEYS, MOUSE));
    this.timeline = new Timeline(place, { ask, layer });
    this.tools.append(this.timeline.tools);
    root.addEventListener("keydown", (event) => this.key(event));
    this.listeners = [
      ["change:recording", () => this.showRecording()],
      ["change:labels", () => this.showLabels()],
      ["change:choices", () => this.showChoices()],
    ];
    for (const [name, listener] of this.listeners) model.on(name, listener);
    this.showChoices();
    this.showRecording();
  }

  // -- parts ----------------------------------------------------------------------------------------------------

  choosing() {
    const chosen = select("recording", [], (id) => this.edit({ act: "open", recording: id }));
    this.recordings = chosen.list;
    this.count = element("span", { class: "bl-weak" });
    this.tools = element("span", { class: "bl-field" });
    this.playButton = button("Play", () => this.togglePlay(), { title: "Hear the selected label, or from the cursor" });
    return element("div", { class: "bl-row" }, chosen.field, this.playButton, this.tools, element("span", { class: "bl-spacer" }), this.count);
  }

  mending() {
    const kind = select("kind", [], (name) => this.setKind(name));
    this.kinds = kind.list;
    const channel = select("add to", [["user", "user"], ["agent", "agent"]], () => {});
    this.channel = channel.list;
    this.needSelected = [
      button("Accept", () => this.accept(), { title: "Accept (Enter)" }),
      button("Delete", () => this.act("delete"), { title: "Delete (Delete)" }),
    ];
    this.undoButton = button("Undo", () => this.back("undo"), { title: "Undo (Ctrl+Z)" });
    this.redoButton = button("Redo", () => this.back("redo"), { title: "Redo (Ctrl+Shift+Z)" });
    this.allButton = button("Accept all", () => this.edit({ act: "accept_all" }), { title: "Accept every label of this recording" });
    return element(
      "div",
      { class: "bl-row", role: "group", "aria-label": "Change labels" },
      button("‹ previous", () => this.step(-1, true), { title: "Previous label that nobody has confirmed (p)" }),
      button("next ›", () => this.step(1, true), { title: "Next label that nobody has confirmed (n)" }),
      ...this.needSelected,
      kind.field,
      button("Add", () => this.add(), { title: "Add a label at the cursor (a)" }),
      channel.field,
      this.undoButton,
      this.redoButton,
      element("span", { class: "bl-spacer" }),
      this.allButton,
    );
  }

  // -- what the kernel says ---------------------------------------------------------------------------------------

  showChoices() {
    const { recordings, recording } = this.model.get("choices");
    this.recordings.replaceChildren(...recordings.map((id) => element("option", { value: id }, id)));
    this.recordings.value = recording;
  }

  showRecording() {
    this.silence("");
    this.selected = -1;
    const recording = this.model.get("recording");
    this.player.show(recording);
    this.timeline.show(recording);
    this.recordings.value = recording.name;
    this.playButton.disabled = !Object.keys(recording.channels).length;
    this.showLabels();
  }

  showLabels() {
    const labels = this.model.get("labels");
    // By their numbers among all of the recording: of a long one only those of a window are here.
    this.labels = Object.assign(new Array(labels.n), Object.fromEntries(labels.segments.map((label) => [label.index, label])));
    this.dragged = null;
    if (labels.selected !== null) this.selected = labels.selected;
    else if (this.selected >= this.labels.length || labels.said) this.selected = -1;
    this.timeline.label(labels.segments);
    this.undoButton.disabled = !labels.undo;
    this.redoButton.disabled = !labels.redo;
    this.allButton.disabled = !labels.n_unconfirmed;
    this.count.textContent = `${this.labels.length} labels, ${labels.n_unconfirmed} not confirmed`;
    this.showSelected(labels.said);
  }

  showSelected(said = "") {
    const label = this.labels[this.selected];
    for (const needing of this.needSelected) needing.disabled = !label;
    this.kinds.disabled = !label;
    const kinds = this.model.get("choices").kinds[label?.channel ?? "user"];
    this.kinds.replaceChildren(...kinds.map(([name, words]) => element("option", { value: name }, words)));
    if (label) {
      this.kinds.value = label.kind;
      this.channel.value = label.channel;
    }
    const words = labelWords(this.labels, this.selected);
    this.said.textContent = said ? `${said[0].toUpperCase()}${said.slice(1)}. ${words}` : words;
    this.timeline.redraw();
  }

  // -- what the reader does -----------------------------------------------------------------------------------------

  async edit(change) {
    this.trouble.textContent = "";
    try {
      await this.requests.ask({ kind: "edit", ...change });
      return true;
    } catch (error) {
      this.trouble.textContent = `Not changed: ${error.message}`;
      this.dragged = null;
      this.timeline.redraw();
      return false;
    }
  }

  act(act, more = {}) {
    if (!this.labels[this.selected]) return Promise.resolve(false);
    return this.edit({ act, index: this.selected, ...more });
  }

  async accept() {
    if (await this.act("accept")) this.step(1, true);
  }

  setKind(name) {
    if (name && name !== this.labels[this.selected]?.kind) this.act("kind", { kind_name: name });
  }

  back(act) {
    return this.edit({ act, index: this.selected });
  }

  /** By a key an edge is moved, and no label confirmed that nobody has confirmed; dragging with the mouse confirms. */
  moveEdge(edge, t_s, confirms = false) {
    const label = this.labels[this.selected];
    if (!label) return;
    this.edge = edge;
    this.act("move", { [edge]: withEdge(label, edge, t_s, this.timeline.view.duration_s)[edge], confirms });
  }

  add(from_s = this.timeline.cursor_s, to_s = from_s + NEW_S, channel = this.channel.value) {
    const end = Math.min(to_s, this.timeline.view.duration_s);
    const kind_name = this.model.get("choices").kinds[channel][0][0];
    this.edit({ act: "add", channel, kind_name, start_s: Math.min(from_s, end - NUDGE_S), end_s: end });
  }

  async stepOnce(direction, unconfirmed) {
    const from = this.selected;
    let found;
    try {
      found = (await this.requests.ask({ kind: "next", index: from, direction, unconfirmed })).content;
    } catch (error) {
      this.trouble.textContent = `No step: ${error.message}`;
      return;
    }
    if (found.index === null) {
      this.showSelected(unconfirmed ? "every label of this recording is confirmed" : "there is no label");
      return;
    }
    this.choose(found.index);
    const { start_s, end_s } = found;
    this.timeline.moveCursor(start_s);
    this.timeline.reveal(start_s, end_s, MARGIN_S);
  }

  choose(index) {
    this.selected = index;
    this.trouble.textContent = "";
    this.showSelected();
  }

  /** The pointer goes down: an edge of the selected label, a new label with Shift, or a label to select. */
  press({ t_s, row, shift, width_s }) {
    const label = this.labels[this.selected];
    if (label && label.channel === row && !shift) {
      const edge = edgeAt(label, t_s, REACH_PX * width_s);
      if (edge) return this.holdEdge(edge);
    }
    if (shift && row) return this.holdNew(row, t_s);
    if (row) this.choose(labelAt(this.labels, row, t_s, this.selected));
    return null;
  }

  holdEdge(edge) {
    const { duration_s } = this.timeline.view;
    return {
      move: (t_s) => (this.dragged = withEdge(this.labels[this.selected], edge, t_s, duration_s)),
      up: () => this.dragged && this.moveEdge(edge, this.dragged[edge], true),
    };
  }

  holdNew(channel, from_s) {
    const [kind, label] = this.model.get("choices").kinds[channel][0];
    this.selected = -1;
    const made = (t_s) => ({ channel, kind, label, text: "", origin: "proposed", start_s: Math.min(from_s, t_s), end_s: Math.max(from_s, t_s) });
    return {
      move: (t_s) => (this.dragged = made(t_s)),
      up: () => {
        if (this.dragged && this.dragged.end_s - this.dragged.start_s >= NUDGE_S) this.add(this.dragged.start_s, this.dragged.end_s, channel);
        else this.dragged = null;
      },
    };
  }

  key(event) {
    if (isOwnKey(event)) return;
    const command = event.ctrlKey || event.metaKey;
    const act = command ? this.commandOf(event) : this.keyOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own keys
    act();
  }

  commandOf(event) {
    const key = event.key.toLowerCase();
    if (key === "z") return () => this.back(event.shiftKey ? "redo" : "undo");
    return key === "y" ? () => this.back("redo") : null;
  }

  keyOf(event) {
    if (event.altKey) return { ArrowRight: () => this.step(1, false), ArrowLeft: () => this.step(-1, false) }[event.key];
    const label = this.labels[this.selected];
    const nudge = (by_s) => () => label && this.moveEdge(this.edge, label[this.edge] + by_s);
    const kinds = this.model.get("choices").kinds[label?.channel ?? "user"];
    const kind = /^[1-6]$/.test(event.key) ? kinds[Number(event.key) - 1] : null;
    if (kind) return () => this.setKind(kind[0]);
    return {
      n: () => this.step(1, true),
      p: () => this.step(-1, true),
      Enter: () => this.accept(),
      "[": () => this.moveEdge("start_s", this.timeline.cursor_s),
      "]": () => this.moveEdge("end_s", this.timeline.cursor_s),
      ",": nudge(-NUDGE_S),
      ".": nudge(NUDGE_S),
      "<": nudge(-10 * NUDGE_S),
      ">": nudge(10 * NUDGE_S),
      e: () => this.otherEdge(),
      a: () => this.add(),
      Delete: () => this.act("delete"),
      Backspace: () => this.act("delete"),
      " ": () => this.togglePlay(),
    }[event.key];
  }

  otherEdge() {
    this.edge = this.edge === "start_s" ? "end_s" : "start_s";
    this.showSelected(this.edge === "start_s" ? "keys move the start" : "keys move the end");
  }

  // -- hearing ------------------------------------------------------------------------------------------------------

  togglePlay() {
    if (this.player.playing) return this.silence();
    const label = this.labels[this.selected];
    this.until_s = label ? label.end_s + BEFORE_S : Infinity;
    this.playButton.textContent = "Stop";
    this.player.play(label ? Math.max(0, label.start_s - BEFORE_S) : this.timeline.cursor_s);
  }

  heard(t_s) {
    this.timeline.playhead_s = t_s;
    if (t_s >= this.until_s) this.silence();
  }

  silence(words = "") {
    this.player.stop();
    this.timeline.playhead_s = null;
    this.playButton.textContent = "Play";
    this.trouble.textContent = words;
  }

  paint(pen, rows) {
    const chosen = this.dragged ?? this.labels?.[this.selected];
    for (const channel of ["agent", "user"]) {
      const labels = (this.labels ?? []).filter((label, k) => label.channel === channel && k !== this.selected);
      drawLabels(pen, rows[channel], labels, chosen?.channel === channel ? chosen : null);
    }
  }

  close() {
    for (const [name, listener] of this.listeners) this.model.off(name, listener);
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
