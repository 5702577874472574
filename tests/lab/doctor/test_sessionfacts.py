"""What logs say of devices."""

from bidilab.bidi.log.eventlog import EventLog
from bidilab.lab.doctor.sessionfacts import machine_facts


def test_a_browsers_microphone_and_loudspeaker():
    log = EventLog()
    track = {"echoCancellation": True, "noiseSuppression": False, "sampleRate": 44100, "deviceId": "d34db33f"}
    detail = {
        "epoch": "1",
        "microphone_rate": 48000,
        "speaker_rate": 24000,
        "base_latency_s": 0.01,
        "output_latency_s": None,
        "track": track,
        "way": "socket",
    }
    log.append("browser_audio_opened", source="input", detail=detail)
    assert machine_facts(log) == (
        (
            "browser's microphone",
            "48000 Hz; it says 44100 Hz; echo canceller on, noise suppression off; by way of the socket",
        ),
        ("browser's loudspeaker", "24000 Hz, base latency 10 ms"),
    )


def test_a_loudspeaker_alone():
    log = EventLog()
    detail = {"microphone_rate": None, "speaker_rate": 24000, "way": "comm"}
    log.append("browser_audio_opened", source="input", detail=detail)
    assert machine_facts(log) == (("browser's loudspeaker", "24000 Hz"),)


def test_what_was_refused_missed_and_lost():
    log = EventLog()
    log.append("audio_refused", source="error", text="NotAllowedError: Permission denied")
    for samples, reason in ((1600, "lost"), (3200, "lost"), (16000, "no_page")):
        detail = {"samples": samples, "sample_rate": 16000}
        log.append("input_gap", source="input", input_samples=0, reason=reason, detail=detail)
    log.append("audio_clock_slip", source="input", detail={"slipped_ms": 40.4, "sample_rate": 16000})
    log.append("output_underrun", source="playback")
    log.append("output_underrun", source="playback")
    assert dict(machine_facts(log)) == {
        "browser refused": "NotAllowedError: Permission denied",
        "input_gap": "1000 ms of the microphone missing: no page",
        "audio_clock_slip": "the browser's audio device stood still for 40 ms",
        "output_underrun": "the loudspeaker had to wait for the program: 2×",
    }
    assert ("input_gap", "300 ms of the microphone missing: lost") in machine_facts(log)


def test_a_log_without_devices():
    assert machine_facts(EventLog()) == ()
