// How changes and steps follow each other on their way to the kernel, without a DOM, tested in Node.

const GIVE_UP_MS = 2000;

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

/** Returns a function that calls `act` once the call before is done: a key that is pressed twice goes two steps. */
export function inTurn(act) {
  let last = Promise.resolve();
  return (...given) => (last = last.then(() => act(...given)));
}
