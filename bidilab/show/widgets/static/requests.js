// Questions to the kernel and their answers, over the model's custom messages (`Widget.answer` in base.py).
//
// A Jupyter server drops messages of a kernel that sends too many at once, and an answer may be among them: a question is
// asked again under its own number, at ever longer intervals, and the kernel answers from memory what it has answered.

const ASK_AGAIN_AFTER_MS = 3000;

export class Requests {
  #model;
  #waiting = new Map();
  #next = 1;
  #receive = (content, buffers) => {
    const waiting = this.#waiting.get(content?.reply);
    if (!waiting) return;
    this.#waiting.delete(content.reply);
    clearTimeout(waiting.timer);
    if (content.error) waiting.reject(new Error(content.error));
    else waiting.resolve({ content, buffers: buffers ?? [] });
  };

  constructor(model) {
    this.#model = model;
    // Views of one model share its messages: a number that another view might have drawn too is no name.
    this.prefix = Math.random().toString(36).slice(2);
    model.on("msg:custom", this.#receive);
  }

  /** Ask; resolves to `{content, buffers}`, rejects with the kernel's words. */
  ask(question) {
    const request = `${this.prefix}-${this.#next++}`;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, { resolve, reject });
      this.#send({ ...question, request }, ASK_AGAIN_AFTER_MS);
    });
  }

  #send(question, again_ms) {
    this.#model.send(question);
    this.#waiting.get(question.request).timer = setTimeout(() => this.#send(question, 2 * again_ms), again_ms);
  }

  close() {
    this.#model.off("msg:custom", this.#receive);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error("the view was closed"));
    }
    this.#waiting.clear();
  }
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The bytes of a trait or a message (DataView, ArrayBuffer or typed array) as Int16Array or Float32Array. */
export function numbers(bytes, Type) {
  if (!LITTLE_ENDIAN) throw new Error("a big-endian machine: the kernel sends little-endian numbers");
  const view = ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(bytes);
  // Copied: a message's buffers need not start at a multiple of the number's size.
  return new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
