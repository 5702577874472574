import assert from "node:assert/strict";
import test from "node:test";

const { besideItsForm, hasKernel, writeInto } = await import(`${process.env.BIDILAB_STATIC}/saved.js`);

const model = (widget_manager) => ({ get: (name) => ({ _widget_id: "w1" })[name], widget_manager });
const managing = (comm_live) => ({ get_model: async (id) => (id === "w1" ? { comm_live } : assert.fail(id)) });

test("a model that was restored from a file has no kernel, and is not rendered: its form is seen", async () => {
  assert.equal(await hasKernel(model(managing(true))), true);
  assert.equal(await hasKernel(model(managing(false))), false);
  assert.equal(await hasKernel(model(undefined)), true);
  const el = { append: () => assert.fail("something is shown"), classList: { add: () => assert.fail("it lives") } };
  const close = await besideItsForm(() => assert.fail("rendered"))({ model: model(managing(false)), el });
  close();
});

test("the form is written into the output that holds it, of each cell that does", () => {
  const written = [];
  const output = (html) => ({ data: { "text/html": html }, toJSON: () => ({ output_type: "display_data", metadata: {}, data: {} }) });
  const cell = (...outputs) => ({
    outputs: { length: outputs.length, get: (at) => outputs[at], set: (at, value) => written.push([at, value.output_type, value.data]) },
  });
  const cells = [cell(output(""), output("<div class='bl-saved bl-form-w1' data-n='1'>")), cell(output("<div class='bl-saved bl-form-w12'>")), {}];
  assert.equal(writeInto({ model: { cells } }, "bl-form-w1", { "text/html": "new" }), true);
  assert.deepEqual(written, [[1, "display_data", { "text/html": "new" }]]);
  assert.equal(writeInto({ model: { cells } }, "bl-form-other", {}), false);
  assert.equal(writeInto(undefined, "bl-form-w1", {}), false);
});
