// What the colours and marks of a timeline mean: only those that it shows. `legendItems` is tested in Node.

import { agentSegments, OUTCOMES } from "./describe.js";

const GLYPHS = { detected: "●", false: "✕", missed: "□", continued: "◆", stopped: "┃", unjudged: "✚" };

/** `[{ mark, colour, words }]`: a glyph, the name of its colour in theme.css, and what it means. */
export function legendItems(recording, decisions, looks) {
  const items = new Map();
  const add = (mark, colour, words) => items.set(words, { mark, colour, words });
  const agent = agentSegments(recording, decisions);
  for (const { kind, label } of [...agent, ...recording.segments.filter((s) => s.channel === "user")]) add("■", `kind-${kind}`, label);
  if (recording.segments.some((s) => s.origin === "proposed")) add("┅", "text", "dashed: nobody has confirmed it");
  if (recording.segments.some((s) => s.unsure)) add("?", "text", "unsure: in no rate until somebody decides");
  if (decisions?.turns.length || recording.session?.turns.length) {
    add("■", "detector", "detector's turn (pale: padding)");
    add("╷", "text", "start of turn decided");
  }
  if (decisions?.eot_threshold !== null && decisions?.eot_threshold !== undefined) {
    add("◇", "score", "score asked for (full: above the threshold, dotted)");
    if (decisions.turns.some((turn) => turn.cause === "score")) add("◆", "score", "turn ended by a score");
    if (decisions.turns.some((turn) => turn.cause === "timeout")) add("◇", "score", "turn ended by the timeout");
  }
  const events = [...(decisions?.events ?? []), ...(recording.session?.events ?? [])];
  for (const outcome of Object.keys(GLYPHS)) {
    if (events.some((event) => event.outcome === outcome)) add(GLYPHS[outcome], looks[outcome][1], OUTCOMES[outcome]);
  }
  return [...items.values()];
}

/** The same as elements of a list. */
export function legend(items) {
  return items.map(({ mark, colour, words }) => {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.textContent = mark;
    swatch.style.color = `var(--bl-${colour})`;
    swatch.setAttribute("aria-hidden", "true");
    item.append(swatch, ` ${words}`);
    return item;
  });
}
