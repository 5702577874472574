// Which keys are a widget's, and which the notebook's around it.

const KEPT = "data-lm-suppress-shortcuts"; // of JupyterLab; it looks for it from the focused element upwards
let listening = false;

/**
 * Keep plain keys from the notebook, whose shortcuts are for whatever has the focus: an arrow on a slider would go to
 * another cell, and "x" cut this one. What is pressed with Ctrl, Alt or Meta, and Shift+Enter, is the notebook's.
 *
 * The root has the class `bl`. On it the attribute is no help, as a shortcut that matches the focused element itself is
 * taken before the root is looked at. Notebook 7 hears keys before any element of the page, and only the window before.
 */
export function keepKeys(root) {
  root.tabIndex = -1; // a click beside the controls turns to the widget
  if (listening) return;
  listening = true;
  window.addEventListener("keydown", markTarget, true);
}

function markTarget(event) {
  const { target } = event;
  if (!(target instanceof Element) || !target.closest(".bl")) return;
  const command = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
  if (command) target.removeAttribute(KEPT);
  else target.setAttribute(KEPT, "true");
}

/** Whether a key belongs to the element that has the focus: a choice, a slider, a button that is pressed. */
export function isOwnKey(event) {
  const { tagName, type } = event.target;
  if (event.key === " ") return ["SELECT", "TEXTAREA", "BUTTON", "SUMMARY"].includes(tagName) || (tagName === "INPUT" && type !== "range");
  if (event.key === "Enter") return ["INPUT", "SELECT", "TEXTAREA", "BUTTON", "SUMMARY"].includes(tagName);
  return ["INPUT", "SELECT", "TEXTAREA"].includes(tagName);
}
