"""What a live session and its pages share: the widget's traits."""

from __future__ import annotations

from typing import Any

import traitlets

from bidilab.detect.turns import ServerVad
from bidilab.show.widgets.base import Widget

__all__ = ["KNOBS", "SWITCHES", "LiveState"]

KNOBS = ("threshold", "prefix_padding_ms", "silence_duration_ms")
SWITCHES = ("echo_cancellation", "noise_suppression", "auto_gain_control")


class LiveState(Widget):
    """Traits of `LiveSession`. What a page may not change, only the kernel sets."""

    state = traitlets.Unicode("idle", read_only=True).tag(sync=True)
    message = traitlets.Unicode("", read_only=True).tag(sync=True)
    providers: traitlets.List[Any] = traitlets.List(read_only=True).tag(sync=True)
    provider = traitlets.Unicode("local").tag(sync=True)
    microphone = traitlets.Unicode("browser").tag(sync=True)
    speaker = traitlets.Unicode("browser").tag(sync=True)
    threshold = traitlets.Float(0.5).tag(sync=True)
    prefix_padding_ms = traitlets.Int(300).tag(sync=True)
    silence_duration_ms = traitlets.Int(500).tag(sync=True)
    echo_cancellation = traitlets.Bool(True).tag(sync=True)
    noise_suppression = traitlets.Bool(False).tag(sync=True)
    auto_gain_control = traitlets.Bool(False).tag(sync=True)
    effective = traitlets.Dict(read_only=True).tag(sync=True)
    choices = traitlets.Dict(read_only=True).tag(sync=True)

    @traitlets.validate("threshold", "prefix_padding_ms", "silence_duration_ms")
    def _check_knob(self, proposal: Any) -> Any:
        ServerVad(**{proposal["trait"].name: proposal["value"]})
        return proposal["value"]

    def _show(self, state: str, message: str) -> None:
        if (state, message) != (self.state, self.message):
            with self.hold_sync():
                self.set_trait("state", state)
                self.set_trait("message", message)
