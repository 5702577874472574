// One recording under the setting selected: its timeline, and its sound from the cursor.

import { button, element } from "./elements.js";
import { isOwnKey } from "./keyboard.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

export class RecordingView {
  constructor(host, { ask, onClose }) {
    this.heading = element("b", {});
    this.trouble = element("span", { role: "alert" });
    this.play = button("▶ Play from the cursor", () => this.#toggle());
    const balance = element("input", { type: "range", min: "-1", max: "1", step: "0.1", value: "0", "aria-label": "Balance of user and agent" });
    balance.addEventListener("input", () => (this.player.balance = Number(balance.value)));
    const closing = button("Close", () => onClose());
    const field = element("label", { class: "bl-field" }, "user", balance, "agent");
    const drawn = element("div", {});
    host.replaceChildren(
      element("div", { class: "bl-row" }, this.heading),
      element("div", { class: "bl-row" }, this.play, field, this.trouble, element("span", { class: "bl-spacer" }), closing),
      drawn,
    );
    drawn.addEventListener("keydown", (event) => {
      if (event.key !== " " || isOwnKey(event)) return;
      event.preventDefault();
      this.#toggle();
    });
    this.timeline = new Timeline(drawn, { ask });
    this.player = new Player({
      ask,
      onPosition: (t_s) => (this.timeline.playhead_s = t_s),
      onEnd: () => this.#stopped(),
      onError: (error) => {
        this.trouble.textContent = `It cannot be played: ${error.message}`;
        this.#stopped();
      },
    });
  }

  show(recording) {
    this.player.show(recording);
    this.#stopped();
    this.trouble.textContent = "";
    this.timeline.show(recording);
    this.name = recording.name;
  }

  decide(decisions, words) {
    this.heading.textContent = `${this.name} at ${words}`;
    this.timeline.decide(decisions);
  }

  close() {
    this.player.stop();
    this.timeline.close();
  }

  #toggle() {
    if (this.player.playing) {
      this.player.stop();
      this.#stopped();
    } else {
      this.play.textContent = "■ Stop";
      this.player.play(this.timeline.cursor_s);
    }
  }

  #stopped() {
    this.play.textContent = "▶ Play from the cursor";
    this.timeline.playhead_s = null;
  }
}
