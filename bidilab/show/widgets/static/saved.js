// A widget and its static form, which stands in an output of its own below it (saved.py): one of the two is seen. The
// widget, where a kernel stands behind it; else the form, which is what the notebook's file holds.
import { element } from "./elements.js";
import { Requests } from "./requests.js";

const LOOK_AFTER_MS = 1500; // in which an output that is written anew has reached the page
const NOTE = "This page was loaded anew, and what the notebook's file keeps of this widget no longer follows it: run its cell again before you save.";

/** Whether a kernel stands behind the model; one that was restored from a file has none. */
export async function hasKernel(model) {
  try {
    const known = await model.widget_manager.get_model(model.get("_widget_id"));
    return known.comm_live !== false;
  } catch {
    return true; // no such manager, as in marimo, where a page has no widget without its kernel
  }
}

/** Write the form into the notebook, where the front end lets a widget reach it; return whether it did. */
export function writeInto(context, name, data) {
  let written = false;
  for (const cell of context?.model?.cells ?? []) {
    for (let at = 0; at < (cell.outputs?.length ?? 0); at++) {
      const output = cell.outputs.get(at);
      if (!String(output.data?.["text/html"] ?? "").includes(` ${name}'`)) continue;
      cell.outputs.set(at, { ...output.toJSON(), data });
      written = true;
    }
  }
  return written;
}

/** `render` of a widget, beside its static form. */
export function besideItsForm(render) {
  return async ({ model, el, ...rest }) => {
    if (!(await hasKernel(model))) return () => {}; // there is nobody to ask: the form is seen
    const name = `bl-form-${model.get("_widget_id")}`;
    const hiding = document.createElement("style");
    hiding.textContent = `.${name} { display: none; }`;
    document.head.append(hiding);
    el.classList.add("bl-lives");

    let timer = 0;
    let requests = null;
    const note = element("p", { class: "bl-note", role: "status" }, NOTE);
    const look = () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const found = document.querySelector(`.${name}`);
        if (!found || Number(found.dataset.n) === model.get("_n_written")) return;
        requests ??= new Requests(model);
        const { content } = await requests.ask({ kind: "form" }).catch(() => ({ content: {} }));
        if (content.data && !writeInto(model.widget_manager?.context, name, content.data)) el.append(note);
      }, LOOK_AFTER_MS);
    };
    model.on("change:_n_written", look);
    look();
    const close = render({ model, el, ...rest });
    return () => {
      clearTimeout(timer);
      model.off("change:_n_written", look);
      requests?.close();
      hiding.remove();
      close?.();
    };
  };
}
