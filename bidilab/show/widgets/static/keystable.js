// The keys of a widget with a timeline, as a table to unfold; those of the timeline mean the same in every widget.

import { element } from "./elements.js";

export const TIMELINE_KEYS = [
  ["Space", "play, stop"],
  ["n, p", "next, previous"],
  ["←, →", "cursor; with Shift further"],
  ["Home, End", "to the start, to the end"],
  ["+, −, 0", "zoom in, zoom out, show all"],
  ["Page Up, Page Down", "earlier, later"],
];

export function keysTable(keys, mouse) {
  const rows = keys.map(([key, words]) => element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, key)), element("td", {}, words)));
  return element(
    "details",
    { class: "bl-keys" },
    element("summary", {}, "Keys and mouse"),
    element("p", { class: "bl-weak" }, mouse),
    element("table", { class: "bl-table" }, element("tbody", {}, ...rows)),
  );
}
