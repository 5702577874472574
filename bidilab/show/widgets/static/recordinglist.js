// The recordings behind a setting: a table to sort, to filter and to open one from.

import { button, element } from "./elements.js";
import { metricText } from "./numberformat.js";
import { unpack } from "./settingstable.js";

const AT_ONCE = 200;

/** The words of a cell: a part of a whole, a number that rests on some n, or a count. */
function words({ name, of, metric }, columns, k) {
  if (of) return columns[of][k] ? `${columns[name][k]} of ${columns[of][k]}` : "–";
  if (!metric) return String(columns[name][k]);
  return metric.n_columns.some((n) => columns[n][k]) ? metricText(metric, columns[name][k]) : "–";
}

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
  #heads = [];
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
    this.#heads = content.heads;
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
    let order = sorted(this.#ids, columns[this.#sortedBy]);
    if (this.#onlyFaults) order = order.filter((k) => columns.n_missed[k] || columns.n_false_hits[k]);
    const rows = order.slice(0, this.#shown).map((k) => this.#row(k));
    const filter = element("input", { type: "checkbox", checked: this.#onlyFaults });
    filter.addEventListener("change", () => {
      this.#onlyFaults = filter.checked;
      this.#render();
    });
    const body = element("tbody", {}, ...rows);
    const listed = element("table", { class: "bl-table" }, element("caption", { class: "bl-unseen" }, "Recordings under the setting selected"), this.#head(), body);
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
      element("div", { class: "bl-scroll", tabindex: "0", role: "region", "aria-label": "List of recordings" }, listed),
      ...(left > 0 ? [button(`Show ${Math.min(left, AT_ONCE)} more of ${left}`, () => this.#more())] : []),
    );
    this.open = this.#open;
  }

  #more() {
    this.#shown += AT_ONCE;
    this.#render();
  }

  #head() {
    const cell = (label, title, name) => {
      const here = this.#sortedBy === name;
      const act = () => {
        this.#sortedBy = name;
        this.#render();
        this.host.querySelector(`[data-sort="${name}"]`).focus();
      };
      const sort = button(label, act, { title, "data-sort": name, class: "bl-sort" });
      return element("th", { scope: "col", "aria-sort": here ? (name === "id" ? "ascending" : "descending") : "none" }, sort);
    };
    return element("thead", {}, element("tr", {}, cell("recording", "Name of the recording", "id"), ...this.#heads.map(({ label, title, name }) => cell(label, title, name))));
  }

  #row(k) {
    const id = this.#ids[k];
    const open = button(id, () => this.onOpen(id), { "data-recording": id, "aria-pressed": "false", class: "bl-link" });
    return element("tr", {}, element("th", { scope: "row" }, open), ...this.#heads.map((head) => element("td", {}, words(head, this.#columns, k))));
  }
}
