// One recording on a zoomable time axis. The data: see timelinefeed.py.
//
//   const timeline = new Timeline(element, { ask });   // ask(question) → Promise<{content, buffers}>, see requests.js
//   timeline.show(recording);                          // recording_data
//   timeline.decide(decisions);                        // decisions_data, as often as the setting changes
//   timeline.moveCursor(t_s); timeline.reveal(start_s, end_s, margin_s);
//   timeline.playhead_s = 1.5;                         // null hides it
//   timeline.onCursor = (t_s) => { … };
//   timeline.label(segments);                          // other labels of the same recording
//   timeline.close();
//
// Of a long recording only a window is here: what is not is asked for as it comes into view.
//
// A `layer` { rows, paint(pen, rows), press({ t_s, row, shift }) } takes the place of the drawn labels: it names the
// rows that are shown, draws over them, and may take hold of the pointer by returning { move(t_s), up(t_s) }.

import { agentSegments, describe, segmentAt, segmentWords, summary } from "./describe.js";
import { legend, legendItems } from "./legend.js";
import { numbers } from "./requests.js";
import { clockWords, Viewport, ticks } from "./timescale.js";
import * as tracks from "./tracks.js";

const LEFT_PX = 84;
const RIGHT_PX = 58;
const AXIS_PX = 22;
const GAP_PX = 6;
const HEIGHTS = { agent: 66, user: 74, probability: 66, decisions: 84, session: 76 };
const LABELS = { agent: "agent", user: "user", probability: "P(speech)", decisions: "decisions", session: "session" };
const ZOOM_STEP = 1.5;
const DETAIL_DELAY_MS = 80;

export class Timeline {
  #ask;
  #recording = null;
  #decisions = null;
  #details = new Map();
  #detailTimer = null;
  #detailSerial = 0;
  #windowSerial = 0;
  #long = false; // not whole from the start
  #frame = null;
  #playhead_s = null;
  #drag = null;
  #held = null;
  #layer;
  #observers = [];
  onCursor = () => {};

  constructor(element, { ask, layer = null }) {
    this.#ask = ask;
    this.#layer = layer;
    this.element = element;
    this.cursor_s = 0;
    this.view = new Viewport(1);
    this.#build();
    this.#listen();
  }

  show(recording) {
    const probability = recording.probability && { ...recording.probability, values: numbers(recording.probability.values, Float32Array) };
    const channels = Object.fromEntries(
      Object.entries(recording.channels).map(([name, channel]) => {
        const overview = { start_s: 0, end_s: recording.duration_s, pairs: numbers(channel.overview, Int16Array) };
        return [name, { ...channel, overview }];
      }),
    );
    this.#recording = { ...recording, probability, channels };
    this.#decisions = null;
    this.#details.clear();
    this.#detailSerial += 1; // an answer that is under way belongs to another recording
    this.#windowSerial += 1;
    this.view = new Viewport(recording.duration_s, recording.widest_s);
    this.view.show(...recording.window);
    this.#long = this.view.span_s < this.view.duration_s;
    this.cursor_s = 0;
    this.#playhead_s = null;
    this.#lay();
    this.#changed();
  }

  label(segments) {
    this.#recording = { ...this.#recording, segments };
    this.#changed();
  }

  redraw() {
    this.#draw();
  }

  decide(decisions) {
    this.#decisions = decisions;
    this.#changed();
    this.#askForWindow(); // what came is of the window that was asked for last, by another view perhaps
  }

  set playhead_s(t_s) {
    this.#playhead_s = t_s;
    if (t_s !== null && (t_s < this.view.start_s || t_s > this.view.end_s)) this.#viewed(() => this.view.show(t_s, t_s + this.view.span_s));
    this.#draw();
  }

  get playhead_s() {
    return this.#playhead_s;
  }

  moveCursor(t_s) {
    this.cursor_s = Math.min(Math.max(t_s, 0), this.view.duration_s);
    this.#changed();
    this.onCursor(this.cursor_s);
  }

  reveal(start_s, end_s, margin_s = 0) {
    this.#viewed(() => this.view.reveal(start_s, end_s, margin_s));
  }

  close() {
    clearTimeout(this.#detailTimer);
    cancelAnimationFrame(this.#frame);
    for (const observer of this.#observers) observer.disconnect();
    this.element.replaceChildren();
  }

  #build() {
    const button = (words, title, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "bl-button";
      made.textContent = words;
      made.title = title;
      made.setAttribute("aria-label", title);
      made.addEventListener("click", act);
      return made;
    };
    this.tools = document.createElement("div");
    this.tools.className = "bl-row";
    this.tools.append(
      button("−", "Zoom out", () => this.#zoom(ZOOM_STEP)),
      button("+", "Zoom in", () => this.#zoom(1 / ZOOM_STEP)),
      button("◀", "Earlier", () => this.#viewed(() => this.view.pan(-this.view.span_s / 2))),
      button("▶", "Later", () => this.#viewed(() => this.view.pan(this.view.span_s / 2))),
      button("all", "Show the whole recording, or as much of it as can be shown", () => this.#widen()),
    );
    this.position = document.createElement("input");
    Object.assign(this.position, { type: "range", min: 0, step: 1, title: "Which part of the recording is shown" });
    this.position.setAttribute("aria-label", "Part of the recording that is shown");
    this.position.addEventListener("input", () => this.#viewed(() => this.view.show(Number(this.position.value), Number(this.position.value) + this.view.span_s)));
    this.part = document.createElement("span");
    this.part.className = "bl-weak bl-number";
    this.tools.append(this.position, this.part);
    this.canvas = document.createElement("canvas");
    this.canvas.className = "bl-canvas";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-label", "Time cursor of the timeline");
    this.canvas.title = "Click to set the cursor, drag to move, Ctrl + wheel to zoom. Keys: Space plays, ← → cursor, + − zoom, Page Up/Down move, 0 all.";
    this.readout = document.createElement("div");
    this.readout.className = "bl-weak bl-timeline-readout";
    this.alternative = document.createElement("p");
    this.alternative.className = "bl-unseen";
    this.alternative.id = `bl-${Math.random().toString(36).slice(2)}`;
    this.canvas.setAttribute("aria-describedby", this.alternative.id);
    this.tip = document.createElement("div");
    this.tip.className = "bl-tip";
    this.tip.hidden = true;
    this.tip.setAttribute("aria-hidden", "true"); // the line below says it
    this.legend = document.createElement("ul");
    this.legend.className = "bl-legend";
    this.legend.setAttribute("aria-label", "Legend");
    const place = document.createElement("div");
    place.className = "bl-timeline-place";
    place.append(this.canvas, this.tip);
    this.element.append(this.tools, place, this.readout, this.legend, this.alternative);
  }

  #listen() {
    const canvas = this.canvas;
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const row = this.#rowAt(event.offsetY);
      const width_s = this.view.span_s / this.#width; // of a pixel
      this.#held = this.#layer?.press({ t_s: this.#timeAt(event.offsetX), row, shift: event.shiftKey, width_s }) ?? null;
      if (!this.#held) this.#drag = { x: event.offsetX, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => this.#pointer(event));
    canvas.addEventListener("pointerup", (event) => {
      this.#held?.up(this.#timeAt(event.offsetX));
      this.#held = null;
      if (this.#drag && !this.#drag.moved) this.moveCursor(this.#timeAt(event.offsetX));
      this.#drag = null;
    });
    canvas.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
      this.#say(this.cursor_s);
    });
    const resize = new ResizeObserver(() => this.#draw());
    resize.observe(canvas);
    // A change of theme is a change of attributes of the page's body.
    const theme = new MutationObserver(() => this.#draw());
    theme.observe(document.body, { attributes: true });
    this.#observers.push(resize, theme);
  }

  #pointer(event) {
    this.#point(event);
    if (this.#held) {
      this.#held.move(this.#timeAt(event.offsetX));
      return this.#draw();
    }
    if (!this.#drag) return this.#say(this.#timeAt(event.offsetX));
    const moved = event.offsetX - this.#drag.x;
    if (!this.#drag.moved && Math.abs(moved) < 4) return;
    this.#drag = { x: event.offsetX, moved: true };
    this.#viewed(() => this.view.pan((-moved / this.#width) * this.view.span_s));
  }

  #rowAt(y) {
    return Object.entries(this.rows ?? {}).find(([, { top, height }]) => y >= top && y < top + height)?.[0];
  }

  /** The label under the pointer by its name, however narrow it is drawn. */
  #point(event) {
    const channel = this.#rowAt(event.offsetY);
    const there = { user: this.#recording?.segments.filter((s) => s.channel === "user"), agent: this.#recording && agentSegments(this.#recording, this.#decisions) }[channel];
    const free = !this.#held && !this.#drag?.moved && event.offsetX >= LEFT_PX && event.offsetX <= LEFT_PX + this.#width;
    const found = free && there ? segmentAt(there, this.#timeAt(event.offsetX), (3 * this.view.span_s) / this.#width) : null;
    this.tip.hidden = !found;
    if (!found) return;
    this.tip.textContent = segmentWords(found);
    const room = this.canvas.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(event.offsetX + 14, room))}px`;
    this.tip.style.top = `${event.offsetY + 18}px`;
  }

  #wheel(event) {
    // The page scrolls over a timeline that nobody has turned to.
    const turnedTo = event.ctrlKey || event.metaKey || document.activeElement === this.canvas;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      this.#viewed(() => this.view.pan(((event.deltaX || event.deltaY) / this.#width) * this.view.span_s));
    } else if (turnedTo) {
      event.preventDefault();
      this.#viewed(() => this.view.zoom(ZOOM_STEP ** Math.sign(event.deltaY), this.#timeAt(event.offsetX)));
    }
  }

  #key(event) {
    const step = this.view.span_s / (event.shiftKey ? 10 : 100);
    const acts = {
      ArrowLeft: () => this.#stepCursor(-step),
      ArrowRight: () => this.#stepCursor(step),
      Home: () => this.#stepCursor(-Infinity),
      End: () => this.#stepCursor(Infinity),
      PageUp: () => this.#viewed(() => this.view.pan(-this.view.span_s / 2)),
      PageDown: () => this.#viewed(() => this.view.pan(this.view.span_s / 2)),
      "+": () => this.#zoom(1 / ZOOM_STEP, this.cursor_s),
      "=": () => this.#zoom(1 / ZOOM_STEP, this.cursor_s),
      "-": () => this.#zoom(ZOOM_STEP, this.cursor_s),
      0: () => this.#widen(),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's own keys: "0 0" restarts the kernel
    acts[event.key]();
  }

  #stepCursor(by_s) {
    this.moveCursor(this.cursor_s + by_s);
    this.reveal(this.cursor_s, this.cursor_s);
  }

  #zoom(factor, at_s = null) {
    const middle = (this.view.start_s + this.view.end_s) / 2;
    const inView = this.cursor_s >= this.view.start_s && this.cursor_s <= this.view.end_s;
    this.#viewed(() => this.view.zoom(factor, at_s ?? (inView ? this.cursor_s : middle)));
  }

  #widen() {
    this.#viewed(() => this.view.widen((this.view.start_s + this.view.end_s) / 2));
  }

  #viewed(change) {
    change();
    clearTimeout(this.#detailTimer);
    this.#detailTimer = setTimeout(() => {
      this.#askForWindow();
      this.#askForDetail();
    }, DETAIL_DELAY_MS);
    this.#tellPart();
    this.#draw();
  }

  /** Which part of a long recording is in view, beside the tools. */
  #tellPart() {
    const { view, position } = this;
    const [start, end, length] = [view.start_s, view.end_s, view.duration_s].map(clockWords);
    position.hidden = this.part.hidden = !this.#long;
    position.max = Math.max(0, view.duration_s - view.span_s);
    position.value = view.start_s;
    this.part.textContent = `${start} to ${end} of ${length}`;
    position.setAttribute("aria-valuetext", this.part.textContent);
  }

  #isHere([start_s, end_s]) {
    return start_s <= this.view.start_s + 1e-6 && end_s >= Math.min(this.view.end_s, this.view.duration_s) - 1e-6;
  }

  /** Ask for labels, probabilities and decisions of what is in view, and half as much on either side, where they are not here. */
  async #askForWindow() {
    const here = [this.#recording?.window, this.#decisions?.window].filter(Boolean);
    if (here.every((window) => this.#isHere(window))) return;
    const { start_s, end_s, span_s } = this.view;
    const serial = ++this.#windowSerial;
    try {
      const { content, buffers } = await this.#ask({ kind: "window", start_s: start_s - span_s / 2, end_s: end_s + span_s / 2 });
      if (serial !== this.#windowSerial) return;
      const { probability, segments, ...more } = content.recording;
      this.#recording = {
        ...this.#recording,
        ...more,
        segments: this.#layer ? this.#recording.segments : segments, // a layer has labels of its own
        probability: probability && { ...probability, values: numbers(buffers[0], Float32Array) },
      };
      if (this.#decisions && content.decisions) this.#decisions = content.decisions;
      this.#changed();
      this.#askForWindow(); // the view may have gone on
    } catch (error) {
      this.readout.textContent = `This part cannot be shown: ${error.message}`;
    }
  }

  /** Ask for what is in view, and as much again beside it, where the overview is coarser than the screen. */
  async #askForDetail() {
    const { start_s, end_s, span_s } = this.view;
    const width = this.#width * devicePixelRatio;
    const serial = ++this.#detailSerial;
    for (const [channel, { overview }] of Object.entries(this.#recording?.channels ?? {})) {
      if (overview.pairs.length / 2 / (overview.end_s - overview.start_s) >= width / span_s) continue;
      const question = { kind: "envelope", channel, start_s: start_s - span_s / 2, end_s: end_s + span_s / 2, columns: Math.min(8192, Math.round(2 * width)) };
      try {
        const { content, buffers } = await this.#ask(question);
        if (serial !== this.#detailSerial) return;
        this.#details.set(channel, { start_s: content.start_s, end_s: content.end_s, pairs: numbers(buffers[0], Int16Array) });
        this.#draw();
      } catch (error) {
        this.readout.textContent = `The waveform cannot be shown in detail: ${error.message}`;
        return;
      }
    }
  }

  #wave(channel) {
    const detail = this.#details.get(channel);
    const overview = this.#recording.channels[channel]?.overview;
    if (!detail || !overview) return overview;
    const covers = detail.start_s <= Math.max(this.view.start_s, 0) + 1e-6 && detail.end_s >= this.view.end_s - 1e-3;
    const density = (wave) => wave.pairs.length / (wave.end_s - wave.start_s);
    return covers && density(detail) > density(overview) ? detail : overview;
  }

  get #width() {
    return Math.max(1, this.canvas.clientWidth - LEFT_PX - RIGHT_PX);
  }

  #timeAt(x) {
    return Math.min(Math.max(this.view.toTime(x - LEFT_PX, this.#width), 0), this.view.duration_s);
  }

  #lay() {
    const names = Object.keys(HEIGHTS).filter((name) => (this.#layer ? this.#layer.rows.includes(name) : name !== "session" || this.#recording?.session));
    let top = 4;
    this.rows = {};
    for (const name of names) {
      this.rows[name] = { top, height: HEIGHTS[name] };
      top += HEIGHTS[name] + GAP_PX;
    }
    this.axisTop = top;
    this.canvas.style.height = `${top + AXIS_PX}px`;
  }

  #changed() {
    if (!this.#recording) return;
    this.#tellPart();
    const t_s = this.cursor_s;
    this.canvas.setAttribute("aria-valuemin", "0");
    this.canvas.setAttribute("aria-valuemax", this.view.duration_s.toFixed(3));
    this.canvas.setAttribute("aria-valuenow", t_s.toFixed(3));
    this.canvas.setAttribute("aria-valuetext", describe(this.#recording, this.#decisions, t_s));
    this.alternative.textContent = summary(this.#recording, this.#decisions);
    this.legend.replaceChildren(...legend(legendItems(this.#recording, this.#decisions, tracks.LOOKS)));
    this.#say(t_s);
    this.#draw();
  }

  #say(t_s) {
    if (this.#recording) this.readout.textContent = describe(this.#recording, this.#decisions, t_s);
  }

  #draw() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      if (this.#recording && this.canvas.clientWidth) this.#paint();
    });
  }

  #paint() {
    const { canvas, view, rows } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const colours = tracks.readColours(canvas);
    const x = (t_s) => LEFT_PX + view.toX(t_s, this.#width);
    const pen = { ctx, colours, x, left: LEFT_PX, right: width - RIGHT_PX, start_s: view.start_s, end_s: view.end_s };
    ctx.font = colours.font;
    ctx.fillStyle = colours.background;
    ctx.fillRect(0, 0, width, height);
    ctx.textBaseline = "middle";
    for (const [name, { top, height: h }] of Object.entries(rows)) tracks.drawLabel(pen, top, h, LABELS[name]);
    tracks.drawAxis(pen, this.axisTop, ticks(view.start_s, view.end_s, this.#width / 80));
    ctx.save();
    ctx.beginPath();
    ctx.rect(pen.left, 0, pen.right - pen.left, height);
    ctx.clip();
    this.#paintRecording(pen);
    if (rows.probability) tracks.drawProbability(pen, rows.probability.top, rows.probability.height, this.#recording.probability, this.#decisions);
    if (rows.probability) tracks.drawScores(pen, rows.probability.top, rows.probability.height, this.#decisions);
    this.#paintDecisions(pen);
    this.#paintSession(pen);
    this.#layer?.paint(pen, rows);
    this.#paintPositions(pen);
    ctx.restore();
    if (rows.probability) tracks.drawThresholds(pen, rows.probability.top, rows.probability.height, this.#decisions);
  }

  #paintRecording(pen) {
    const user = this.#recording.segments.filter((s) => s.channel === "user");
    for (const [name, segments] of [["agent", agentSegments(this.#recording, this.#decisions)], ["user", user]]) {
      const { top, height } = this.rows[name];
      const shown = name === "user" || (this.#decisions?.agent_audio ?? true);
      tracks.drawWave(pen, top + 15, height - 15, shown ? this.#wave(name) : null);
      if (!this.#layer) tracks.drawSegments(pen, top, height, segments);
    }
  }

  #paintDecisions(pen) {
    if (!this.#decisions) return;
    const { top, height } = this.rows.decisions;
    tracks.drawCuts(pen, 0, top + height, this.#decisions.events);
    tracks.drawTurns(pen, top + height - 16, 12, this.#decisions.turns);
    tracks.drawEvents(pen, top, height - 20, this.#decisions.events);
  }

  #paintSession(pen) {
    const { session } = this.#recording;
    if (!session) return;
    const { top, height } = this.rows.session;
    tracks.drawRows(pen, top + height - 5, 5, session.rows);
    tracks.drawTurns(pen, top + height - 19, 10, session.turns);
    tracks.drawSegments(pen, top, 14, session.responses);
    tracks.drawEvents(pen, top + 16, height - 38, session.events, 2);
  }

  #paintPositions(pen) {
    const { ctx, colours } = pen;
    ctx.lineWidth = 1.5;
    ctx.strokeStyle = colours.text;
    tracks.line(ctx, pen.x(this.cursor_s), 0, pen.x(this.cursor_s), this.axisTop);
    if (this.#playhead_s === null) return;
    ctx.strokeStyle = colours.accent;
    ctx.lineWidth = 2;
    tracks.line(ctx, pen.x(this.#playhead_s), 0, pen.x(this.#playhead_s), this.axisTop);
  }
}
