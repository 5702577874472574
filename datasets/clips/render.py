"""Render the clips of ``datasets/clips`` with flite and espeak-ng. A build-time tool: the clips are committed.

    apt-get install flite espeak-ng
    uv run python datasets/clips/render.py

Each voice gets ``<voice>/<role>/NN.flac`` (16 kHz, 16 bit, active level -26 dBFS, cut to the speech with 50 ms to
spare), and ``clips.tsv`` holds every text. The same texts in another voice are other words: each voice takes its
own share of the lists below.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bidilab.core.units import ms_to_samples
from bidilab.detect.dsp.mixing import to_active_level
from bidilab.detect.dsp.truth import speech_extent

RATE = 16_000
LEVEL_DBFS = -26.0
SPARE_MS = 50
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Voice:
    """One way of speaking: an engine, its voice, a tempo, and a shift of pitch and formants together."""

    name: str
    engine: str
    voice: str
    tempo: float = 1.0  # above 1 is faster
    shift: float = 1.0  # above 1 is a smaller head
    pitch: int = 50  # espeak-ng only


USERS = (
    Voice("anna", "flite", "slt", tempo=1.12, shift=1.07),
    Voice("bram", "flite", "rms", tempo=1.10, shift=0.96),
    Voice("carl", "flite", "awb", tempo=1.05),
    Voice("dora", "flite", "slt", tempo=0.98, shift=0.90),
    Voice("emil", "flite", "awb", tempo=1.15, shift=1.13),
    Voice("fay", "espeak", "en-us+f2", tempo=1.05, pitch=60),
    Voice("gus", "espeak", "en-gb-scotland+m3", tempo=0.95, pitch=38),
    Voice("hugh", "flite", "rms", tempo=1.20, shift=1.12),
)
AGENTS = (Voice("nova", "flite", "slt", tempo=1.0), Voice("otto", "flite", "kal16", tempo=1.02))

TURNS = (
    "I'd like to change the flight I booked last week",
    "my order says delivered but nothing came",
    "can you check the balance on my savings account",
    "turn down the heating in the bedroom",
    "I need a table for four on Saturday",
    "the router keeps blinking red since this morning",
    "please move my dentist appointment to Thursday",
    "I was charged twice for the same ticket",
    "how long does the warranty last",
    "I'm calling about the invoice from March",
    "could you play something a little calmer",
    "my name is spelled with a double t",
    "we would be arriving around nine in the evening",
    "the card ends in four seven one two",
    "I think it was the blue one",
    "set an alarm for half past six",
    "what's the weather going to be like tomorrow",
    "I lost my password again",
    "it needs to be there before the weekend",
    "is there anything cheaper than that",
    "and then from there to the station",
    "or maybe the one after that",
    "with a window seat if possible",
    "because the other one was broken",
    "and two glasses of water please",
    "the second floor at the back",
    "my daughter will pick it up",
    "somewhere close to the harbour",
    "I already tried switching it off",
    "the green light comes on for a second",
    "but only if it's refundable",
    "for the fourteenth of October",
    "it's about the washing machine",
    "there should be a note on the file",
    "you told me something different yesterday",
    "add oat milk to the shopping list",
    "remind me when I get home",
    "who do I talk to about that",
    "I never received the confirmation",
    "let me look for the number",
)
ONE_WORD = (
    "stop", "wait", "no", "hold on", "hey", "sorry", "cancel", "enough", "listen", "help", "okay stop", "what",
    "next", "back", "pause", "quiet",
)  # fmt: skip
SENTENCES = (
    "no that's not what I asked for",
    "hang on, I meant the other account",
    "wait, can you go back to the first one",
    "stop, I already have that",
    "sorry, I need to change the date",
    "actually, make it Friday instead",
    "excuse me, that's the wrong address",
    "no no, the one in the kitchen",
    "let me stop you there",
    "okay I've got it, thank you",
    "hold on a second, I can't find my card",
    "can I just say something",
    "that's too expensive for me",
    "could you repeat the last part",
    "I said fifteen, not fifty",
    "please just connect me to a person",
    "never mind, forget about it",
    "I don't want the insurance",
    "wait a minute, how much was that",
    "skip that, what's the next step",
    "but I did that already",
    "hey, slow down please",
    "no, my name is not Peter",
    "can we do this later",
)
BACKCHANNELS = (
    "mm hmm", "uh huh", "yeah", "right", "okay", "mm", "I see", "sure", "oh", "aha", "yes", "got it", "hm", "great",
    "uh", "really",
)  # fmt: skip
RESPONSES = (
    "Of course, let me have a look at your booking.",
    "I can see two payments on the fourth, one of which is still pending.",
    "The next train leaves at ten past eight from platform six.",
    "Your appointment has been moved to Thursday at half past two.",
    "To reset the router, hold the small button at the back for ten seconds.",
    "There are three restaurants near you that have a table free tonight.",
    "I have turned the heating down to nineteen degrees in the bedroom.",
    "The warranty covers parts and labour for two years from the day of purchase.",
    "Before we go on, could you please confirm the last four digits of the card.",
    "Tomorrow will be cloudy in the morning, with some sun in the afternoon.",
    "I am sorry about that, I will open a claim with the carrier right away.",
    "You will receive an e-mail with the details in the next few minutes.",
    "The cheaper option takes a little longer and has one stop on the way.",
    "I have added oat milk, bread and apples to your shopping list.",
    "If you cancel today, the full amount goes back to your account within five days.",
    "There is a direct flight at seven and another one shortly before noon.",
    "Your parcel was left with a neighbour on the ground floor.",
    "First, open the settings, then choose network, and then select reset.",
    "The room has a view of the garden and breakfast is included.",
    "I can offer you a seat by the window in row twelve.",
    "Please keep in mind that changes are free until the evening before.",
    "All our lines are busy at the moment, but I can call you back.",
    "The invoice from March was paid on the twenty second.",
    "Here is a playlist with calm music for the evening.",
    "It takes about twenty minutes on foot, or five by tram.",
    "That model is out of stock, but a similar one arrives next week.",
    "I will send a technician between nine and eleven tomorrow.",
    "Your new password must have at least twelve characters and one number.",
    "One moment, please.",
    "I will check that for you.",
    "Is there anything else?",
    "That is all set now.",
    "It should arrive on Friday.",
    "Let me see.",
    "The line is open until eight.",
    "You can pay at the desk.",
    "I have made a note of that.",
    "It is the second door on the left.",
    "The price includes the tax.",
    "Thank you for waiting.",
)


def speak(voice: Voice, text: str) -> np.ndarray:
    """One text in one voice at 16 kHz, mono, float64."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "clip.wav"
        # Playing faster by `shift` raises pitch and formants alike, so the engine speaks slower by as much.
        tempo = voice.tempo / voice.shift
        if voice.engine == "flite":
            command = [
                "flite",
                "-voice",
                voice.voice,
                "--setf",
                f"duration_stretch={1 / tempo:.4f}",
                "-t",
                text,
                "-o",
                str(wav),
            ]
        else:
            command = [
                "espeak-ng",
                "-v",
                voice.voice,
                "-s",
                str(round(165 * tempo)),
                "-p",
                str(voice.pitch),
                "-w",
                str(wav),
                text,
            ]
        subprocess.run(command, check=True, capture_output=True)
        samples, rate = soundfile.read(wav)
    return np.asarray(soxr.resample(samples, rate * voice.shift, RATE, quality="VHQ"))


def cut(samples: np.ndarray) -> np.ndarray:
    """To the speech, with a little to spare, at the level."""
    extent = speech_extent(samples, RATE)
    spare = ms_to_samples(SPARE_MS, RATE)
    samples = samples[max(0, extent.start - spare) : extent.end + spare]
    return to_active_level(samples, RATE, LEVEL_DBFS)


def share(texts: tuple[str, ...], index: int, n: int) -> list[str]:
    """`n` texts for the voice at `index`, so that neighbours differ and every text is spoken."""
    step = max(1, len(texts) // 8)
    return [texts[(index * step + k) % len(texts)] for k in range(n)]


def render() -> None:
    jobs: list[tuple[Voice, str, list[str]]] = []
    for index, voice in enumerate(USERS):
        jobs += [
            (voice, "turn", share(TURNS, index, 12)),
            (voice, "one_word", share(ONE_WORD, index, 6)),
            (voice, "interruption", share(SENTENCES, index, 8)),
            (voice, "backchannel", share(BACKCHANNELS, index, 8)),
        ]
    jobs += [(voice, "response", list(RESPONSES)) for voice in AGENTS]
    lines = ["file\ttext"]
    for voice in (*USERS, *AGENTS):
        shutil.rmtree(HERE / voice.name, ignore_errors=True)
    for voice, role, texts in jobs:
        folder = HERE / voice.name / role
        folder.mkdir(parents=True)
        for number, text in enumerate(texts, start=1):
            pcm = np.clip(np.rint(cut(speak(voice, text)) * 32768), -32768, 32767).astype(np.int16)
            soundfile.write(folder / f"{number:02d}.flac", pcm, RATE)
            lines.append(f"{voice.name}/{role}/{number:02d}.flac\t{text}")
    (HERE / "clips.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    render()
