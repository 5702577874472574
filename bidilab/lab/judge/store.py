"""What was heard in each call, kept on disk: a folder that was stopped goes on, and is judged anew in no time."""

from __future__ import annotations

import json
import os

from bidilab.core.cachefolder import CacheFolder, cache_is_chosen, default_cache_dir
from bidilab.core.jsontext import parse_json
from bidilab.lab.judge.hearing import Heard, heard_by

__all__ = ["HeardStore"]


class HeardStore:
    """Calls by the digest of their file, the user's channel, and what heard them.

    Parameters
    ----------
    root
        Folder; by default ``judge`` in bidilab's cache folder. It is made when first written to.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._folder = CacheFolder(
            default_cache_dir() / "judge" if root is None else root,
            suffix=".heard",
            magic=b"bidilab-heard-call 1\n",
            content="findings",
            needed=root is not None or cache_is_chosen(),
        )

    def prepare(self) -> None:
        """Make the folder, and find out now that it cannot be written.

        Raises
        ------
        CacheError
            If it cannot, and is needed.
        """
        self._folder.prepare()

    def get(self, sha256: str, user_channel: int) -> Heard | None:
        """What was heard in a file of that digest; ``None`` where nothing is kept of it, or it is damaged.

        Raises
        ------
        CacheError
            If the folder cannot be read.
        """
        key = _key(sha256, user_channel)
        kept = self._folder.read(self._folder.path(key), key)
        return None if kept is None else Heard.from_dict(parse_json(kept))

    def put(self, sha256: str, heard: Heard) -> None:
        """Keep what was heard.

        Raises
        ------
        CacheError
            If it cannot be written.
        """
        key = _key(sha256, heard.user_channel)
        self._folder.write(self._folder.path(key), key, json.dumps(heard.to_dict()).encode())


def _key(sha256: str, user_channel: int) -> str:
    return f"{heard_by()} | {sha256} | channel {user_channel}"
