// Drawing of labels that are edited: the selected one with handles, what nobody has confirmed hatched at its bar.

const BAR_PX = 13;

/** Labels of one channel over its waveform; echoes go below, as speech lies over them. */
export function drawLabels(pen, { top, height }, labels, selected) {
  for (const label of labels) {
    if (label === selected || label.end_s <= pen.start_s || label.start_s >= pen.end_s) continue;
    drawLabel(pen, top, height, label, false);
  }
  if (selected) drawLabel(pen, top, height, selected, true);
}

function drawLabel(pen, top, height, label, chosen) {
  const { ctx, colours } = pen;
  const [from, to] = [Math.max(pen.x(label.start_s), pen.left - 2), Math.min(pen.x(label.end_s), pen.right + 2)];
  const bar = label.kind === "echo" ? top + height - BAR_PX : top + 1;
  ctx.fillStyle = colours[`kind-${label.kind}`];
  ctx.globalAlpha = chosen ? 0.28 : 0.12;
  ctx.fillRect(from, top + 1, to - from, height - 1);
  ctx.globalAlpha = 1;
  const width = Math.max(to - from, 1);
  const proposed = label.origin === "proposed" || label.unsure;
  if (proposed) {
    ctx.fillStyle = colours.background;
    ctx.fillRect(from, bar, width, BAR_PX);
    ctx.strokeStyle = colours[`kind-${label.kind}`];
    ctx.setLineDash([4, 3]);
    ctx.lineWidth = 2;
    ctx.strokeRect(from + 1, bar + 1, Math.max(width - 2, 0.5), BAR_PX - 2);
    ctx.setLineDash([]);
  } else ctx.fillRect(from, bar, width, BAR_PX);
  const words = [label.text ? `${label.label}: ${label.text}` : label.label, label.label].map((w) => (label.unsure ? `${w}: unsure` : proposed ? `${w}?` : w));
  const fitting = words.find((w) => ctx.measureText(w).width + 8 < to - from);
  if (fitting) {
    ctx.fillStyle = proposed ? colours.text : ["noise", "echo", "side_speech"].includes(label.kind) ? "#000000" : "#ffffff";
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(fitting, from + 4, bar + BAR_PX / 2 + 0.5);
  }
  if (chosen) drawHandles(pen, top, height, label);
}

function drawHandles(pen, top, height, label) {
  const { ctx, colours } = pen;
  ctx.strokeStyle = ctx.fillStyle = colours.accent;
  ctx.lineWidth = 2;
  for (const t_s of [label.start_s, label.end_s]) {
    const x = pen.x(t_s);
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.fillRect(x - 4, top + height / 2 - 8, 8, 16);
  }
}
