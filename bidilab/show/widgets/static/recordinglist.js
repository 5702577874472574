// The recordings behind a setting: a table to sort, to filter and to open one from.

import { button, element } from "./elements.js";
import { metricText } from "./numberformat.js";
import { unpack } from "./settingstable.js";

const AT_ONCE = 200;
const LATENCY = { scale: 1, decimals: 0, unit: "ms" };
const of = (part, whole) => (c, k) => (c[whole][k] ? `${c[part][k]} of ${c[whole][k]}` : "–");

// Head, what it means, the column sorted by, and the words of a row.
const COLUMNS = [
  ["missed", "True interruptions missed, of those the recording offers under this setting", "n_missed", of("n_missed", "n_true_opportunities")],
  ["false", "False interruptions of any cause", "n_false", (c, k) => String(c.n_false[k])],
  ["of chances", "False interruptions by a backchannel, side speech, noise or echo, of those in the agent's speech", "n_false_hits", of("n_false_hits", "n_false_opportunities")],
  ["latency (ms)", "Median interruption latency, Kaplan–Meier; “not reached”: too many missed", "latency_detected_ms_p50", (c, k) => (c.n_true_opportunities[k] ? metricText(LATENCY, c.latency_detected_ms_p50[k]) : "–")],
  ["cut-ins", "Premature endpoints, of the user's turns", "n_premature_endpoints", of("n_premature_endpoints", "n_turns")],
  ["masked", "Opportunities that began while the detector was still in a turn from before the response; in no rate", "n_masked", (c, k) => String(c.n_masked[k])],
];

/** Rows in order: by a column, greatest first; infinite before finite, undefined last; ties stay in the dataset's order. */
export function sorted(ids, column) {
  const order = ids.map((_, k) => k);
  if (!column) return order.sort((a, b) => (ids[a] < ids[b] ? -1 : 1));
  const rank = (k) => (Number.isNaN(column[k]) ? -Infinity : column[k]);
  return order.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) > rank(a) ? 1 : -1));
}

export class RecordingList {
  #ids = [];
  #columns = {};
  #sortedBy = "n_missed";
  #onlyFaults = false;
  #shown = AT_ONCE;
  #open = null;

  constructor(host, { onOpen }) {
    this.host = host;
    this.onOpen = onOpen;
  }

  show({ content, buffers }) {
    this.#ids = content.ids;
    this.#columns = unpack(content.columns, buffers);
    this.note = content.note;
    this.#shown = AT_ONCE;
    this.#render();
  }

  /** Mark the recording whose timeline is open. */
  set open(id) {
    this.#open = id;
    for (const made of this.host.querySelectorAll("button[data-recording]")) {
      made.setAttribute("aria-pressed", String(made.dataset.recording === id));
    }
  }

  #render() {
    const columns = this.#columns;
    const present = COLUMNS.filter(([, , name]) => name in columns);
    let order = sorted(this.#ids, columns[this.#sortedBy]);
    if (this.#onlyFaults) order = order.filter((k) => columns.n_missed[k] || columns.n_false[k]);
    const rows = order.slice(0, this.#shown).map((k) => this.#row(k, present));
    const filter = element("input", { type: "checkbox", checked: this.#onlyFaults });
    filter.addEventListener("change", () => {
      this.#onlyFaults = filter.checked;
      this.#render();
    });
    const body = element("tbody", {}, ...rows);
    const listed = element("table", { class: "bl-table" }, element("caption", { class: "bl-unseen" }, "Recordings under the setting selected"), this.#head(present), body);
    const left = order.length - rows.length;
    this.host.replaceChildren(
      element(
        "div",
        { class: "bl-row" },
        element("b", {}, `${order.length} of ${this.#ids.length} recordings`),
        element("label", { class: "bl-field" }, filter, "only with missed or false interruptions"),
        element("span", { class: "bl-weak" }, "Open one to see and hear it."),
      ),
      ...(this.note ? [element("p", { class: "bl-weak" }, this.note)] : []),
      element("div", { class: "bl-scroll", tabindex: "0", role: "region", "aria-label": "Recordings" }, listed),
      ...(left > 0 ? [button(`Show ${Math.min(left, AT_ONCE)} more of ${left}`, () => this.#more())] : []),
    );
    this.open = this.#open;
  }

  #more() {
    this.#shown += AT_ONCE;
    this.#render();
  }

  #head(present) {
    const cell = (words, title, name) => {
      const here = this.#sortedBy === name;
      const act = () => {
        this.#sortedBy = name;
        this.#render();
        this.host.querySelector(`[data-sort="${name}"]`).focus();
      };
      const sort = button(words, act, { title, "data-sort": name, class: "bl-sort" });
      return element("th", { scope: "col", "aria-sort": here ? (name === "id" ? "ascending" : "descending") : "none" }, sort);
    };
    return element("thead", {}, element("tr", {}, cell("recording", "Name of the recording", "id"), ...present.map(([words, title, name]) => cell(words, title, name))));
  }

  #row(k, present) {
    const id = this.#ids[k];
    const open = button(id, () => this.onOpen(id), { "data-recording": id, "aria-pressed": "false", class: "bl-link" });
    return element("tr", {}, element("th", { scope: "row" }, open), ...present.map(([, , , words]) => element("td", {}, words(this.#columns, k))));
  }
}
