"""Audio is whole or refused: each container, cut, streamed, oddly dressed, or of something that is not seekable."""

import io
import random
import struct

import numpy as np
import pytest
import soundfile

from bidilab.core.audiofile import audio_blocks, audio_info, read_audio, scan_audio, write_audio
from bidilab.core.errors import AudioError, InvalidParameterError
from tests.sizes import examples

RATE = 16_000
RNG = np.random.default_rng(3)
SAMPLES = RNG.integers(-9000, 9000, (24_000, 2), dtype=np.int16)
TONE = np.stack([0.3 * np.sin(np.arange(3 * 48_000) * 0.02), 0.2 * np.cos(np.arange(3 * 48_000) * 0.05)], 1)


def written(path, samples=SAMPLES, rate=RATE, **how):
    soundfile.write(path, samples, rate, **how)
    return path


WHOLE = {
    "wav": {"format": "WAV"},
    "wavex": {"format": "WAVEX", "subtype": "PCM_16"},
    "rf64": {"format": "RF64", "subtype": "PCM_16"},
    "rifx": {"format": "WAV", "endian": "BIG"},
    "w64": {"format": "W64"},
    "aiff": {"format": "AIFF"},
    "au": {"format": "AU"},
    "flac": {"format": "FLAC"},
    "sph": {"format": "NIST"},
    "caf": {"format": "CAF", "subtype": "PCM_16"},
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_is_read_whole_and_half_of_it_is_refused(kind, tmp_path):
    path = written(tmp_path / f"a.{kind}", **WHOLE[kind])
    info = audio_info(path)
    assert (info.frames, info.samplerate, info.channels) == (24_000, RATE, 2)
    assert info.as_it_is
    np.testing.assert_array_equal(np.rint(read_audio(path).samples * 32768), SAMPLES)
    assert sum(len(b) for b in audio_blocks(path, dtype="int16")) == 24_000
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for read in (read_audio, scan_audio):
        with pytest.raises(AudioError, match=r"truncated|not an audio file"):
            read(path)


@pytest.mark.parametrize(("name", "subtype"), [("a.ogg", "VORBIS"), ("a.opus", "OPUS")])
def test_an_ogg_stream_has_a_last_page(name, subtype, tmp_path):
    path = written(tmp_path / name, TONE, 48_000, format="OGG", subtype=subtype)
    assert read_audio(path).n_samples == len(TONE)
    data = path.read_bytes()
    for share in (0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(AudioError, match="last page"):
            read_audio(path)
    path.write_bytes(data + b"\0" * 100)  # what some recorders leave behind
    assert read_audio(path).n_samples == len(TONE)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0x7FFFFFDB, 0xFFFFFFFF, 0xFFFFFFDB])
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_size_that_a_pipe_leaves_is_no_truncation(size, order, tmp_path):
    path = written(tmp_path / "a.wav", **({"endian": "BIG"} if order == "big" else {}))
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, order)
    data[4:8] = (size if size else 0).to_bytes(4, order)
    path.write_bytes(data + b"\1")  # and the last frame is not whole
    info = scan_audio(path)
    assert info.frames == 24_000
    assert not info.as_it_is
    np.testing.assert_array_equal(np.rint(read_audio(path).samples * 32768), SAMPLES)


def test_a_wav_without_any_samples_says_so(tmp_path):
    with pytest.raises(AudioError, match="holds no samples"):
        read_audio(written(tmp_path / "a.wav", SAMPLES[:0]))


def test_an_empty_wav_does_not_take_its_other_chunks_for_sound(tmp_path):
    path = written(tmp_path / "a.wav", SAMPLES[:0])
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 10) + b"INFOabcdef")
    with pytest.raises(AudioError, match="holds no samples"):
        read_audio(path)


def test_a_large_size_that_no_tool_leaves_is_a_truncation(tmp_path):
    path = written(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = (2_300_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(AudioError, match="truncated"):
        read_audio(path)


def test_chunks_behind_the_sound_are_no_sound(tmp_path):
    path = written(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 10) + b"INFOabcdef")
    assert read_audio(path).n_samples == 24_000


@pytest.mark.parametrize("kind", WHOLE)
def test_what_lies_behind_the_sound_is_no_sound(kind, tmp_path):
    path = written(tmp_path / f"a.{kind}", **WHOLE[kind])
    path.write_bytes(path.read_bytes() + bytes(range(1, 121)))
    assert audio_info(path).frames == scan_audio(path).frames == 24_000
    np.testing.assert_array_equal(np.rint(read_audio(path).samples * 32768), SAMPLES)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_an_au_whose_size_is_not_known(size, tmp_path):
    path = written(tmp_path / "a.au", format="AU")
    data = bytearray(path.read_bytes())
    data[8:12] = size.to_bytes(4, "big")
    path.write_bytes(data)
    assert read_audio(path).n_samples == 24_000


@pytest.mark.parametrize("kind", ["wav", "rifx", "wavex", "rf64", "au", "w64", "sph"])
def test_a_size_that_was_not_brought_up_to_date_is_told(kind, tmp_path):
    """A recorder writes the header first and is killed: what is there is far more than the header tells."""
    path = written(tmp_path / f"a.{kind}", SAMPLES[:8000], **WHOLE[kind])
    path.write_bytes(path.read_bytes() + SAMPLES.tobytes())
    for read in (read_audio, scan_audio):
        with pytest.raises(
            AudioError, match=r"promises 32000 bytes of sound, but 96000 more follow that are not chunks"
        ):
            read(path)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 2), (44_100, 1), (8000, 1), (11_025, 2)])
def test_a_flac_that_was_written_to_a_pipe_is_as_long_as_its_last_frame_says(rate, channels, tmp_path):
    for n in (1, 100, 4096, 23_999):
        samples = SAMPLES[:n, :channels]
        path = written(tmp_path / "a.flac", samples, rate)
        data = bytearray(path.read_bytes())
        data[21] &= 0xF0
        data[22:26] = bytes(4)
        path.write_bytes(data)
        assert scan_audio(path).frames == audio_info(path).frames == n
        assert not audio_info(path).as_it_is
        np.testing.assert_array_equal(np.rint(read_audio(path).samples.reshape(n, -1) * 32768), samples)
        for cut in (1, len(data) // 3):
            path.write_bytes(data[:-cut])
            with pytest.raises(AudioError, match=r"truncated|not an audio file"):
                read_audio(path)


def test_ogg_streams_one_after_the_other(tmp_path):
    one = written(tmp_path / "a.ogg", TONE, 48_000, format="OGG", subtype="VORBIS").read_bytes()
    two = written(tmp_path / "b.ogg", TONE, 48_000, format="OGG", subtype="VORBIS").read_bytes()
    (tmp_path / "c.ogg").write_bytes(one + two)
    with pytest.raises(AudioError, match="several Ogg streams in a row"):
        read_audio(tmp_path / "c.ogg")


@pytest.mark.parametrize(("bits", "scale"), [(16, 32768), (24, 8388608), (32, 2147483648)])
def test_the_full_scale_that_is_proposed_fits_the_integers(bits, scale, tmp_path):
    path = written(tmp_path / "a.wav", SAMPLES * 2.0 ** (bits - 16), subtype="DOUBLE")
    with pytest.raises(AudioError, match=f"full_scale={scale}"):
        read_audio(path)
    assert np.abs(read_audio(path, full_scale=scale).samples).max() < 1


def vbr_mp3(tmp_path, *, dense_first):
    """Noise and silence at a variable bit rate, without the frame that tells the length."""
    noise, silence = RNG.normal(0, 0.2, 32_000), np.zeros(96_000)
    sound = np.concatenate([noise, silence] if dense_first else [silence, noise])
    path = tmp_path / "a.mp3"
    with soundfile.SoundFile(path, "w", RATE, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.4) as file:
        file.write(sound)
    data = path.read_bytes()
    assert b"Xing" in data[:200]
    second = data.index(data[:2], 4)
    path.write_bytes(data[second:])
    return path


@pytest.mark.parametrize("dense_first", [True, False])
def test_an_mp3_that_says_nothing_of_its_length_is_read_to_its_end(dense_first, tmp_path):
    path = vbr_mp3(tmp_path, dense_first=dense_first)
    assert soundfile.info(path).frames != pytest.approx(128_000, abs=4000)  # what the first bit rate makes one guess
    info = audio_info(path)
    assert info.frames == pytest.approx(128_000, abs=4000)
    assert not info.as_it_is
    assert read_audio(path).n_samples == scan_audio(path).frames == info.frames


def test_half_of_an_mp3_that_tells_its_length_is_refused(tmp_path):
    path = tmp_path / "a.mp3"
    with soundfile.SoundFile(path, "w", RATE, 1, format="MP3", bitrate_mode="VARIABLE") as file:
        file.write(RNG.normal(0, 0.1, 64_000))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match="truncated"):
        read_audio(path)


def test_gsm_that_cannot_be_sought_in_is_read_from_start_to_end(tmp_path):
    path = written(tmp_path / "a.wav", TONE[:16_000, 0], 8000, format="WAV", subtype="GSM610")
    assert not audio_info(path).as_it_is
    assert read_audio(path).n_samples == scan_audio(path).frames >= 16_000


def test_integers_written_as_floats_are_refused_and_scaled_when_asked(tmp_path):
    path = written(tmp_path / "a.wav", SAMPLES.astype(np.float32), subtype="FLOAT")
    for read in (read_audio, scan_audio):
        with pytest.raises(AudioError, match="full_scale=32768"):
            read(path)
    np.testing.assert_array_equal(read_audio(path, full_scale=32768).samples, SAMPLES / np.float32(32768))
    with pytest.raises(InvalidParameterError, match="full_scale"):
        read_audio(path, full_scale=0)
    loud = written(tmp_path / "loud.wav", (SAMPLES / 4000).astype(np.float32), subtype="FLOAT")
    assert read_audio(loud).samples.max() > 2  # beyond full scale, as mixes are


@pytest.mark.parametrize(("suffix", "codec"), [(".m4a", "aac"), (".mp4", "aac"), (".webm", "libopus")])
def test_what_telephones_and_browsers_write(suffix, codec, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=48_000)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray((TONE.T * 32767).astype(np.int16).T.reshape(1, -1)), format="s16", layout="stereo"
        )
        frame.sample_rate = 48_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    audio = read_audio(path)
    assert (audio.n_channels, audio.sample_rate) == (2, 48_000)
    assert audio.n_samples == pytest.approx(len(TONE), abs=4096)
    assert audio_info(path).frames == scan_audio(path).frames == audio.n_samples
    assert np.abs(audio.samples[10_000:20_000, 0]).max() == pytest.approx(0.3, abs=0.05)
    data = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        for read in (read_audio, scan_audio):
            with pytest.raises(AudioError, match=rf"a{suffix}: (truncated|not an audio file|cannot be decoded)"):
                read(path)
    path.write_bytes(b"\0" * 16)
    with pytest.raises(AudioError, match=f"a{suffix}: not an audio file that FFmpeg can read"):
        read_audio(path)


def test_without_the_extra_the_command_that_mends_it_is_told(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.m4a").write_bytes(b"x")
    with pytest.raises(AudioError, match=r"a\.m4a: .*codecs"):
        audio_info(tmp_path / "a.m4a")


@pytest.mark.real_audio
def test_opus_by_ffmpeg_is_read_from_its_true_first_sample(real_audio):
    """LiveKit's recorder put the agent's first sample at 0.13019 s; read as libsndfile opens it, it is at 0.13669 s."""
    path = real_audio.parent / "traces" / "livekit" / "recording.ogg"
    if not path.is_file():
        pytest.skip("no trace of LiveKit here")
    agent = read_audio(path).channel(1)
    first = int(np.flatnonzero(np.abs(agent) > 1e-4)[0])
    assert first / 48_000 == pytest.approx(0.13019, abs=0.0001)


def outcome(work):
    """What came, and the refusal."""
    try:
        return work(), ""
    except AudioError as error:
        return None, str(error)


@pytest.mark.parametrize("seed", range(examples(8)))
def test_whatever_is_done_to_a_file_it_is_read_or_refused_in_words(seed, tmp_path):
    """Mutations of valid files: bytes changed, cut out, put in. Nothing but an `AudioError`; scan and read agree."""
    rng = random.Random(seed)
    outcomes = {"read": 0, "refused": 0}
    for n in range(40):
        kind = rng.choice([*WHOLE, "ogg"])
        source = io.BytesIO()
        how = WHOLE.get(kind, {"format": "OGG", "subtype": "VORBIS"})
        soundfile.write(source, SAMPLES[:3000], RATE, **how)
        data = bytearray(source.getvalue())
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(min(len(data), rng.choice([64, 200, len(data)])))
            what = rng.random()
            if what < 0.6:
                data[at] = rng.randrange(256)
            elif what < 0.8:
                del data[at : at + rng.randint(1, 400)]
            else:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 40)))
        path = tmp_path / f"{n}.{'wav' if kind in ('wavex', 'rf64', 'rifx') else kind}"
        path.write_bytes(data or b"\0")
        found, scanned = outcome(lambda path=path: scan_audio(path).frames)
        made, read = outcome(lambda path=path: read_audio(path).n_samples)
        assert found == made
        assert (scanned == "") == (read == "")
        assert scanned == "" or str(path) in scanned
        outcomes["refused" if scanned else "read"] += 1
    assert min(outcomes.values()) > 0


def test_what_is_written_is_read(tmp_path):
    path = write_audio(tmp_path / "a.flac", SAMPLES / 32768, RATE)
    assert scan_audio(path).as_it_is
