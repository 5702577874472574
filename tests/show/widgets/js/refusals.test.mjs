import assert from "node:assert/strict";
import test from "node:test";

const { refusalWords } = await import(`${process.env.BIDILAB_STATIC}/refusals.js`);

test("a denied microphone says what to do, in VS Code another thing than in a browser", () => {
  const denied = { name: "NotAllowedError", message: "Permission denied" };
  const chromium = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
  const vscode = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Code/1.104.0 Chrome/138.0.7204.235 Electron/37.3.1 Safari/537.36";
  assert.match(refusalWords(denied, chromium), /^the microphone is not allowed for this page: allow it beside the address/);
  assert.match(refusalWords(denied, vscode), /^VS Code gives a notebook's page no microphone: open the notebook in JupyterLab/);
  for (const host of [chromium, vscode]) assert.match(refusalWords(denied, host), /microphone="soundcard"/);
});

test("no microphone, one that is busy, and anything else in the browser's own words", () => {
  assert.match(refusalWords({ name: "NotFoundError", message: "Requested device not found" }), /finds no microphone: connect one/);
  assert.match(refusalWords({ name: "NotReadableError", message: "Could not start audio source" }), /another program uses it: Could not/);
  assert.equal(refusalWords({ name: "TypeError", message: "x" }), "the browser's audio could not be opened: TypeError: x");
});
