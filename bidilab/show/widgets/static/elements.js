// Small makers of page elements; text goes in as text, never as HTML.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function button(words, act, properties = {}) {
  return element("button", { type: "button", class: "bl-button", onclick: act, ...properties }, words);
}

/** A choice among `[value, words]` pairs. */
export function select(label, options, act) {
  const list = element("select", { "aria-label": label, onchange: () => act(list.value) });
  list.append(...options.map(([value, words]) => element("option", { value }, words)));
  return { field: element("label", { class: "bl-field" }, label, list), list };
}

/** A table of text; the first cell of each row heads it. */
export function table(caption, head, rows, { unseen = false } = {}) {
  return element(
    "table",
    { class: "bl-table" },
    element("caption", { class: unseen ? "bl-unseen" : "" }, caption),
    element("thead", {}, element("tr", {}, ...head.map((words) => element("th", { scope: "col" }, words)))),
    element(
      "tbody",
      {},
      ...rows.map(([first, ...rest]) =>
        element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", {}, cell))),
      ),
    ),
  );
}
