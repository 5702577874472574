// Which label lies where, and where its edges go. No DOM: tested in Node.

const LEAST_S = 0.01;

/** Index of the label to take at a time on a channel: the selected one where it is there, else the shortest; -1 for none. */
export function labelAt(labels, channel, t_s, selected = -1) {
  const there = Object.keys(labels).map(Number).filter((k) => labels[k].channel === channel && labels[k].start_s <= t_s && t_s < labels[k].end_s);
  if (there.includes(selected)) return selected;
  const length = (k) => labels[k].end_s - labels[k].start_s;
  return there.reduce((best, k) => (best < 0 || length(k) < length(best) ? k : best), -1);
}

/** The edge of a label within `reach_s` of a time: "start_s", "end_s", or null. */
export function edgeAt(label, t_s, reach_s) {
  const [start, end] = [Math.abs(label.start_s - t_s), Math.abs(label.end_s - t_s)];
  if (Math.min(start, end) > reach_s) return null;
  return start <= end ? "start_s" : "end_s";
}

/** A label with an edge moved, inside the recording and never over its other edge. */
export function withEdge(label, edge, t_s, duration_s) {
  if (edge === "start_s") return { ...label, start_s: Math.max(0, Math.min(t_s, label.end_s - LEAST_S)) };
  return { ...label, end_s: Math.min(duration_s, Math.max(t_s, label.start_s + LEAST_S)) };
}

/** A label in words. */
export function labelWords(labels, index) {
  const label = labels[index];
  if (!label) return index in labels || index < 0 ? "No label selected." : "The label that is selected is not in view.";
  const origin = { given: "given", proposed: "proposed, not confirmed", confirmed: `confirmed by ${label.by}` }[label.origin];
  const text = label.text ? ` “${label.text}”` : "";
  const unsure = label.unsure ? " (unsure: in no rate until somebody decides)" : "";
  return `${index + 1} of ${labels.length}: ${label.channel}, ${label.label}${unsure}${text}, ${label.start_s.toFixed(3)} to ${label.end_s.toFixed(3)} s, ${origin}.`;
}
