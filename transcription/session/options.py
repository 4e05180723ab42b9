"""What a client asked for in `start` and `configure`, as the rest of the server needs it. Pure."""

from dataclasses import replace
from typing import Final, get_args

from msgspec import UNSET, UnsetType, structs

from inference.messages import StreamOptions
from transcription.protocol import Configure, ContainerEncoding, RawEncoding, Start
from transcription.serving.routes import Choice
from transcription.session.actions import ConfigureRecognition
from transcription.session.intake import AudioFormat

NO_CHANGE: Final = ConfigureRecognition()


def container_of(start: Start) -> ContainerEncoding | None:
    """The container that `start` names, if it names one."""
    return next((kind for kind in get_args(ContainerEncoding) if kind == start.encoding), None)


def raw_format_of(start: Start) -> AudioFormat:
    """How bare samples are to be read; no encoding stands for 16-bit samples."""
    encoding: RawEncoding = next((kind for kind in get_args(RawEncoding) if kind == start.encoding), "pcm_s16le")
    return AudioFormat(encoding, start.sample_rate, start.channels)


def unsupported_in(start: Start) -> str | None:
    """Why a session cannot begin like this, or None."""
    if start.reliable and container_of(start) is not None:
        return f"reliable is true and encoding is {start.encoding}; only raw samples can be numbered. Leave one of them out."
    return None


def misread_without(start: Start, *, taken: AudioFormat | ContainerEncoding, is_reliable: bool) -> str | None:
    """Why audio that came before `start` was misread, or None. `taken`: as what it was read."""
    if start.reliable != is_reliable:
        return "start asks for reliable mode, but audio came before it. Send start first."
    said = container_of(start) or raw_format_of(start)
    if said == taken or (start.encoding is None and isinstance(taken, str)):
        return None
    return f"start says {_described(said)}, but audio came before it and was taken as {_described(taken)}. Send start first."


def change_of(start: Start, default_language: str) -> Configure:
    """What of a late `start` can still count."""
    return Configure(
        language=default_language if start.language is None else start.language,
        endpoint_ms=start.endpoint_ms,
        max_segment_s=start.max_segment_s,
        interim=start.interim,
        words=start.words,
        hotwords=start.hotwords,
        language_model=start.language_model,
    )


def applied_to(start: Start, change: Configure) -> Start:
    """`start` as if it had said what `change` says."""
    return structs.replace(start, **{name: given for name, given in structs.asdict(change).items() if given is not UNSET})


def stream_options(start: Start, languages: tuple[str, ...], audio_format: AudioFormat, choice: Choice) -> StreamOptions:
    return StreamOptions(
        encoding=audio_format.encoding,
        sample_rate_hz=audio_format.sample_rate_hz,
        num_channels=audio_format.num_channels,
        languages=languages,
        hotwords=tuple(start.hotwords),
        model=choice.model,
        partial_model=choice.partial_model,
        language_model=choice.language_model,
        interim=start.interim,
        endpoint_ms=start.endpoint_ms,
        max_segment_ms=round(start.max_segment_s * 1000),
        denoise=start.denoise,
    )


def recognition_change(
    change: Configure, languages: tuple[str, ...] | UnsetType, models: ConfigureRecognition = NO_CHANGE
) -> ConfigureRecognition:
    """`models`: what has to change of them besides."""
    seconds = change.max_segment_s
    return replace(
        models,
        languages=languages,
        hotwords=UNSET if isinstance(change.hotwords, UnsetType) else tuple(change.hotwords),
        endpoint_ms=change.endpoint_ms,
        max_segment_ms=UNSET if isinstance(seconds, UnsetType) else round(seconds * 1000),
        interim=change.interim,
    )


def _described(audio_format: AudioFormat | ContainerEncoding) -> str:
    if isinstance(audio_format, str):
        return audio_format
    return f"{audio_format.encoding} at {audio_format.sample_rate_hz} Hz with {audio_format.num_channels} channel(s)"
