// Messages by Jupyter's comm, in order and without holes: as bidilab/show/widgets/live/commpage.py numbers them. Pure.
//
// The server drops messages when a kernel sends too many. What follows a hole waits for it, but for what must act at once.

const AT_ONCE = new Set(["clear", "ended", "owner"]);
const ASK_EVERY_MS = 200;

export class Inbox {
  constructor() {
    this.dropped = 0; // messages that the server left out; all but `gone` of them came when asked for again
    this.gone = 0;
    this._begin(null);
  }

  _begin(line) {
    this.line = line;
    this.next = 0;
    this.held = new Map(); // number -> [head, payload], or null of what was heard already
    this.counted = 0; // holes before this number are counted
    this.askedAt = -Infinity;
  }

  // Takes a message; returns those to be heard now, [[head, payload]].
  take(head, payload) {
    if (head.line === undefined) return [[head, payload]];
    if (head.line !== this.line) this._begin(head.line);
    if (head.kind === "gone") return this._skip(head.before);
    const { n } = head;
    if (n < this.next || this.held.has(n)) return [];
    const now = AT_ONCE.has(head.kind) && n !== this.next;
    this.held.set(n, now ? null : [head, payload]);
    return [...(now ? [[head, payload]] : []), ...this._inOrder()];
  }

  _inOrder() {
    const heard = [];
    while (this.held.has(this.next)) {
      const message = this.held.get(this.next);
      this.held.delete(this.next);
      this.next += 1;
      if (message) heard.push(message);
    }
    return heard;
  }

  _skip(before) {
    if (before > this.next) {
      this.gone += before - this.next;
      const heard = [...this.held.keys()].filter((n) => n < before).sort((a, b) => a - b);
      const kept = heard.map((n) => this.held.get(n)).filter((message) => message);
      this.gone -= heard.length;
      for (const n of heard) this.held.delete(n);
      this.next = before;
      return [...kept, ...this._inOrder()];
    }
    return [];
  }

  // What to ask for again, {line, from, until}, or null: nothing is missing, or it was asked for a moment ago.
  missing(now_ms) {
    if (!this.held.size || now_ms - this.askedAt < ASK_EVERY_MS) return null;
    this.askedAt = now_ms;
    const until = Math.min(...this.held.keys());
    if (until > this.counted) {
      this.dropped += until - Math.max(this.next, this.counted);
      this.counted = until;
    }
    return { line: this.line, from: this.next, until };
  }
}
