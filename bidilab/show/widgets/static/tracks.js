// Drawing of the timeline's tracks. Each function draws one track into `pen`:
// { ctx, left, right, x(t_s), start_s, end_s, colours } — pixels of the page, not of the screen.

const TOKENS = [
  "background", "surface", "border", "grid", "text", "text-weak", "accent", "black", "vermillion", "grey", "wave",
  "detector", "kind-turn", "kind-interruption", "kind-backchannel", "kind-side_speech", "kind-noise", "kind-echo",
  "kind-response", "score",
];
const FONT_PX = 11;

// Marker, colour and whether it is filled: EVENT_LOOKS of show/plots/timeline.py.
export const LOOKS = {
  detected: ["circle", "vermillion", true],
  false: ["cross", "black", true],
  missed: ["square", "vermillion", false],
  continued: ["diamond", "grey", true],
  stopped: ["bar", "grey", true],
  unjudged: ["plus", "black", true],
};

/** Colours of the theme that the element stands in. */
export function readColours(element) {
  const style = getComputedStyle(element);
  const colours = Object.fromEntries(TOKENS.map((name) => [name, style.getPropertyValue(`--bl-${name}`).trim()]));
  colours.font = `${FONT_PX}px ${style.getPropertyValue("--bl-font").trim() || "sans-serif"}`;
  return colours;
}

export function drawLabel(pen, top, height, words) {
  const { ctx, colours } = pen;
  ctx.fillStyle = colours["text-weak"];
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillText(words, pen.left - 8, top + height / 2);
}

/** A waveform: `wave` is { start_s, end_s, pairs (Int16Array: least, greatest) }, or null where there is no channel. */
export function drawWave(pen, top, height, wave) {
  const { ctx, colours } = pen;
  if (!wave) {
    ctx.fillStyle = colours["text-weak"];
    ctx.textAlign = "left";
    ctx.fillText("no audio", pen.left + 8, top + height / 2);
    return;
  }
  const n = wave.pairs.length / 2;
  const step = (wave.end_s - wave.start_s) / n;
  const first = Math.max(0, Math.floor((pen.start_s - wave.start_s) / step) - 1);
  const last = Math.min(n, Math.ceil((pen.end_s - wave.start_s) / step) + 1);
  const y = (value) => top + height / 2 - (value / 32767) * (height / 2 - 2);
  const at = (k) => pen.x(wave.start_s + (k + 0.5) * step);
  ctx.beginPath();
  for (let k = first; k < last; k += 1) ctx.lineTo(at(k), y(wave.pairs[2 * k + 1]));
  for (let k = last - 1; k >= first; k -= 1) ctx.lineTo(at(k), y(wave.pairs[2 * k]));
  ctx.closePath();
  ctx.fillStyle = ctx.strokeStyle = colours.wave;
  ctx.lineWidth = 0.7;
  ctx.fill();
  ctx.stroke();
}

/** Labels over a waveform: a pale area below, a bar with its name on top. */
export function drawSegments(pen, top, height, segments) {
  const { ctx, colours } = pen;
  for (const s of segments) {
    if (s.end_s <= pen.start_s || s.start_s >= pen.end_s) continue;
    const [from, to] = [Math.max(pen.x(s.start_s), pen.left), Math.min(pen.x(s.end_s), pen.right)];
    ctx.fillStyle = colours[`kind-${s.kind}`];
    ctx.globalAlpha = 0.12;
    ctx.fillRect(from, top + 15, to - from, height - 15);
    ctx.globalAlpha = 1;
    ctx.fillRect(from, top + 1, Math.max(to - from, 1), 13);
    const words = s.text ? `${s.label}: ${s.text}` : s.label;
    const fitting = [words, s.label].find((w) => ctx.measureText(w).width + 8 < to - from);
    if (!fitting) continue;
    ctx.fillStyle = ["noise", "echo", "side_speech"].includes(s.kind) ? "#000000" : "#ffffff";
    ctx.textAlign = "left";
    ctx.fillText(fitting, from + 4, top + 8);
  }
}

/** Probability of speech as steps, and pale where the detector is in a turn. */
export function drawProbability(pen, top, height, probability, decisions) {
  const { ctx, colours } = pen;
  const y = probabilityY(top, height);
  ctx.fillStyle = colours.detector;
  ctx.globalAlpha = 0.22;
  for (const turn of decisions?.turns ?? []) {
    const [from, to] = [Math.max(pen.x(turn.started_s), pen.left), Math.min(pen.x(turn.stopped_s), pen.right)];
    if (to > from) ctx.fillRect(from, top, to - from, height);
  }
  ctx.globalAlpha = 1;
  if (probability) drawSteps(pen, probability, y);
}

/** Scores of ends of turns where they were asked, and their threshold; one that fires is full. */
export function drawScores(pen, top, height, decisions) {
  const { ctx, colours } = pen;
  if (decisions?.eot_threshold === null || decisions?.eot_threshold === undefined) return;
  const y = probabilityY(top, height);
  ctx.strokeStyle = ctx.fillStyle = colours.score;
  ctx.lineWidth = 1;
  ctx.setLineDash([1, 3]);
  line(ctx, pen.left, y(decisions.eot_threshold), pen.right, y(decisions.eot_threshold));
  ctx.setLineDash([]);
  for (const { at_s, score, fires } of decisions.asked) {
    const x = pen.x(at_s);
    if (x < pen.left || x > pen.right) continue;
    ctx.strokeStyle = ctx.fillStyle = colours.score;
    ctx.lineWidth = 1.5;
    if (score === null) line(ctx, x, top + height - 6, x, top + height);
    else drawMarker(ctx, "diamond", x, y(score), fires, colours.background);
  }
}

/** Both thresholds, named beside the track. */
export function drawThresholds(pen, top, height, decisions) {
  const { ctx, colours } = pen;
  const y = probabilityY(top, height);
  ctx.strokeStyle = colours["text-weak"];
  ctx.fillStyle = colours["text-weak"];
  ctx.lineWidth = 1;
  ctx.textAlign = "left";
  const [on, off] = [decisions?.threshold, decisions?.deactivation_threshold];
  if (on === null || on === undefined) return;
  const apart = Math.max(0, (FONT_PX - (y(off) - y(on))) / 2); // names do not lie over each other
  for (const [name, dash, value, shift] of [["on", [], on, -apart], ["off", [5, 3], off, apart]]) {
    ctx.setLineDash(dash);
    line(ctx, pen.left, y(value), pen.right, y(value));
    ctx.setLineDash([]);
    ctx.fillText(`${name} ${value.toFixed(2)}`, pen.right + 4, y(value) + shift);
  }
}

const probabilityY = (top, height) => (p) => top + height - 3 - p * (height - 6);

function drawSteps(pen, { values, frame_s, first: offset }, y) {
  const { ctx } = pen;
  const first = Math.max(0, Math.floor(pen.start_s / frame_s) - offset);
  const last = Math.min(values.length, Math.ceil(pen.end_s / frame_s) + 1 - offset);
  // Frames narrower than a pixel are drawn by their least and greatest, so that no peak is lost from view.
  const stride = Math.max(1, Math.floor((pen.end_s - pen.start_s) / frame_s / (pen.right - pen.left)));
  ctx.beginPath();
  for (let k = first; k < last; k += stride) {
    const part = values.subarray(k, Math.min(k + stride, last));
    const [from, to] = [pen.x((offset + k) * frame_s), pen.x((offset + Math.min(k + stride, last)) * frame_s)];
    const [low, high] = [Math.min(...part), Math.max(...part)];
    ctx.lineTo(from, y(high));
    if (low !== high) ctx.lineTo(from, y(low));
    ctx.lineTo(to, y(part.at(-1)));
  }
  ctx.strokeStyle = pen.colours.text;
  ctx.lineWidth = 1.1;
  ctx.stroke();
}

/** Turns of a detector as bars: pale with the padding, full from onset to offset, a tick where the start was decided. */
export function drawTurns(pen, top, height, turns) {
  const { ctx, colours } = pen;
  const bar = (from_s, to_s) => {
    const [from, to] = [Math.max(pen.x(from_s), pen.left), Math.min(pen.x(to_s), pen.right)];
    if (to > from) ctx.fillRect(from, top, to - from, height);
  };
  ctx.fillStyle = colours.detector;
  for (const turn of turns) {
    ctx.globalAlpha = 0.4;
    bar(turn.audio_start_s, turn.audio_end_s);
    ctx.globalAlpha = 1;
    bar(turn.onset_s, turn.offset_s);
  }
  ctx.strokeStyle = colours.text;
  ctx.lineWidth = 1.5;
  for (const turn of turns) {
    const x = pen.x(turn.started_s);
    if (x >= pen.left && x <= pen.right) line(ctx, x, top - 2, x, top + height + 2);
  }
  for (const turn of turns) {
    if (!["score", "timeout"].includes(turn.cause)) continue; // silence alone needs no mark
    const x = pen.x(turn.stopped_s);
    if (x < pen.left || x > pen.right) continue;
    ctx.strokeStyle = ctx.fillStyle = colours.score;
    ctx.lineWidth = 1.5;
    drawMarker(ctx, "diamond", x, top + height / 2, turn.cause === "score", colours.background);
  }
}

/** Outcomes: a line from onset to decision, a marker, words where there is room in one of `levels` rows. */
export function drawEvents(pen, top, height, events, levels = 3) {
  const { ctx, colours } = pen;
  const taken = Array(levels).fill(-Infinity);
  for (const e of events) {
    const [from, to] = [pen.x(Math.min(e.start_s, e.at_s)), pen.x(Math.max(e.start_s, e.at_s))];
    if (to < pen.left || from > pen.right) continue;
    const [marker, colour, filled] = LOOKS[e.outcome];
    const width = ctx.measureText(e.text).width;
    const toLeft = to + width + 12 > pen.right;
    const leftmost = toLeft ? Math.min(from, to - width - 12) : from;
    let level = taken.findIndex((until) => until < leftmost);
    const room = level >= 0;
    if (!room) level = levels - 1;
    const y = top + (height / levels) * (level + 0.5);
    ctx.strokeStyle = ctx.fillStyle = colours[colour];
    ctx.lineWidth = 1.5;
    line(ctx, Math.max(pen.x(e.start_s), pen.left), y, pen.x(e.at_s), y);
    drawMarker(ctx, marker, pen.x(e.at_s), y, filled, colours.background);
    if (!room) continue; // the marker says it, and the cursor's line below
    taken[level] = toLeft ? to + 8 : to + 10 + width;
    ctx.textAlign = toLeft ? "right" : "left";
    ctx.fillText(e.text, toLeft ? to - 8 : to + 8, y);
  }
}

/** A line through all tracks at each moment at which the agent of the session stopped. */
export function drawCuts(pen, top, height, events) {
  const { ctx, colours } = pen;
  ctx.setLineDash([4, 3]);
  ctx.lineWidth = 1;
  for (const e of events) {
    if (e.cut_s === null) continue;
    const x = pen.x(e.cut_s);
    if (x < pen.left || x > pen.right) continue;
    ctx.strokeStyle = colours[LOOKS[e.outcome][1]];
    line(ctx, x, top, x, top + height);
  }
  ctx.setLineDash([]);
}

/** Rows of a log as small ticks. */
export function drawRows(pen, top, height, rows) {
  const { ctx, colours } = pen;
  ctx.strokeStyle = colours["text-weak"];
  ctx.lineWidth = 1;
  for (const row of rows) {
    const x = pen.x(row.at_s);
    if (x >= pen.left && x <= pen.right) line(ctx, x, top, x, top + height);
  }
}

export function drawAxis(pen, top, { values, decimals }) {
  const { ctx, colours } = pen;
  ctx.strokeStyle = colours.border;
  ctx.fillStyle = colours["text-weak"];
  ctx.lineWidth = 1;
  ctx.textAlign = "center";
  line(ctx, pen.left, top + 0.5, pen.right, top + 0.5);
  for (const t_s of values) {
    line(ctx, pen.x(t_s), top, pen.x(t_s), top + 4);
    const text = t_s.toFixed(decimals);
    const left = pen.left - 4; // beside the words below
    ctx.fillText(text, Math.max(pen.x(t_s), left + ctx.measureText(text).width / 2), top + 12);
  }
  ctx.textAlign = "right";
  ctx.fillText("time (s)", pen.left - 8, top + 12);
}

export function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

function drawMarker(ctx, marker, x, y, filled, background) {
  const r = 4;
  ctx.beginPath();
  if (marker === "circle") ctx.arc(x, y, r, 0, 2 * Math.PI);
  else if (marker === "square") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (marker === "diamond") ctx.moveTo(x, y - r - 1), ctx.lineTo(x + r, y), ctx.lineTo(x, y + r + 1), ctx.lineTo(x - r, y), ctx.closePath();
  else {
    ctx.lineWidth = 2.2;
    if (marker === "bar") line(ctx, x, y - r - 1, x, y + r + 1);
    else if (marker === "plus") line(ctx, x - r, y, x + r, y), line(ctx, x, y - r, x, y + r);
    else line(ctx, x - r, y - r, x + r, y + r), line(ctx, x - r, y + r, x + r, y - r);
    return;
  }
  if (!filled) {
    const colour = ctx.fillStyle;
    ctx.fillStyle = background;
    ctx.fill();
    ctx.fillStyle = colour;
  } else ctx.fill();
  ctx.stroke();
}
