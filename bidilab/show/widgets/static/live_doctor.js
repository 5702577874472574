// The doctor beside a live session: causes by name, with their evidence and what mends them, and what was measured.

const WAITING = "Doctor: looks every few seconds while the session runs.";
const NOTHING = "Doctor: nothing found so far.";

function made(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

export class DoctorPanel {
  constructor() {
    this.root = made("section", undefined, "bl-live-doctor");
    this.root.setAttribute("aria-label", "doctor");
    // Only what was found is read out, and only when it changes: the figures change every few seconds.
    this.causes = made("div", undefined, "bl-live-causes");
    this.causes.setAttribute("role", "status");
    this.facts = made("tbody");
    this.notes = made("p", "", "bl-weak");
    const table = made("table", undefined, "bl-table");
    table.append(this.facts);
    const details = made("details");
    details.append(made("summary", "measured so far"), table, this.notes);
    this.root.append(this.causes, details);
    this.show(null);
  }

  // diagnosis: as bidilab.lab.doctor.Diagnosis.to_dict has it; null before the first.
  show(diagnosis) {
    const { findings, facts, notes } = diagnosis ?? { findings: null, facts: {}, notes: [] };
    const key = JSON.stringify(findings);
    if (key !== this.shown) {
      this.shown = key;
      this.causes.replaceChildren(...(findings?.length ? findings.map(card) : [made("p", findings ? NOTHING : WAITING)]));
    }
    this.facts.replaceChildren(
      ...Object.entries(facts).map(([name, value]) => {
        const row = made("tr");
        const head = made("th", name);
        head.scope = "row";
        row.append(head, made("td", value));
        return row;
      }),
    );
    this.notes.textContent = notes.map((note) => `Not looked at: ${note}.`).join(" ");
  }
}

function card({ complaint, name, says, evidence, advice }) {
  const shown = made("p");
  shown.append(made("strong", `${complaint}: ${name}`), ` ${says} Evidence: ${evidence}. `, made("em", `Do: ${advice}`));
  return shown;
}
