"""Conditions of every composition."""

from hypothesis import strategies as st

from bidilab.detect.dsp.room import Room
from bidilab.lab.conditions import Condition

levels = st.integers(-200, 400).map(lambda tenths: tenths / 10)


@st.composite
def conditions(draw, *, rooms=True, opus=True):
    """Any composition of stages, with all choices of each."""
    given = {}
    if draw(st.booleans()):
        given |= {"snr_db": draw(levels), "noise": draw(st.sampled_from(["white", "pink"]))}
    if draw(st.booleans()):
        given["echo_db"] = draw(st.integers(-60, 10).map(float))
        if draw(st.booleans()):
            given["echo_delay_ms"] = draw(st.integers(0, 300).map(float))
    if rooms and draw(st.booleans()):
        small = Room(size_m=(3, 2.5, 2.2), rt60_ms=120, distance_m=0.7)
        given["room"] = draw(st.sampled_from(["car", small]))
    if draw(st.booleans()):
        given["bandwidth"] = "telephone"
    if draw(st.booleans()):
        given["codec"] = draw(st.sampled_from(["pcmu", "pcma", *(["opus"] if opus else [])]))
        if given["codec"] == "opus" and draw(st.booleans()):
            given["bitrate_kbps"] = draw(st.sampled_from([12.0, 32.0]))
    if draw(st.booleans()):
        given["packet_loss"] = draw(st.sampled_from([0.0, 0.05, 0.3]))
        if draw(st.booleans()):
            given["loss_burst_packets"] = draw(st.sampled_from([1.0, 4.0]))
        if draw(st.booleans()):
            given["concealment"] = draw(st.sampled_from(["repetition", "silence"]))
    if not given or draw(st.booleans()):
        given["gain_db"] = draw(st.integers(-20, 20).map(float))
    return Condition(**given, seed=draw(st.integers(0, 3)))
