// The timeline in words: for screen readers, for the line below the canvas. No DOM: tested in Node.

export const OUTCOMES = {
  detected: "true interruption",
  false: "false interruption",
  missed: "missed interruption",
  masked: "masked: agent would not have spoken",
  preempted: "preempted: agent already stopped",
  terminal_overlap: "terminal overlap",
  unjudged: "interruption; no labels to judge it by",
};

const holds = (t_s) => (s) => s.start_s <= t_s && t_s < s.end_s;

/** The agent's segments under a setting: the simulated ones where there are such, else those of the recording. */
export function agentSegments(recording, decisions) {
  return decisions?.responses ?? recording.segments.filter((s) => s.channel === "agent");
}

/** What is at one moment. */
export function describe(recording, decisions, t_s) {
  const said = [`${t_s.toFixed(2)} s`];
  const user = recording.segments.filter((s) => s.channel === "user").filter(holds(t_s));
  for (const s of user) said.push(`user: ${s.label}${s.text ? ` “${s.text}”` : ""}`);
  if (agentSegments(recording, decisions).some(holds(t_s))) said.push("agent speaks");
  const p = recording.probability;
  if (p) {
    const value = p.values[Math.floor(t_s / p.frame_s)];
    if (value !== undefined) said.push(`P(speech) ${value.toFixed(2)}`);
  }
  const turn = decisions?.turns.find((d) => d.started_s <= t_s && t_s < d.stopped_s);
  if (turn) said.push(`detector: in a turn since ${turn.started_s.toFixed(2)} s`);
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
  return `${name}, ${event.start_s.toFixed(2)} to ${event.at_s.toFixed(2)} s`;
}

const counted = (names) => {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, n]) => `${n} × ${name}`).join(", ") || "none";
};

/** The whole timeline in a few sentences. */
export function summary(recording, decisions) {
  const user = recording.segments.filter((s) => s.channel === "user");
  const lines = [
    `${recording.name}, ${recording.duration_s.toFixed(1)} s.`,
    `Labelled on the user's side: ${counted(user.map((s) => s.label))}.`,
    `The agent's responses: ${agentSegments(recording, decisions).length}.`,
  ];
  if (decisions) {
    lines.push(`The detector's turns: ${decisions.turns.length}.`);
    lines.push(`Outcomes: ${counted(decisions.events.map((e) => OUTCOMES[e.outcome] ?? e.outcome))}.`);
  }
  if (recording.session) lines.push(`In the session: ${counted(recording.session.events.map((e) => OUTCOMES[e.outcome]))}.`);
  return lines.join(" ");
}
