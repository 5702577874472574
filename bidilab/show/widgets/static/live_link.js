// The way between a page and its session: a WebSocket straight into the session's thread where there is one, else
// Jupyter's comm, which a kernel that runs a cell may leave waiting.
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
    this.ended = false;
    this.settled = Promise.resolve(); // when it is known whether there is a socket
    this.onComm = (content, buffers) => this._fromComm(content, buffers);
    model.on("msg:custom", this.onComm);
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
    if (content.kind === "socket") {
      this._connect(content);
      return;
    }
    const view = buffers?.[0];
    const payload = view ? (view.buffer ?? view).slice(view.byteOffset ?? 0, (view.byteOffset ?? 0) + view.byteLength) : null;
    this.hear(content, payload);
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
    this.ended = true;
    this.model.off("msg:custom", this.onComm);
    this.socket?.close();
    this.socket = null;
  }
}
