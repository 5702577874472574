"""Who of a recording's speakers is the user and who plays the agent, and which channel each is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bidilab.core.audiofile import audio_info
from bidilab.core.checks import is_whole
from bidilab.core.errors import AudioError, InvalidParameterError
from bidilab.lab.datasets.importing.audiofiles import AudioFiles
from bidilab.lab.datasets.importing.marks import is_agents_name, is_sound_text, kind_like, kind_named
from bidilab.lab.datasets.importing.sources import (
    ChannelSource,
    ImportFaultError,
    Role,
    SourceRecording,
    Utterance,
    shown,
)
from bidilab.lab.datasets.labels import TRUE_KINDS, Kind
from bidilab.lab.datasets.recording import TagValue

__all__ = ["MOST", "Casting", "cast"]

_SPEECH_OF_USERS: tuple[Kind, ...] = (*TRUE_KINDS, "backchannel")

MOST = "@most"
"""As the agent: whoever speaks most in each recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """Who plays whom.

    Parameters
    ----------
    agent
        The corpus's name of the speaker who plays the agent; ``"@most"`` for whoever speaks most in each recording;
        ``None`` when nobody does: there are then no responses but those labelled so.
    user
        The speaker who is the user; the others' speech is then labelled ``side_speech``. With ``None`` all but the
        agent are users.
    user_channel
        Channel of the user in files of several, from 1; ``None`` where the labels say it.
    kinds
        Kinds that labels stand for, beside those that are named by a kind.

    Raises
    ------
    InvalidParameterError
        If one speaker is to be both, or the channel is below 1.
    """

    agent: str | None = None
    user: str | None = None
    user_channel: int | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.agent is not None and self.agent == self.user:
            raise InvalidParameterError("user", "another speaker than the agent", self.user)
        if self.user_channel is not None and not (is_whole(self.user_channel) and self.user_channel >= 1):
            raise InvalidParameterError("user_channel", "a channel number, from 1", self.user_channel)
        if self.user_channel is not None:
            object.__setattr__(self, "user_channel", int(self.user_channel))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """A recording in the making."""

    name: str
    label_file: str
    utterances: tuple[Utterance, ...]
    agent: str | None
    users: tuple[str, ...]
    tags: dict[str, TagValue] = field(default_factory=dict)


def cast(
    name: str,
    utterances: tuple[Utterance, ...],
    *,
    casting: Casting,
    audio: AudioFiles,
    label_file: str,
    speaker_files: Mapping[str, Path] | None = None,
    tags: Mapping[str, TagValue] | None = None,
) -> list[SourceRecording]:
    """Recordings of a name: one, or one for each user where each speaker has a file of their own.

    Parameters
    ----------
    name
        The corpus's name of the recording.
    utterances
        All that is said in it, without roles. A speaker of the name of a kind is that kind, unless ``casting`` names
        such a speaker.
    casting
        Who plays whom.
    audio
        Where to look for ``NAME.wav`` (or another suffix), or ``NAME_SPEAKER.wav`` for each speaker.
    label_file
        For messages.
    speaker_files
        The speakers' own files, where the corpus names them.
    tags
        Further tags.

    Raises
    ------
    ImportFaultError
        If the agent or user does not speak in it, a name among kinds may be a speaker or a kind, or the audio cannot
        be found or told apart.
    """
    utterances = _counted_from_one(tuple(_with_kind(utterance, casting) for utterance in utterances))
    seconds: Counter[str] = Counter()
    for utterance in utterances:
        if utterance.kind is None and utterance.speaker is not None:
            seconds[utterance.speaker] += utterance.end_s - utterance.start_s  # type: ignore[assignment]
    agent = _agent(casting.agent, seconds, label_file, name)
    if casting.user is not None and casting.user not in seconds:
        raise ImportFaultError(label_file, None, _nobody("user", casting.user, seconds, name))
    others = sorted(speaker for speaker in seconds if speaker != agent)
    unknown = [speaker for speaker in others if speaker != casting.user]
    _ask_about_names(name, label_file, utterances, unknown, who_is_known=casting.user is not None)
    utterances = tuple(_sounds_apart(utterances, agent))
    users = (casting.user,) if casting.user is not None else tuple(others)
    scene = _Scene(
        name=name, label_file=label_file, utterances=utterances, agent=agent, users=users, tags=dict(tags or {})
    )
    notes = tuple(
        f"{speaker!r} is taken for a user: give agent (--agent {speaker!r}) if it is the agent"
        for speaker in users
        if agent is None and is_agents_name(speaker)
    )
    files = audio.named(name)
    if len(files) == 1 and not speaker_files:
        made = _of_one_file(scene, files[0], casting)
        return [replace(made, notes=(*notes, *made.notes))]
    if len(files) > 1:
        names = ", ".join(shown(path, audio.root) for path in files)
        raise ImportFaultError(label_file, None, f"{name!r} has more than one audio file: {names}")
    return [replace(made, notes=notes) for made in _of_speaker_files(scene, audio, speaker_files or {})]


def _counted_from_one(utterances: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
    """The same with channels from 1: where a 0 is among several numbers, they are counted from 0; alone it is none."""
    numbers = {utterance.channel for utterance in utterances} - {None}
    if 0 not in numbers:
        return utterances
    shift = 1 if len(numbers) > 1 else None
    return tuple(
        replace(u, channel=u.channel + shift if shift else None) if u.channel is not None else u for u in utterances
    )


def _with_kind(utterance: Utterance, casting: Casting) -> Utterance:
    speaker = utterance.speaker
    if utterance.kind is not None or speaker is None or speaker in (casting.agent, casting.user):
        return utterance
    kind = casting.kinds.get(speaker) or kind_named(speaker)
    return utterance if kind is None else replace(utterance, kind=kind, speaker=None)


def _sounds_apart(utterances: Iterable[Utterance], agent: str | None) -> Iterator[Utterance]:
    """What is marked as a sound becomes noise; the agent's is on the agent's channel, where only responses count."""
    for utterance in utterances:
        if utterance.kind is not None or utterance.text is None or not is_sound_text(utterance.text):
            yield utterance
        elif agent is None or utterance.speaker != agent:
            yield replace(utterance, kind="noise", speaker=None)


def _ask_about_names(
    name: str, label_file: str, utterances: Iterable[Utterance], speakers: Iterable[str], *, who_is_known: bool
) -> None:
    """Refuse a name beside kinds that may be a kind that is misspelled, or somebody whose role nobody has said."""
    kinds = {utterance.kind for utterance in utterances if utterance.kind is not None}
    for speaker in speakers if kinds else ():
        what = (
            f"{speaker!r} in {name!r} is not a kind of segment, but appears beside kinds ({', '.join(sorted(kinds))})"
        )
        if (kind := kind_like(speaker)) is not None:
            message = f"{what}: write {kind!r}, or name the speaker otherwise if it is a person"
            raise ImportFaultError(label_file, None, message)
        if kinds.intersection(_SPEECH_OF_USERS) and not who_is_known:
            raise ImportFaultError(label_file, None, f"{what}: if it is a person, give agent or user (--agent, --user)")


def _nobody(role: str, wanted: str, seconds: Mapping[str, float], name: str) -> str:
    there = ", ".join(sorted(seconds)) or "nobody"
    return f"no speaker {wanted!r} (the {role}) in {name!r}; there: {there}"


def _agent(wanted: str | None, seconds: Counter[str], label_file: str, name: str) -> str | None:
    if wanted is None or not seconds:
        return None
    if wanted == MOST:
        return max(sorted(seconds), key=lambda speaker: seconds[speaker])
    if wanted not in seconds:
        raise ImportFaultError(label_file, None, _nobody("agent", wanted, seconds, name))
    return wanted


def _with_roles(scene: _Scene, users: Iterable[str]) -> tuple[Utterance, ...]:
    users = set(users)

    def role(utterance: Utterance) -> Role:
        if utterance.kind is not None:
            return "agent" if utterance.kind == "response" else "user"
        if utterance.speaker == scene.agent and scene.agent is not None:
            return "agent"
        return "user" if utterance.speaker is None or utterance.speaker in users else "other"

    return tuple(replace(utterance, role=role(utterance)) for utterance in scene.utterances)


def _tags(scene: _Scene, users: tuple[str, ...]) -> dict[str, TagValue]:
    tags = {**scene.tags}
    if scene.agent is not None:
        tags["agent_speaker"] = scene.agent
    if len(users) == 1:
        tags["user_speaker"] = users[0]
    return tags


def _of_one_file(scene: _Scene, path: Path, casting: Casting) -> SourceRecording:
    utterances = _with_roles(scene, scene.users)
    try:
        n_channels = int(audio_info(path).channels)
    except AudioError as error:
        raise ImportFaultError(shown(path), None, str(error).removeprefix(f"{path}: ")) from error
    user, agent = _channels(scene, utterances, n_channels, casting)
    notes: tuple[str, ...] = ()
    if n_channels > 1:
        utterances, notes = _on_their_channels(scene, utterances, user)
    has_agent = any(utterance.role == "agent" for utterance in utterances)
    tags = _tags(scene, scene.users)
    mixed = has_agent and agent is None
    if mixed:
        tags["mixed"] = True
    return SourceRecording(
        id=scene.name,
        user=ChannelSource(path=path, channel=user - 1),
        agent=ChannelSource(path=path, channel=agent - 1) if agent is not None else None,
        utterances=utterances,
        label_file=scene.label_file,
        mixed=mixed,
        tags=tags,
        notes=notes,
    )


def _separating(utterances: Iterable[Utterance]) -> bool:
    """Whether the labels' channels tell anybody apart; many tools write the same number on every line."""
    return len({utterance.channel for utterance in utterances}) > 1


def _channels(
    scene: _Scene, utterances: tuple[Utterance, ...], n_channels: int, casting: Casting
) -> tuple[int, int | None]:
    """Channel of the user and of the agent, from 1."""
    if casting.user_channel is not None and casting.user_channel > n_channels:
        there = f"has no channel {casting.user_channel}, only {n_channels}"
        raise ImportFaultError(scene.label_file, None, f"the audio of {scene.name!r} {there}")
    if n_channels == 1:
        return 1, None
    of_role = {
        role: {u.channel for u in utterances if u.role == role and u.channel is not None} for role in ("user", "agent")
    }
    separate = _separating(utterances)
    user = casting.user_channel
    if user is None and separate and len(of_role["user"]) == 1 and not of_role["user"] & of_role["agent"]:
        (user,) = of_role["user"]
    if user is None:
        message = (
            f"the audio of {scene.name!r} has {n_channels} channels, and the labels do not say which is the user's"
        )
        raise ImportFaultError(scene.label_file, None, f"{message}; give user_channel (--user-channel)")
    if user > n_channels:
        raise ImportFaultError(scene.label_file, None, f"the audio of {scene.name!r} has no channel {user}")
    if separate and of_role["agent"] == {user}:
        message = f"the labels of {scene.name!r} put the agent on channel {user}, which was given as the user's"
        raise ImportFaultError(scene.label_file, None, f"{message}; give another user_channel (--user-channel)")
    others = of_role["agent"] - {user} if separate else set()
    if len(others) == 1 and next(iter(others)) <= n_channels:
        return user, next(iter(others))
    return user, 3 - user if n_channels == 2 else None


def _on_their_channels(
    scene: _Scene, utterances: tuple[Utterance, ...], user: int
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    """What is heard on the user's channel, and notes of what the labels put on another one.

    Raises
    ------
    ImportFaultError
        If all that users say is on other channels, or it is not known who is on which channel.
    """
    separate = _separating(utterances)

    def is_heard(utterance: Utterance) -> bool:
        return not separate or utterance.role == "agent" or utterance.channel in (None, user)

    heard = tuple(utterance for utterance in utterances if is_heard(utterance))
    elsewhere = [utterance for utterance in utterances if not is_heard(utterance)]
    if any(u.role == "user" for u in elsewhere) and not any(u.role == "user" for u in heard):
        channels = ", ".join(
            str(channel) for channel in sorted({u.channel or 0 for u in elsewhere if u.role == "user"})
        )
        message = f"the labels of {scene.name!r} put the user on channel {channels}, not on {user}"
        raise ImportFaultError(scene.label_file, None, f"{message}; give another user_channel (--user-channel)")
    placed = {u.speaker for u in heard if u.kind is None and u.channel is not None}
    nowhere = {u.speaker for u in heard if u.kind is None and u.channel is None}
    if not separate and len(placed) > 1:
        nowhere |= placed
    if scene.agent is None and len({u.speaker for u in heard if u.kind is None}) > 1 and nowhere:
        names = ", ".join(sorted(str(speaker) for speaker in nowhere))
        message = f"the labels of {scene.name!r} do not say on which channels {names} are; give agent (--agent)"
        raise ImportFaultError(scene.label_file, None, message)
    left_out = Counter((str(u.speaker or u.kind), u.channel) for u in elsewhere)
    notes = tuple(
        f"left out {n} label{'s' if n != 1 else ''} of {who}: on channel {channel}, and the user is on {user}"
        for (who, channel), n in sorted(left_out.items())
    )
    everywhere = {u.channel for u in utterances} - {None, user}
    if not separate and everywhere:
        notes = (
            f"channel {everywhere.pop()} on every label does not separate the speakers: the user is on {user}, "
            "as given",
        )
    return heard, notes


def _of_speaker_files(scene: _Scene, audio: AudioFiles, speaker_files: Mapping[str, Path]) -> list[SourceRecording]:
    speakers = [*scene.users, *([scene.agent] if scene.agent is not None else [])]
    files: dict[str, Path] = {}
    for speaker in speakers:
        found = [speaker_files[speaker]] if speaker in speaker_files else audio.of_speaker(scene.name, speaker)
        if len(found) == 1:
            files[speaker] = found[0]
    missing = [speaker for speaker in speakers if speaker not in files]
    if missing or not scene.users:
        looked_for = [scene.name, *(f"{scene.name}_{speaker}" for speaker in missing)]
        raise ImportFaultError(
            scene.label_file, None, f"there must be exactly one audio file named {' or '.join(looked_for)}"
        )
    recordings = []
    for user in scene.users:
        # Another user's speech is on that user's own channel, and on this one only as it leaks: it is not labelled.
        mine = [u for u in _with_roles(scene, [user]) if u.role != "other"]
        recordings.append(
            SourceRecording(
                id=scene.name if len(scene.users) == 1 else f"{scene.name}-{user}",
                user=ChannelSource(path=files[user]),
                agent=ChannelSource(path=files[scene.agent]) if scene.agent is not None else None,
                utterances=tuple(mine),
                label_file=scene.label_file,
                tags=_tags(scene, (user,)),
            )
        )
    return recordings
