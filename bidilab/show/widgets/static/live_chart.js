// The strip chart of a live session on a canvas: level and probability of speech, thresholds, who speaks, what was cut.

const SHOWN_S = 20;
const FLOOR_DB = -90;
const LANE = 16;
const LEFT = 44;

export class LiveChart {
  constructor(canvas) {
    this.canvas = canvas;
    this.pending = 0;
  }

  // thresholds: {on, off}. Drawn when the browser next paints.
  show(history, thresholds) {
    this.state = { history, thresholds };
    if (!this.pending) this.pending = requestAnimationFrame(() => this.draw());
  }

  close() {
    cancelAnimationFrame(this.pending);
  }

  draw() {
    this.pending = 0;
    const { canvas } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const { history } = this.state;
    const end = Math.max(history.end_s, SHOWN_S);
    const top = 2 * LANE + 6;
    const bottom = height - 16;
    const scale = {
      start: end - SHOWN_S,
      end,
      top,
      bottom,
      x: (s) => LEFT + ((s - (end - SHOWN_S)) / SHOWN_S) * (width - LEFT - 4),
      y: (p) => bottom - p * (bottom - top),
    };
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(`--bl-${name}`).trim();
    this.axes(g, scale, width, colour);
    this.frames(g, scale, history, colour);
    this.thresholds(g, scale, width, colour);
    this.spans(g, scale, history, colour);
  }

  axes(g, scale, width, colour) {
    g.font = getComputedStyle(this.canvas).font || "11px sans-serif";
    g.fillStyle = colour("text-weak");
    g.strokeStyle = colour("grid");
    g.lineWidth = 1;
    g.textAlign = "right";
    g.textBaseline = "middle";
    g.fillText("user", LEFT - 6, LANE / 2 + 1);
    g.fillText("agent", LEFT - 6, 1.5 * LANE + 3);
    for (const p of [0, 0.5, 1]) {
      line(g, LEFT, scale.y(p), width - 4, scale.y(p));
      g.fillText(String(p), LEFT - 6, scale.y(p));
    }
    g.textAlign = "center";
    g.textBaseline = "top";
    for (let s = Math.ceil(scale.start / 5) * 5; s <= scale.end; s += 5) {
      if (s >= 0) g.fillText(`${s} s`, Math.min(scale.x(s), width - 16), scale.bottom + 2);
    }
  }

  frames(g, scale, history, colour) {
    const from = Math.max(0, Math.floor(scale.start / history.frame_s) - history.first);
    const n = history.levels.length;
    const at = (i) => scale.x((history.first + i) * history.frame_s);
    g.fillStyle = colour("grid");
    for (let i = from; i < n; i++) {
      const y = scale.y(Math.max(0, 1 - history.levels[i] / FLOOR_DB));
      g.fillRect(at(i), y, at(i + 1) - at(i) + 0.5, scale.bottom - y);
    }
    g.strokeStyle = colour("text");
    g.lineWidth = 1.2;
    g.beginPath();
    for (let i = from; i < n; i++) g.lineTo(at(i + 1), scale.y(history.probabilities[i]));
    g.stroke();
  }

  // As steps: what was decided stays under the line that it was decided by. Before a session, where the knob stands.
  thresholds(g, scale, width, colour) {
    g.strokeStyle = colour("vermillion");
    g.lineWidth = 1;
    const { history, thresholds } = this.state;
    const steps = history.thresholds(scale.end);
    const drawn = steps.length ? steps : [{ from_s: scale.start, to_s: scale.end, ...thresholds }];
    for (const [k, { from_s, to_s, on, off }] of drawn.entries()) {
      const [from, to] = [Math.max(LEFT, scale.x(from_s)), Math.min(width - 4, scale.x(to_s))];
      if (to <= from) continue;
      line(g, from, scale.y(on), to, scale.y(on));
      if (k && from > LEFT) line(g, from, scale.y(drawn[k - 1].on), from, scale.y(on));
      g.setLineDash([4, 3]);
      line(g, from, scale.y(off), to, scale.y(off));
      g.setLineDash([]);
    }
  }

  spans(g, scale, history, colour) {
    const lanes = { user: [1, colour("kind-turn")], agent: [LANE + 3, colour("kind-response")] };
    for (const span of history.tally?.spans ?? []) {
      const [y, fill] = lanes[span.who];
      const x = Math.max(LEFT, scale.x(span.start_s));
      const until = scale.x(span.end_s ?? history.end_s);
      g.fillStyle = fill;
      if (until > x) g.fillRect(x, y, until - x, LANE - 2);
    }
    g.fillStyle = g.strokeStyle = colour("vermillion");
    g.lineWidth = 1.5;
    for (const interruption of history.tally?.interruptions ?? []) {
      const x = scale.x(interruption.t_s);
      if (x < LEFT) continue;
      if (interruption.unheard) {
        g.save(); // a mark of its own: nothing was cut that anyone heard
        g.strokeStyle = colour("grey");
        g.beginPath();
        g.arc(x, 2 * LANE + 4, 4, 0, 2 * Math.PI);
        g.stroke();
        g.restore();
        continue;
      }
      line(g, x, 0, x, scale.bottom);
      g.beginPath(); // a mark that does not need its colour
      g.moveTo(x - 5, 2 * LANE);
      g.lineTo(x + 5, 2 * LANE);
      g.lineTo(x, 2 * LANE + 8);
      g.fill();
    }
  }
}

function line(g, x0, y0, x1, y1) {
  g.beginPath();
  g.moveTo(x0, y0);
  g.lineTo(x1, y1);
  g.stroke();
}
