"""From the bytes of a container to samples at 16 kHz, as they come. FFmpeg's decoders do the decoding, and nothing else of it."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import av
import numpy as np

from inference.audio import SAMPLE_RATE_HZ, Resampler, decode_pcm
from transcription.containers.errors import UndecodableAudioError
from transcription.containers.flac import read_flac
from transcription.containers.mp3 import read_mp3
from transcription.containers.mp4 import read_mp4
from transcription.containers.ogg import read_ogg
from transcription.containers.signatures import NAMES, ContainerKind
from transcription.containers.source import AudioTrack, EndOfInput, Reader, Source
from transcription.containers.wav import read_wav
from transcription.containers.webm import read_webm

READERS: Final[dict[ContainerKind, Callable[[Source], Reader]]] = {
    "wav": read_wav,
    "webm": read_webm,
    "ogg": read_ogg,
    "flac": read_flac,
    "mp3": read_mp3,
    "mp4": read_mp4,
}
MAX_S_AT_ONCE: Final = 600
"""Audio that one message may hold: 1 MiB of Opus at 14 kbit/s. In memory it is 19 MB."""
MAX_SAMPLES_PER_BYTE: Final = 1_000
"""16 bytes for a second. Silence in FLAC and Vorbis, the smallest of all, needs about as many."""
FREE_S: Final = 60
"""Audio that a stream may hold beyond that."""
MAX_BAD_PACKETS: Final = 10
"""Damaged packets in a row. One alone is left out: a decoder that begins in mid-stream complains of its first."""
NO_AUDIO: Final = np.zeros(0, dtype=np.float32)


class Decoder(Protocol):
    """Packets in, mono float32 (num_samples,) out, each piece with its rate in Hz."""

    def decode(self, packet: bytes) -> Iterator[tuple[np.ndarray, int]]: ...

    def flush(self) -> Iterator[tuple[np.ndarray, int]]: ...


class ContainerDecoder:
    """One stream. `push` and `finish` never wait for anything; they take CPU and may run in any thread, one at a time.

    Times are those of the audio that is there: where a recording was paused, nothing is put in.
    """

    def __init__(self, kind: ContainerKind) -> None:
        self.kind: Final = kind
        self._source = Source()
        self._items = READERS[kind](self._source)
        self._decoder: Decoder | None = None
        self._converter = Converter()
        self._to_skip = 0
        self._num_bad_packets = 0
        self._allowance_samples = FREE_S * SAMPLE_RATE_HZ
        self._num_bytes = 0

    def push(self, payload: bytes) -> bytes:
        """The samples that became available: 16 kHz, mono, 16-bit little-endian.

        Raises:
            UndecodableAudioError: the stream is damaged, of another format than was said, or far larger than its bytes.
        """
        self._num_bytes += len(payload)
        self._allowance_samples += len(payload) * MAX_SAMPLES_PER_BYTE
        self._source.push(payload)
        return self._drained()

    def finish(self) -> bytes:
        """What was held back; no more bytes will come.

        Raises:
            UndecodableAudioError: the stream ends before its audio begins.
        """
        self._source.is_over = True
        pcm = self._drained()
        if self._decoder is None:
            if self._num_bytes:
                raise UndecodableAudioError(
                    f"The audio ends after {self._num_bytes} bytes, within the header of {NAMES[self.kind]}."
                )
            return b""
        for audio, rate_hz in self._decoder.flush():
            self._converter.add(audio, rate_hz)
        return pcm + self._converter.take(is_last=True)

    def _drained(self) -> bytes:
        num_samples = 0
        for audio, rate_hz in self._audio():
            num_samples += len(audio) * SAMPLE_RATE_HZ // rate_hz
            if num_samples > min(MAX_S_AT_ONCE * SAMPLE_RATE_HZ, self._allowance_samples):
                raise UndecodableAudioError(
                    f"More than {num_samples // SAMPLE_RATE_HZ} s of audio came in very few bytes. Send it in smaller messages."
                )
            self._converter.add(audio, rate_hz)
        self._allowance_samples -= num_samples
        return self._converter.take()

    def _audio(self) -> Iterator[tuple[np.ndarray, int]]:
        """Mono float32 (num_samples,) with its rate, until more bytes are wanted."""
        try:
            for item in self._items:
                if item is None:
                    return
                if isinstance(item, AudioTrack):
                    self._decoder = _decoder_of(item)
                    self._to_skip = item.skip_samples
                else:
                    yield from self._decoded(item)
        except EndOfInput:
            return

    def _decoded(self, packet: bytes) -> Iterator[tuple[np.ndarray, int]]:
        assert self._decoder is not None
        try:
            for audio, rate_hz in self._decoder.decode(packet):
                skipped = min(self._to_skip, len(audio))
                self._to_skip -= skipped
                yield audio[skipped:], rate_hz
            self._num_bad_packets = 0
        except av.FFmpegError as err:
            self._num_bad_packets += 1
            if self._num_bad_packets > MAX_BAD_PACKETS:
                raise UndecodableAudioError(
                    f"{self._num_bad_packets} packets in a row cannot be decoded: {NAMES[self.kind]} is damaged."
                ) from err


class Converter:
    """Collects decoded pieces and makes 16-bit samples at 16 kHz of them, many at once: a packet holds some milliseconds."""

    def __init__(self) -> None:
        self._rate_hz = SAMPLE_RATE_HZ
        self._resampler = Resampler(SAMPLE_RATE_HZ)
        self._waiting: list[np.ndarray] = []
        self._num_waiting = 0
        self._pcm: list[bytes] = []

    def add(self, audio: np.ndarray, rate_hz: int) -> None:
        """Mono float32 (num_samples,)."""
        if rate_hz != self._rate_hz:
            self._convert(is_last=True)
            self._rate_hz, self._resampler = rate_hz, Resampler(rate_hz)
        self._waiting.append(audio)
        self._num_waiting += len(audio)
        if self._num_waiting > rate_hz:
            self._convert()

    def take(self, *, is_last: bool = False) -> bytes:
        """What was converted since; `is_last` also gives what the filter still holds."""
        self._convert(is_last=is_last)
        pcm, self._pcm = b"".join(self._pcm), []
        return pcm

    def _convert(self, *, is_last: bool = False) -> None:
        if self._waiting or is_last:
            audio = np.concatenate([*self._waiting, NO_AUDIO])
            self._waiting, self._num_waiting = [], 0
            self._pcm.append(_to_pcm(self._resampler.push(audio, is_last=is_last)))


def _to_pcm(audio: np.ndarray) -> bytes:
    return np.rint(audio.clip(-1.0, 1.0) * 32767.0).astype("<i2").tobytes()


def _decoder_of(track: AudioTrack) -> Decoder:
    if not track.num_channels or track.sample_rate_hz <= 0:
        raise UndecodableAudioError(
            f"The file says {track.sample_rate_hz} Hz and {track.num_channels} channels, which cannot be."
        )
    return PcmDecoder(track) if track.codec == "pcm" else CodecDecoder(track)


class PcmDecoder:
    """Bare samples; those that are cut by the end of a packet are joined."""

    def __init__(self, track: AudioTrack) -> None:
        self._track = track
        sample_bytes = int(track.sample_type[2:]) if track.sample_type.startswith("<") else 1
        self._frame_bytes = sample_bytes * track.num_channels
        self._rest = b""

    def decode(self, packet: bytes) -> Iterator[tuple[np.ndarray, int]]:
        joined = self._rest + packet
        num_whole = len(joined) // self._frame_bytes * self._frame_bytes
        whole, self._rest = joined[:num_whole], joined[num_whole:]
        samples = _samples(whole, self._track.sample_type).reshape(-1, self._track.num_channels)
        yield samples.mean(axis=1, dtype=np.float32), self._track.sample_rate_hz

    def flush(self) -> Iterator[tuple[np.ndarray, int]]:
        return iter(())


def _samples(whole: bytes, sample_type: str) -> np.ndarray:
    """float32 in [-1, 1]."""
    if sample_type in {"<f4", "<f8"}:
        return np.nan_to_num(np.frombuffer(whole, sample_type).clip(-1, 1).astype(np.float32), nan=0.0)
    if sample_type in {"mulaw", "alaw"}:
        return decode_pcm(whole, "mulaw" if sample_type == "mulaw" else "alaw", 1)
    if sample_type == "<i3":
        upper = np.zeros((len(whole) // 3, 4), dtype=np.uint8)
        upper[:, 1:] = np.frombuffer(whole, np.uint8).reshape(-1, 3)
        return upper.reshape(-1).view("<i4").astype(np.float32) / 2.0**31
    if sample_type == "u1":
        return (np.frombuffer(whole, np.uint8).astype(np.float32) - 128.0) / 128.0
    return np.frombuffer(whole, sample_type).astype(np.float32) / float(np.iinfo(sample_type).max + 1)


class CodecDecoder:
    """One of FFmpeg's decoders, in the thread that calls it."""

    def __init__(self, track: AudioTrack) -> None:
        try:
            context = av.CodecContext.create(track.codec, "r")
            assert isinstance(context, av.AudioCodecContext)
            context.thread_count = 1
            context.sample_rate = track.sample_rate_hz
            context.layout = {1: "mono", 2: "stereo"}.get(track.num_channels, f"{track.num_channels}c")
            context.extradata = track.extradata or None
            context.open()
            self._context = context
        except (av.FFmpegError, ValueError) as err:
            raise UndecodableAudioError(f"The header of the {track.codec} audio is damaged.") from err

    def decode(self, packet: bytes) -> Iterator[tuple[np.ndarray, int]]:
        if packet:  # an empty one would mean the end
            yield from self._mixed(self._context.decode(av.Packet(packet)))

    def flush(self) -> Iterator[tuple[np.ndarray, int]]:
        try:
            yield from self._mixed(self._context.decode(None))
        except av.FFmpegError:
            return  # the last packet was damaged: there is nothing to give

    @staticmethod
    def _mixed(frames: list[av.AudioFrame]) -> Iterator[tuple[np.ndarray, int]]:
        for frame in frames:
            samples = frame.to_ndarray()
            if not frame.format.is_planar:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            scale = 1.0 if samples.dtype.kind == "f" else 2.0 ** (1 - 8 * samples.dtype.itemsize)
            yield samples.mean(axis=0, dtype=np.float32) * np.float32(scale), frame.sample_rate
