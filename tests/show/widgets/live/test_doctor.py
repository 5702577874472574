"""The doctor beside a session: he looks while it runs, tells the pages, and stays in the static form."""

import pytest

from bidilab.bidi.log.eventlog import EventLog
from bidilab.core.errors import SessionError
from bidilab.lab.doctor import RunningDoctor
from bidilab.show.widgets.live import run as live_run
from bidilab.show.widgets.live.feed import LiveFeed, SpeechMonitor
from bidilab.show.widgets.live.widget import LiveSession
from tests.show.widgets.live.test_widget import quick_model, session, talk  # noqa: F401  # a fixture


@pytest.mark.slow
@pytest.mark.realtime
def test_he_looks_while_a_session_runs_and_what_he_found_stays(session, monkeypatch):  # noqa: F811
    monkeypatch.setattr(live_run, "DIAGNOSE_S", 0.1)
    told = []
    monkeypatch.setattr(LiveSession, "send", lambda self, head, buffers=None: told.append(head))
    live = session(quick_model(), **talk((5, 15), total=190))  # then 5 s of digital silence
    with pytest.raises(SessionError, match="no session was started"):
        _ = live.diagnosis
    live._from_page(live, {"kind": "hello", "page": "p", "origin": "http://localhost"}, [])
    live.start()
    assert live.wait()
    found = [head for head in told if head.get("kind") == "doctor"]
    assert found[0]["findings"] == []
    assert [one["facts"]["responses"] for one in (found[0], found[-1])] == [
        "0, 0 begin in a pause",
        "1, 0 begin in a pause",
    ]
    assert live.diagnosis.to_dict()["facts"] == found[-1]["facts"]
    form = live.static_form().mimebundle()
    assert "The doctor: nothing found." in form["text/plain"]
    assert "Diagnosis of the session so far" in form["text/html"]


def test_a_page_that_comes_later_is_told_too():
    log = EventLog()
    feed = LiveFeed(log, SpeechMonitor())
    kinds = [head["kind"] for head, _ in feed.everything()]
    feed.diagnosis = RunningDoctor(log).look(None)
    assert [head["kind"] for head, _ in feed.everything()] == [*kinds, "doctor"]
