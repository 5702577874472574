"""Files that appear whole or not at all, alone or together; and what is said when the disk is full.

Files that belong together (a sweep, a replay) are one generation. They are written into ``.writing`` in their folder,
with ``generation.json``, which holds the digest of each. Renaming that to ``.written`` is the one step by which the new
generation is there; then each file takes its place. A process that is killed before the step leaves the earlier
generation as it was; one that is killed after it leaves files to be put in place by whoever comes next (`settle`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bidilab.core.errors import DiskFullError, ResultError
from bidilab.core.jsontext import JSONError, parse_json_object
from bidilab.core.places import held

__all__ = [
    "GENERATION_FILE",
    "check_together",
    "files_in",
    "settle",
    "telling_of_a_full_disk",
    "written_together",
    "written_whole",
]

GENERATION_FILE = "generation.json"
"""Says which files belong together: the SHA-256 of each."""

_WRITING, _WRITTEN = ".writing", ".written"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEARLY_NOTHING_BYTES = 64 << 10
_SETTLE_LIMIT_S = 10.0


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the final name when the block ends without an error.

    Raises
    ------
    DiskFullError
        If it could not be written because the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "a.txt")) as partial:
    ...         n = partial.write_text("whole", "utf-8")
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.txt']
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with telling_of_a_full_disk(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def telling_of_a_full_disk(path: Path) -> Iterator[None]:
    """Raise a `DiskFullError` that names file and disk for whatever a full disk makes the block raise.

    Libraries tell of it each in their way: ``OSError``, an error of libsndfile without a number, a failed ``assert``.
    """
    try:
        yield
    except Exception as error:
        if (full := _full_disk(path, error)) is not None:
            raise full from error
        raise


def _full_disk(path: Path, error: BaseException) -> DiskFullError | None:
    """What to raise for an error that came while a file was written; nothing, where the disk has room."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, DiskFullError) or not isinstance(error, Exception) or number not in (None, *_FULL):
        return None
    disk = _mount_of(path)
    free = shutil.disk_usage(disk).free
    if number is None and free >= _NEARLY_NOTHING_BYTES:
        return None
    return DiskFullError(path, disk, free, errno_=number)


def _mount_of(path: Path) -> Path:
    place = Path(os.path.realpath(path.parent))
    while not place.exists() or not place.is_mount():
        if place == place.parent:
            break
        place = place.parent
    return place


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Give a folder to write files to; in one step they take their places in ``folder`` when the block ends.

    Files of the earlier generation that the new one has not are removed; what is nobody's stays. The place is held
    meanwhile (`bidilab.core.places.held`). A missing folder is made, and is gone again after an error.

    Parameters
    ----------
    folder
        Where they belong.

    Raises
    ------
    PlaceHeldError
        If another process writes there.
    DiskFullError
        If the disk is full; the earlier generation is then as it was.
    """
    with held(folder):
        was_there = folder.exists()
        with telling_of_a_full_disk(folder / GENERATION_FILE):
            folder.mkdir(parents=True, exist_ok=True)
            _put_in_place(folder)
            stage = folder / _WRITING
            shutil.rmtree(stage, ignore_errors=True)
            stage.mkdir()
        try:
            yield stage
            _seal(stage)
            stage.rename(folder / _WRITTEN)
        except BaseException as error:
            full = _full_disk(folder / _last_touched(stage), error)  # before room is made
            shutil.rmtree(stage, ignore_errors=True)
            if not was_there and not any(folder.iterdir()):
                folder.rmdir()
            if isinstance(error, DiskFullError) and error.path.is_relative_to(stage):
                at = folder / error.path.relative_to(stage)
                full = DiskFullError(at, error.disk, error.free_bytes, errno_=error.errno)
            if full is not None:
                raise full from error
            raise
        _put_in_place(folder)


def _last_touched(stage: Path) -> Path:
    """The file that was being written when something went wrong, as far as the stage shows it."""
    files = [path for path in stage.rglob("*") if path.is_file()]
    newest = max(files, key=lambda path: path.stat().st_mtime_ns, default=stage / GENERATION_FILE)
    return newest.relative_to(stage)


def _seal(stage: Path) -> None:
    """Write the digests, and put all on the disk."""
    (stage / GENERATION_FILE).unlink(missing_ok=True)  # of a part that was itself written together
    digests = {}
    for path in sorted(path for path in stage.rglob("*") if path.is_file()):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        digests[path.relative_to(stage).as_posix()] = _digest(path)
    said = json.dumps({"sha256": digests}, indent=2, ensure_ascii=False)
    with (stage / GENERATION_FILE).open("w", encoding="utf-8", newline="\n") as file:
        file.write(said + "\n")
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(folder: Path) -> None:
    """Move the files of a generation whose step was taken to where they belong; nothing, where there are none."""
    written = folder / _WRITTEN
    if not (written / GENERATION_FILE).is_file():
        shutil.rmtree(written, ignore_errors=True)
        return
    new = _listed(written)
    for name in _listed(folder).keys() - new.keys():
        (folder / name).unlink(missing_ok=True)
    for name in new:
        if (source := written / name).is_file():  # else it was moved before a kill
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    (written / GENERATION_FILE).replace(folder / GENERATION_FILE)  # last: until then the others are known by it
    shutil.rmtree(written)


def settle(folder: Path) -> None:
    """Put files in place that a killed process has written whole, and not put there.

    Raises
    ------
    PlaceHeldError
        If another process does not let go of the place.
    OSError
        If they cannot be moved: they are read from where they can be written.
    """
    if (folder / _WRITTEN / GENERATION_FILE).is_file():
        with held(folder, wait_s=_SETTLE_LIMIT_S):
            _put_in_place(folder)


def check_together(folder: Path, *names: str) -> None:
    """Refuse files of different generations. A folder of an earlier version, without digests, is taken as it is.

    Parameters
    ----------
    folder
        The folder.
    *names
        Files that are to be read; each must be the one that its generation had.

    Raises
    ------
    ResultError
        If one is missing, or is another.
    """
    settle(folder)
    listed = _listed(folder)
    if not listed:
        return
    for name in names:
        path = folder / name
        if name not in listed:
            if path.is_file():
                raise ResultError(
                    f"{path}: belongs to a different save than {GENERATION_FILE} beside it; sweep or save again"
                )
        elif not path.is_file():
            raise ResultError(f"{path}: is missing; {GENERATION_FILE} beside it lists it")
        elif _digest(path) != listed[name]:
            raise ResultError(
                f"{path}: is not the file that was saved with the others (its digest differs); save again"
            )


def _listed(folder: Path) -> Mapping[str, str]:
    """The digest of each file of the folder's generation; none where there is no list."""
    path = folder / GENERATION_FILE
    try:
        digests = parse_json_object(path.read_bytes())["sha256"]
    except FileNotFoundError:
        return {}
    except (JSONError, KeyError) as error:
        raise ResultError(f"{path}: not a list of the files that belong together ({error!r})") from error
    if not isinstance(digests, dict) or not all(map(_is_inside, digests)):
        raise ResultError(f"{path}: not a list of files in its folder")
    return digests


def _is_inside(name: str) -> bool:
    return bool(name) and not Path(name).is_absolute() and ".." not in Path(name).parts


def files_in(folder: Path) -> list[Path]:
    """What lies in a folder, without what an interrupted save has left there; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.name not in (_WRITING, _WRITTEN)]
