"""`hark.connect`: what a caller may choose, in one signature."""

from collections.abc import Mapping, Sequence
from typing import Literal

from hark.addresses import DEFAULT_URL, stream_url
from hark.options import AudioFormat, Container, Encoding, StreamOptions
from hark.stream import Stream


def connect(
    url: str | Sequence[str] = DEFAULT_URL,
    *,
    key: str | None = None,
    language: str | Sequence[str] | None = None,
    model: str | None = None,
    scenario: str | None = None,
    language_model: str | None = None,
    hotwords: Sequence[str] = (),
    interim: bool = True,
    words: bool = True,
    endpoint_ms: int | None = None,
    max_segment_s: float | None = None,
    denoise: bool = False,
    store_audio: bool | None = None,
    metadata: Mapping[str, str | int | float | bool | None] | None = None,
    encoding: Encoding | Container = "pcm_s16le",
    sample_rate: int = 16_000,
    channels: int = 1,
    reliable: bool = True,
    when_full: Literal["wait", "drop_oldest"] = "wait",
    on_lost_session: Literal["raise", "restart"] = "raise",
    buffer_s: float = 90.0,
    open_timeout_s: float = 10.0,
    wait_s: float = 30.0,
    reconnect_s: float = 120.0,
) -> Stream:
    """A stream to be used in `async with`, which opens it.

    Args:
        url: address of the server, or several of one server (its web processes): the next is tried when one fails.
        key: an API key. It is sent in a header and never shown.
        language … metadata: as in the server's `start` message; None leaves the choice to the server.
        encoding, sample_rate, channels: of the audio that will be sent.
        reliable: number the audio, so that the session survives broken connections. Not for files sent as they are.
        when_full, on_lost_session, buffer_s, open_timeout_s, wait_s, reconnect_s: see `hark.options.StreamOptions`.

    Raises:
        ValueError: for what cannot be. HarkError when the stream is opened: nobody answers, refused, or full.
    """
    chosen = {
        "language": language if language is None or isinstance(language, str) else list(language),
        "model": model,
        "scenario": scenario,
        "language_model": language_model,
        "hotwords": list(hotwords) or None,
        "interim": interim,
        "words": words,
        "endpoint_ms": endpoint_ms,
        "max_segment_s": max_segment_s,
        "denoise": denoise or None,
        "store_audio": store_audio,
        "metadata": dict(metadata) if metadata else None,
    }
    options = StreamOptions(
        format=AudioFormat(encoding=encoding, sample_rate_hz=sample_rate, num_channels=channels),
        recognition={name: value for name, value in chosen.items() if value is not None},
        reliable=reliable,
        when_full=when_full,
        on_lost_session=on_lost_session,
        buffer_s=buffer_s,
        open_timeout_s=open_timeout_s,
        wait_s=wait_s,
        reconnect_s=reconnect_s,
    )
    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise ValueError("url is empty; expected the address of a server")
    return Stream([stream_url(one) for one in urls], key, options)
