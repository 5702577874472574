import assert from "node:assert/strict";
import test from "node:test";

// As much of a document as the panel asks for.
class Element {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, words: "" });
  }
  set textContent(text) {
    this.children = [];
    this.words = text;
  }
  get textContent() {
    return this.words + this.children.map((child) => (typeof child === "string" ? child : child.textContent)).join("");
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.words = "";
    this.children = children;
    this.replaced = (this.replaced ?? 0) + 1;
  }
}
globalThis.document = { createElement: (tag) => new Element(tag) };
const { DoctorPanel } = await import(`${process.env.BIDILAB_STATIC}/live_doctor.js`);

const finding = { complaint: "not detected", name: "mic-dead", says: "Dead.", evidence: "all zeros", advice: "Plug it in." };

test("it says what was found, and says it again only when that changes", () => {
  const panel = new DoctorPanel();
  assert.match(panel.causes.textContent, /looks every few seconds/);
  panel.show({ findings: [], facts: { told: "0 events" }, notes: [] });
  assert.equal(panel.causes.textContent, "Doctor: nothing found so far.");
  panel.show({ findings: [finding], facts: { told: "1 event" }, notes: ["echo"] });
  const { replaced } = panel.causes;
  assert.equal(panel.causes.textContent, "not detected: mic-dead Dead. Evidence: all zeros. Do: Plug it in.");
  panel.show({ findings: [finding], facts: { told: "2 events" }, notes: ["echo"] });
  assert.equal(panel.causes.replaced, replaced);
  assert.equal(panel.facts.textContent, "told2 events");
  assert.equal(panel.notes.textContent, "Not looked at: echo.");
  assert.equal(panel.causes.attributes.role, "status");
  panel.show(null); // a session begins anew
  assert.match(panel.causes.textContent, /looks every few seconds/);
  assert.equal(panel.facts.textContent, "");
});
