"""What a caller chooses when a stream is opened, and what follows from it. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
Container = Literal["wav", "webm", "ogg", "flac", "mp3", "mp4"]
SAMPLE_BYTES: dict[str, int] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
MIN_BUFFER_S = 30.0
"""The longest segment that a server may have to hear again from its beginning has 29 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """How audio is sent. A container (a file as it is) has no frames that we know of: its bytes are counted instead."""

    encoding: Encoding | Container = "pcm_s16le"
    sample_rate_hz: int = 16_000
    num_channels: int = 1

    def __post_init__(self) -> None:
        if not 8_000 <= self.sample_rate_hz <= 48_000:
            raise ValueError(f"sample_rate is {self.sample_rate_hz}; expected 8000 to 48000. Resample the audio first.")
        if self.num_channels not in {1, 2}:
            raise ValueError(f"channels is {self.num_channels}; expected 1 or 2. Mix the audio down first.")

    @property
    def is_raw(self) -> bool:
        return self.encoding in SAMPLE_BYTES

    @property
    def frame_bytes(self) -> int:
        return SAMPLE_BYTES[self.encoding] * self.num_channels if self.is_raw else 1

    def frames_in(self, duration_s: float) -> int:
        """A container is taken for 16 kB a second, which is what compressed music has."""
        return int(duration_s * (self.sample_rate_hz if self.is_raw else 16_000))

    def frames_of_ms(self, at_ms: int) -> int:
        return at_ms * self.sample_rate_hz // 1000

    def ms_of(self, frames: int) -> int:
        return frames * 1000 // self.sample_rate_hz if self.is_raw else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """All that decides what a stream says and when it gives up.

    Args:
        recognition: fields of `start` (language, model, hotwords …), only those that were given.
        when_full: "wait" makes `send` wait until the server has room; "drop_oldest" is for sources that cannot wait.
        on_lost_session: "raise" ResumeImpossible, or "restart" in a new session with what is still buffered.
        buffer_s: audio kept for sending again; more than the 60 s that a server lets wait, so that this is what holds us back.
        wait_s: how long to try again when the server is full at the beginning.
        reconnect_s: how long to try to get a lost connection back.
    """

    format: AudioFormat = field(default_factory=AudioFormat)
    recognition: dict[str, Any] = field(default_factory=dict)
    reliable: bool = True
    when_full: Literal["wait", "drop_oldest"] = "wait"
    on_lost_session: Literal["raise", "restart"] = "raise"
    buffer_s: float = 90.0
    open_timeout_s: float = 10.0
    wait_s: float = 30.0
    reconnect_s: float = 120.0

    def __post_init__(self) -> None:
        if self.when_full not in {"wait", "drop_oldest"}:
            raise ValueError(f"when_full is {self.when_full!r}; expected 'wait' or 'drop_oldest'.")
        if self.on_lost_session not in {"raise", "restart"}:
            raise ValueError(f"on_lost_session is {self.on_lost_session!r}; expected 'raise' or 'restart'.")
        if self.reliable and not self.format.is_raw:
            raise ValueError(f"A {self.format.encoding} file can only be sent with reliable=False: it has no sample offsets.")
        if self.buffer_s < MIN_BUFFER_S:
            raise ValueError(f"buffer_s is {self.buffer_s:g}; expected {MIN_BUFFER_S:g} or more.")

    @property
    def max_frames(self) -> int:
        return self.format.frames_in(self.buffer_s)
