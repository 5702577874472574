// Two small rules of ReplayPlayer without a DOM, tested in Node.

const SAME_S = 0.0005;
const GIVE_UP_MS = 2000;

/** The nearest event that starts after (direction 1) or before (-1) a time; undefined for none. */
export function neighbour(events, t_s, direction) {
  const ordered = [...events].sort((a, b) => a.start_s - b.start_s);
  if (direction > 0) return ordered.find((event) => event.start_s > t_s + SAME_S);
  return ordered.findLast((event) => event.start_s < t_s - SAME_S);
}

/**
 * Sends changes one at a time: what is changed while the kernel works on the last one is put together and sent when it
 * is done, so that a slider that is dragged neither floods the kernel nor lags behind the hand.
 */
export class Latest {
  #post;
  #waiting = null;
  #timer = null;
  busy = false;

  constructor(post) {
    this.#post = post;
  }

  send(changes) {
    if (this.busy) {
      this.#waiting = { ...this.#waiting, ...changes };
      return;
    }
    this.busy = true;
    // A kernel that is gone or refused the value never answers; the next change must not wait for it for ever.
    this.#timer = setTimeout(() => this.arrived(), GIVE_UP_MS);
    this.#post(changes);
  }

  /** The kernel has answered. */
  arrived() {
    clearTimeout(this.#timer);
    this.busy = false;
    const changes = this.#waiting;
    this.#waiting = null;
    if (changes) this.send(changes);
  }

  close() {
    clearTimeout(this.#timer);
    this.#waiting = null;
  }
}
