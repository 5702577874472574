"""Settings that a provider says are in effect."""

import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.errors import CredentialsError, InvalidParameterError
from bidilab.lab.knobs.effective import effective_settings, told_settings
from tests.agreement.test_openai_realtime import ServerThread


def log(*rows):
    made = EventLog()
    for kind, detail in rows:
        made.append(kind, source="model", detail=detail)
    return made.rows


def effective(detection):
    return "session_effective", {"session": {"audio": {"input": {"turn_detection": detection}}}}


def different(requested, in_effect):
    row = {"path": "session.audio.input.turn_detection.threshold", "requested": requested, "effective": in_effect}
    return "session_difference", {"differences": [row]}


def test_what_was_told_last_holds():
    told = told_settings("S", log(effective({"threshold": 0.5}), different(0.7, 0.5), effective({"threshold": 0.7})))
    assert (told.turn_detection, told.differences) == ({"threshold": 0.7}, ())
    told = told_settings("S", log(effective({"threshold": 0.5}), different(0.7, 0.5)))
    assert told.differences == ("session.audio.input.turn_detection.threshold: asked for 0.7, in effect 0.5",)


def test_none_in_effect_is_not_the_same_as_nothing_said():
    assert told_settings("S", log(effective(None))).turn_detection == {}
    assert told_settings("S", log()).turn_detection is None


def test_a_server_is_asked(tmp_path):
    with ServerThread(1, tmp_path) as url:
        told = effective_settings(f"{url}/realtime")
    assert told.differences == ()
    assert told.provider == f"{url}/realtime"
    wanted = {"threshold": 0.7, "prefix_padding_ms": 200, "silence_duration_ms": 700}
    assert {name: told.turn_detection[name] for name in wanted} == wanted


def test_who_cannot_be_asked(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(CredentialsError):
        effective_settings("openai")
    with pytest.raises(InvalidParameterError, match="a URL"):
        effective_settings("nobody")
