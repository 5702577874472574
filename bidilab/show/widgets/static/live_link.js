// The way between a page and its session: a WebSocket straight into the session's thread where there is one, else
// Jupyter's comm, which a kernel that runs a cell may leave waiting.
import { Inbox } from "./inbox.js";
import { decodeMessage, encodeMessage } from "./live_message.js";

// Where nothing listens the browser says so at once; this is for a session that is slow to answer.
const CONNECT_LIMIT_MS = 10000;

export class Link {
  // model: anywidget's; hear(head, payload): every message of the kernel; changed(): the way has changed.
  constructor(model, { hear, changed, open = (url) => new WebSocket(url) }) {
    this.model = model;
    this.page = crypto.randomUUID();
    this.hear = hear;
    this.changed = changed;
    this.open = open;
    this.socket = null;
    this.inbox = new Inbox();
    this.ended = false;
    this.settled = Promise.resolve(); // when it is known whether there is a socket
    this.onComm = (content, buffers) => this._fromComm(content, buffers);
    model.on("msg:custom", this.onComm);
    // A session that speaks by comm does not notice that a page goes, nor that the browser's history brings it back.
    this.onHide = () => this.socket || this.toKernel({ kind: "bye" });
    this.onShow = ({ persisted }) => persisted && this.hello();
    globalThis.addEventListener?.("pagehide", this.onHide);
    globalThis.addEventListener?.("pageshow", this.onShow);
  }

  get way() {
    return this.socket ? "socket" : "comm";
  }

  hello() {
    this.model.send({ kind: "hello", page: this.page, origin: location.origin });
  }

  // To the session's thread, by the shorter way.
  send(head, payload) {
    const said = { ...head, page: this.page };
    if (this.socket) this.socket.send(encodeMessage(said, payload));
    else this.toKernel(said, payload);
  }

  // To the kernel's main thread: starting, and what only the widget knows.
  toKernel(head, payload) {
    this.model.send({ ...head, page: this.page }, undefined, payload ? [payload] : undefined);
  }

  _fromComm(content, buffers) {
    if (content.to && content.to !== this.page) return;
    const view = buffers?.[0];
    const payload = view ? (view.buffer ?? view).slice(view.byteOffset ?? 0, (view.byteOffset ?? 0) + view.byteLength) : null;
    for (const [head, bytes] of this.inbox.take(content, payload)) {
      if (head.kind === "socket") this._connect(head);
      else this.hear(head, bytes);
    }
    const missing = this.inbox.missing(performance.now());
    if (missing) this.toKernel({ kind: "again", ...missing });
  }

  _connect({ url, greeting, ticket }) {
    if (this.socket) return;
    let socket;
    try {
      socket = this.open(url);
    } catch {
      return; // the page's policy allows none: the comm stays the way
    }
    socket.binaryType = "arraybuffer";
    let settle;
    this.settled = new Promise((resolve) => (settle = resolve));
    const limit = setTimeout(() => socket.close(), CONNECT_LIMIT_MS);
    let greeted = false;
    socket.onmessage = ({ data }) => {
      if (!greeted) {
        // Another program's socket does not know the greeting, and is told nothing.
        if (data !== greeting) return socket.close();
        greeted = true;
        clearTimeout(limit);
        socket.send(ticket);
        socket.send(encodeMessage({ kind: "hello", page: this.page }));
        this.socket = socket;
        this.changed();
        settle();
        return undefined;
      }
      this.hear(...decodeMessage(data));
      return undefined;
    };
    socket.onclose = () => {
      clearTimeout(limit);
      settle();
      if (this.socket !== socket) return;
      this.socket = null;
      this.changed();
    };
  }

  close() {
    globalThis.removeEventListener?.("pagehide", this.onHide);
    globalThis.removeEventListener?.("pageshow", this.onShow);
    this.ended = true;
    this.model.off("msg:custom", this.onComm);
    this.socket?.close();
    this.socket = null;
  }
}
