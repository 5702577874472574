"""What an audio file promises: its length as its container states it, and whether the file keeps that.

libsndfile reads what is there and says nothing of what is missing. Each container says in its own way how much there
ought to be. Here the statement is read, and a file that has less is refused, with both figures. A size that a tool
writes when it cannot go back to the header (a pipe, a stream, a recorder that was killed) promises nothing, and is no
truncation; where libsndfile would go by it, the file is shown to libsndfile with the size that it has.

Sources: Microsoft, "Multimedia Programming Interface", 1991 (RIFF, RIFX); EBU Tech 3306, 2009 (RF64); Sony Pictures
Digital, "Wave 64", 2003 (W64); Apple, "AIFF", 1989, and "Core Audio Format", 2005; Sun, ``audio.h``, 1992 (AU);
RFC 3533, 2003 (Ogg); NIST, "SPHERE", 1991; RFC 9639, 2024 (FLAC); ISO/IEC 11172-3, 1993, and 13818-3, 1998 (MP3);
Xing, "VBR header SDK", 1998.
"""

from __future__ import annotations

import io
import mmap
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from bidilab.core.errors import AudioError

__all__ = ["Contents", "contents_of"]

_PLACEHOLDERS: Final = (0x7F00_0000, 0x7FFF_FFFF, 0xFFFF_FFFF)
"""Sizes that stand for "not known", each give or take a page: ``7f000000`` (sox, AIFF), ``7ffff000`` (sox, WAV),
``7fffffff``, ``80000000`` (arecord), ``ffffffff`` (ffmpeg), and each less the bytes of the header. They are believed
only where the file really holds that much."""
_TAIL_BYTES = 1 << 16
_FLAC_TAIL_BYTES = 1 << 17  # a frame of 4608 samples in eight channels of 24 bits has at most 110 kB
_OGG_FIRST_PAGE, _OGG_LAST_PAGE = 0x02, 0x04
_MOST_JUNK_BYTES = 1 << 14
"""What may lie behind the sound and be no chunk: padding of disks, and what recorders leave behind. More is sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How a file is to be shown to libsndfile.

    Parameters
    ----------
    path
        The file.
    patches
        Bytes to be read in the place of those at an offset.
    prefix
        Bytes to be read before the file.
    end
        Where the sound ends; what lies behind it is no sound, though libsndfile takes it for some.
    counted
        Whether the length is known only when the file was decoded.
    """

    path: Path
    patches: tuple[tuple[int, bytes], ...] = ()
    prefix: bytes = b""
    end: int | None = None
    counted: bool = False

    @property
    def as_it_is(self) -> bool:
        """Whether the file can be handed on by its path, and its header is true."""
        return not self._altered and not self.counted

    @property
    def _altered(self) -> bool:
        return bool(self.patches or self.prefix) or self.end is not None

    def open(self) -> IO[bytes] | str:
        """The path or file object to give to libsndfile."""
        if not self._altered:
            return str(self.path)
        return io.BufferedReader(_Shown(self))


class _Shown(io.RawIOBase):
    """A file with other bytes in some places, some before it, and perhaps an earlier end."""

    def __init__(self, contents: Contents) -> None:
        self._file = contents.path.open("rb")
        self._patches = contents.patches
        self._prefix = contents.prefix
        self._at = 0
        size = os.fstat(self._file.fileno()).st_size
        self._end = size if contents.end is None else min(size, contents.end)
        self._size = self._end + len(contents.prefix)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = len(buffer)
        read = self._prefix[self._at : self._at + wanted]
        start = self._at + len(read) - len(self._prefix)
        self._file.seek(max(0, start))
        left = max(0, self._end - max(0, start))
        data = bytearray(read + self._file.read(min(wanted - len(read), left)))
        origin = self._at - len(self._prefix)  # where in the file the first byte read lies
        for offset, patch in self._patches:
            for k, byte in enumerate(patch):
                if 0 <= offset + k - origin < len(data):
                    data[offset + k - origin] = byte
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def contents_of(path: Path) -> Contents:
    """Read a file's promise of its length.

    Returns
    -------
    Contents
        How to read it.

    Raises
    ------
    AudioError
        If it is shorter than its container says.
    """
    with path.open("rb") as file:
        magic = file.read(12)
        file.seek(0)
        for belongs, read in _CONTAINERS:
            if belongs(magic):
                return read(path, file, path.stat().st_size)
    return Contents(path=path)


def _stands_for_unknown(length: int) -> bool:
    return any(abs(length - placeholder) <= 4096 for placeholder in _PLACEHOLDERS)


def _truncated(path: Path, what: str, promised: int, there: int, unit: str = "bytes") -> AudioError:
    return AudioError(f"{path}: truncated: {what} promises {promised} {unit}, but the file holds {max(0, there)}")


def _check_tail(path: Path, there: int, promised: int) -> None:
    """Refuse a file in which far more follows than the header tells: its size was not brought up to date."""
    if there - promised > _MOST_JUNK_BYTES:
        raise AudioError(
            f"{path}: the header promises {promised} bytes of sound, but {there - promised} more follow that are not "
            "chunks: the size was not updated, or several files were joined"
        )


# ---- RIFF and its kin


def _chunks(file: IO[bytes], size: int, order: str, first: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset of the content, and length of each chunk."""
    at = first
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], order)  # type: ignore[arg-type]
        yield head[:4], at + 8, length
        at += 8 + length + (length & 1)


def _riff(path: Path, file: IO[bytes], size: int) -> Contents:
    order = "big" if file.read(4) == b"RIFX" else "little"
    data_size_64: int | None = None
    for name, at, length in _chunks(file, size, order, 12):
        if name == b"ds64":
            file.seek(at + 8)
            data_size_64 = int.from_bytes(file.read(8), "little")
        if name != b"data":
            continue
        there = size - at
        if data_size_64 is not None and length == 0xFFFF_FFFF:
            if data_size_64 > there:
                raise _truncated(path, "the data chunk", data_size_64, there)
            length = data_size_64
        elif (length == 0 and not _ends_in_chunks(file, size, order, at)) or (
            length > there and _stands_for_unknown(length)
        ):
            # A writer that could not seek back: what is there is all of it, in whole frames of the channels.
            kept = there - there % max(1, _block_align(file, size, order))
            sizes = (at - 8 + kept, kept)
            patches = tuple((where, value.to_bytes(4, order)) for where, value in zip((4, at - 4), sizes, strict=True))  # type: ignore[arg-type]
            return Contents(path=path, patches=patches if kept else ())
        if length > there:
            raise _truncated(path, "the data chunk", length, there)
        if not _ends_in_chunks(file, size, order, at + length + (length & 1)):
            _check_tail(path, there, length)
        return Contents(path=path)
    return Contents(path=path)


def _ends_in_chunks(file: IO[bytes], size: int, order: str, first: int) -> bool:
    """Whether nothing but whole chunks follows: an empty data chunk is then empty, and no size left out."""
    end = first
    for name, at, length in _chunks(file, size, order, first):
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        end = at + length + (length & 1)
    return size <= end <= size + 1 or first == size


def _block_align(file: IO[bytes], size: int, order: str) -> int:
    for name, at, length in _chunks(file, size, order, 12):
        if name == b"fmt " and length >= 14:
            file.seek(at + 12)
            return int.from_bytes(file.read(2), order)  # type: ignore[arg-type]
    return 1


_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def _w64(path: Path, file: IO[bytes], size: int) -> Contents:
    at = 40
    while at + 24 <= size:
        file.seek(at)
        name, length = file.read(16), int.from_bytes(file.read(8), "little")
        if name == _W64_DATA:
            if 24 < length < (1 << 62) and at + length > size:
                raise _truncated(path, "the data chunk", length - 24, size - at - 24)
            behind = at + ((length + 7) & ~7)  # chunks begin at multiples of 8 bytes
            if length > 24 and behind < size:
                file.seek(behind)
                if file.read(16)[4:] != _W64_DATA[4:]:
                    _check_tail(path, size - at - 24, length - 24)
                return Contents(path=path, end=at + length)
            break
        if length < 24:
            break
        at += (length + 7) & ~7
    return Contents(path=path)


def _caf(path: Path, file: IO[bytes], size: int) -> Contents:
    at = 8
    while at + 12 <= size:
        file.seek(at)
        name, length = file.read(4), int.from_bytes(file.read(8), "big", signed=True)
        there = size - at - 12
        if name == b"data" and length > there:
            raise _truncated(path, "the data chunk", length, there)
        if name == b"data" or length < 0:  # -1: up to the end
            break
        at += 12 + length
    return Contents(path=path)


def _aiff(path: Path, file: IO[bytes], size: int) -> Contents:
    for name, at, length in _chunks(file, size, "big", 12):
        if name == b"SSND":
            if length > size - at and not _stands_for_unknown(length):
                raise _truncated(path, "the sound chunk", length, size - at)
            break
    return Contents(path=path)


def _au(path: Path, file: IO[bytes], size: int) -> Contents:
    head = file.read(12)
    order = "little" if head[:4] == b"dns." else "big"
    offset, length = (int.from_bytes(head[k : k + 4], order) for k in (4, 8))  # type: ignore[arg-type]
    there = size - offset
    if length <= there:
        _check_tail(path, there, length)
        return Contents(path=path)
    if not _stands_for_unknown(length):
        raise _truncated(path, "the header", length, there)
    return Contents(path=path, patches=((8, there.to_bytes(4, order)),) if there > 0 else ())  # type: ignore[arg-type]


# ---- Ogg, SPHERE, MP3


def _ogg(path: Path, file: IO[bytes], size: int) -> Contents:
    file.seek(max(0, size - _TAIL_BYTES - 27))
    tail = file.read()
    last = tail.rfind(b"OggS")
    page = tail[last:] if last >= 0 else b""
    if len(page) >= 27:
        lengths = page[27 : 27 + page[26]]
        whole = len(page) >= 27 + page[26] + sum(lengths)
        if whole and page[5] & _OGG_LAST_PAGE:
            if page[14:18] not in _ogg_streams(file):
                raise AudioError(
                    f"{path}: contains several Ogg streams in a row, and only the first would be read; "
                    "write them as one (ffmpeg -i)"
                )
            return Contents(path=path)
    raise AudioError(f"{path}: truncated: the Ogg stream has no last page")


def _ogg_streams(file: IO[bytes]) -> set[bytes]:
    """Serial numbers of the streams that begin at the start of a file."""
    serials: set[bytes] = set()
    at = 0
    while True:
        file.seek(at)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS" or not head[5] & _OGG_FIRST_PAGE:
            return serials
        serials.add(head[14:18])
        lengths = file.read(head[26])
        at += 27 + len(lengths) + sum(lengths)


def _flac(path: Path, file: IO[bytes], size: int) -> Contents:
    """A FLAC that was written to a pipe tells no length: it is that of its last frame (RFC 9639, 9.1)."""
    head = file.read(26)
    if len(head) < 26 or head[4] & 0x7F or head[21] & 0x0F or any(head[22:26]):
        return Contents(path=path)
    file.seek(max(0, size - _FLAC_TAIL_BYTES))
    tail = file.read()
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        if (end := _flac_frame_end(tail[at : at + 16].ljust(16, b"\0"), int.from_bytes(head[8:10], "big"))) is None:
            continue
        if _crc(tail[at:-2], 16, 0x8005) != int.from_bytes(tail[-2:], "big"):
            raise AudioError(f"{path}: truncated: the last frame of the FLAC is incomplete")
        return Contents(
            path=path, patches=((21, bytes([head[21] | end >> 32]) + (end & 0xFFFF_FFFF).to_bytes(4, "big")),)
        )
    return Contents(path=path)


def _flac_frame_end(head: bytes, fixed_block: int) -> int | None:
    """The sample behind a frame, by its header; ``None`` when it is none, or ends beyond what 36 bits hold."""
    if head[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 0x0F
    n_more = next((k for k in range(8) if not head[4] << k & 0x80), 8)  # of UTF-8: ones before the first zero
    if n_more == 1 or n_more > 7 or not block_code or rate_code == 15:
        return None
    number = head[4] & (0x7F >> n_more)
    at = 5
    for _ in range(max(0, n_more - 1)):
        number, at = number << 6 | head[at] & 0x3F, at + 1
    n_size, n_rate = {6: 1, 7: 2}.get(block_code, 0), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    crc_at = at + n_size + n_rate
    if crc_at >= len(head) or _crc(head[:crc_at], 8, 0x07) != head[crc_at]:
        return None
    block = 192 if block_code == 1 else 144 << block_code if block_code < 6 else 1 << block_code
    if n_size:
        block = int.from_bytes(head[at : at + n_size], "big") + 1
    end = (number if head[1] & 1 else number * fixed_block) + block
    return end if end < 1 << 36 else None


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    top, mask, crc = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
    return crc


def _sphere(path: Path, file: IO[bytes], size: int) -> Contents:
    head = file.read(16)
    try:
        offset = int(head[8:16])
    except ValueError:
        return Contents(path=path)
    file.seek(0)
    said = file.read(offset).decode("ascii", "replace")
    numbers = {
        name: int(value)
        for name, value in re.findall(r"^(sample_count|sample_n_bytes|channel_count) -i (\d+)", said, re.MULTILINE)
    }
    if len(numbers) == 3 and "embedded" not in said:
        promised = numbers["sample_count"] * numbers["sample_n_bytes"] * numbers["channel_count"]
        if promised > size - offset:
            raise _truncated(path, "the header", promised, size - offset)
        _check_tail(path, size - offset, promised)
        if promised < size - offset:
            return Contents(path=path, end=offset + promised)
    return Contents(path=path)


_BITRATES: Final = {  # kbit/s of layer III, ISO/IEC 11172-3 and 13818-3
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass(frozen=True, slots=True)
class _Mp3Frame:
    """The header of a frame of MPEG audio, layer III."""

    header: bytes
    version: int  # 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    bitrate: int
    length: int
    mono: bool

    @classmethod
    def of(cls, header: bytes) -> _Mp3Frame | None:
        if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
            return None
        version, layer = (header[1] >> 3) & 3, (header[1] >> 1) & 3
        bitrate_index, rate_index, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
        if version == 1 or layer != 1 or bitrate_index in (0, 15) or rate_index == 3:
            return None
        bitrate = _BITRATES[1 if version == 3 else 2][bitrate_index] * 1000
        length = (144 if version == 3 else 72) * bitrate // _RATES[version][rate_index] + padding
        return cls(header, version, bitrate, length, header[3] >> 6 == 3)

    @property
    def side_bytes(self) -> int:
        if self.version == 3:
            return 17 if self.mono else 32
        return 9 if self.mono else 17


def _id3_bytes(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _mp3(path: Path, file: IO[bytes], size: int) -> Contents:
    """An MP3 without a Xing, Info or VBRI frame says nothing of its length, so its frames are counted.

    libsndfile guesses the length from the first bit rate, and reads no further. It is shown an Info frame with the
    number of frames.
    """
    start = _id3_bytes(file.read(10))
    file.seek(start)
    first = _Mp3Frame.of(file.read(4))
    if first is None:
        return Contents(path=path)  # not layer III, or not at the start: libsndfile decides
    file.seek(start)
    frame = file.read(first.length)
    tag = frame[4 + first.side_bytes : 8 + first.side_bytes]
    if tag in (b"Xing", b"Info") or frame[36:40] == b"VBRI":
        return Contents(path=path)
    n_frames, varies = _count_frames(file, start, size, first.bitrate)
    if not varies:
        return Contents(path=path, counted=True)
    return Contents(path=path, prefix=_info_frame(first, n_frames), counted=True)


def _count_frames(file: IO[bytes], start: int, size: int, bitrate: int) -> tuple[int, bool]:
    n_frames, varies, at = 0, False, start
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while at + 4 <= size:
            found = _Mp3Frame.of(data[at : at + 4])
            if found is None:
                at += 1
                continue
            if at + found.length > size:
                break
            n_frames += 1
            varies |= found.bitrate != bitrate
            at += found.length
    return n_frames, varies


def _info_frame(first: _Mp3Frame, n_frames: int) -> bytes:
    """A frame without sound that tells how many frames follow."""
    header = bytearray(first.header)
    header[1] |= 1  # no checksum
    header[2] = 9 << 4 | header[2] & 0x0C
    made = _Mp3Frame.of(bytes(header))
    assert made is not None  # the same but for its bit rate
    body = bytes(made.side_bytes) + b"Info" + (1).to_bytes(4, "big") + n_frames.to_bytes(4, "big")
    return (bytes(header) + body).ljust(made.length, b"\0")


_Reader = Callable[[Path, IO[bytes], int], Contents]
_CONTAINERS: Sequence[tuple[Callable[[bytes], bool], _Reader]] = (
    (lambda magic: magic[:4] in (b"RIFF", b"RIFX", b"RF64") and magic[8:] == b"WAVE", _riff),
    (lambda magic: magic[:4] == b"riff", _w64),
    (lambda magic: magic[:4] == b"caff", _caf),
    (lambda magic: magic[:4] == b"FORM" and magic[8:] in (b"AIFF", b"AIFC"), _aiff),
    (lambda magic: magic[:4] in (b".snd", b"dns."), _au),
    (lambda magic: magic[:4] == b"OggS", _ogg),
    (lambda magic: magic[:4] == b"fLaC", _flac),
    (lambda magic: magic[:7] == b"NIST_1A", _sphere),
    (lambda magic: magic[:3] == b"ID3" or (magic[:1] == b"\xff" and len(magic) > 1 and magic[1] & 0xE0 == 0xE0), _mp3),
)
