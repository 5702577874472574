// The timeline in words: for screen readers, for the line below the canvas. No DOM: tested in Node.

export const OUTCOMES = {
  detected: "true interruption",
  false: "false interruption",
  missed: "missed interruption",
  continued: "stop as the user went on",
  stopped: "stop by an event that is in no rate",
  unjudged: "interruption, unlabelled",
};

const NEAR_S = 0.02;
const CAUSES = { silence: "by silence", timeout: "by the timeout", flush: "as the audio ends" };

/** How a turn ends, in words. */
export function endWords(turn) {
  const how = turn.cause === "score" ? `by a score${typeof turn.score === "number" ? ` of ${turn.score.toFixed(2)}` : ""}` : CAUSES[turn.cause];
  return `its turn ends at ${turn.stopped_s.toFixed(2)} s ${how}`;
}

const holds = (t_s) => (s) => s.start_s <= t_s && t_s < s.end_s;

/** The agent's segments under a setting: the simulated ones where there are such, else those of the recording. */
export function agentSegments(recording, decisions) {
  return decisions?.responses ?? recording.segments.filter((s) => s.channel === "agent");
}

/** The segment at a time, within `reach_s` of it; of several the shortest. */
export function segmentAt(segments, t_s, reach_s = 0) {
  const there = segments.filter((s) => s.start_s - reach_s <= t_s && t_s <= s.end_s + reach_s);
  const length = (s) => s.end_s - s.start_s;
  return there.reduce((best, s) => (best === null || length(s) < length(best) ? s : best), null);
}

/** A segment in words: kind, what was said, from when to when, and who is sure of it. */
export function segmentWords(s) {
  const text = s.text ? ` “${s.text}”` : "";
  const sure = s.unsure ? ", unsure" : s.origin === "proposed" ? ", nobody has confirmed it" : "";
  return `${s.label}${text}, ${s.start_s.toFixed(2)} to ${s.end_s.toFixed(2)} s${sure}`;
}

/** What is at one moment. */
export function describe(recording, decisions, t_s) {
  const said = [`${t_s.toFixed(2)} s`];
  const user = recording.segments.filter((s) => s.channel === "user").filter(holds(t_s));
  for (const s of user) said.push(`user: ${s.label}${s.text ? ` “${s.text}”` : ""}`);
  if (agentSegments(recording, decisions).some(holds(t_s))) said.push("agent speaks");
  const p = recording.probability;
  if (p) {
    const value = p.values[Math.floor(t_s / p.frame_s) - (p.first ?? 0)];
    if (value !== undefined) said.push(`P(speech) ${value.toFixed(2)}`);
  }
  const turn = decisions?.turns.find((d) => d.started_s <= t_s && t_s < d.stopped_s);
  if (turn) said.push(`detector: in a turn since ${turn.started_s.toFixed(2)} s`);
  const ending = decisions?.turns.find((d) => d.offset_s <= t_s && t_s <= d.stopped_s + NEAR_S);
  if (ending?.cause) said.push(endWords(ending));
  for (const { at_s, score } of (decisions?.asked ?? []).filter(({ at_s }) => Math.abs(at_s - t_s) <= NEAR_S)) {
    said.push(`asked at ${at_s.toFixed(2)} s: ${score === null ? "no score at hand" : `score ${score.toFixed(2)}`}`);
  }
  for (const e of near(decisions?.events ?? [], t_s)) said.push(eventWords(e));
  for (const e of near(recording.session?.events ?? [], t_s)) said.push(`session: ${eventWords(e)}`);
  return said.join("; ");
}

function near(events, t_s) {
  return events.filter((e) => Math.min(e.start_s, e.at_s) - 0.01 <= t_s && t_s <= Math.max(e.start_s, e.at_s) + 0.01);
}

/** One outcome in words. */
export function eventWords(event) {
  const name = OUTCOMES[event.outcome] ?? event.outcome;
  if (event.outcome === "false") return `false interruption, ${event.text.replace(/^false: /, "")}, at ${event.at_s.toFixed(2)} s`;
  if (event.outcome === "detected") return `${name} at ${event.at_s.toFixed(2)} s, latency ${event.text}`;
  if (event.outcome === "unjudged") return `${name}, at ${event.at_s.toFixed(2)} s`;
  if (event.outcome === "missed") return `${event.text.replace(/^missed/, name)}, ${event.start_s.toFixed(2)} to ${event.at_s.toFixed(2)} s`;
  return `${name}, ${event.start_s.toFixed(2)} to ${event.at_s.toFixed(2)} s`;
}

const counted = (names) => {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => `${n} × ${name}`).join(", ") || "none";
};

/** Of a recording of which a part is here, that the sentences are about it. */
function partWords({ window, duration_s }) {
  if (!window || (window[0] <= 0 && window[1] >= duration_s)) return "";
  return ` What follows is of its part from ${window[0].toFixed(1)} to ${window[1].toFixed(1)} s.`;
}

/** The timeline in a few sentences. */
export function summary(recording, decisions) {
  const user = recording.segments.filter((s) => s.channel === "user");
  const lines = [
    `${recording.name}, ${recording.duration_s.toFixed(1)} s.${partWords(recording)}`,
    `Labelled on the user's side: ${counted(user.map((s) => s.label))}.`,
    `The agent's responses: ${agentSegments(recording, decisions).length}.`,
  ];
  if (decisions) {
    lines.push(`The detector's turns: ${decisions.turns.length}.`);
    if (decisions.eot_threshold !== null && decisions.eot_threshold !== undefined) {
      lines.push(`They end ${counted(decisions.turns.map((d) => (d.cause === "score" ? "by a score" : CAUSES[d.cause])))}; scores asked for: ${decisions.asked.length}.`);
    }
    lines.push(`Outcomes: ${counted(decisions.events.map((e) => OUTCOMES[e.outcome] ?? e.outcome))}.`);
  }
  if (recording.session) lines.push(`In the session: ${counted(recording.session.events.map((e) => OUTCOMES[e.outcome]))}.`);
  return lines.join(" ");
}
