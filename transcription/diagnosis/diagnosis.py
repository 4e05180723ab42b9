"""The first seconds of one stream of bare samples, looked at as they come."""

import string
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from inference.audio import SAMPLE_BYTES, decode_pcm
from inference.messages import Encoding
from transcription.containers import NAMES, UndecodableAudioError, read_wav_header, sniff
from transcription.diagnosis import findings, readings
from transcription.diagnosis.cadence import Cadence, Voice, rate_of
from transcription.diagnosis.channels import Interleaving
from transcription.diagnosis.findings import Declared, Finding

MAX_LOOK_S: Final = 25.0
"""Audio that is looked at while PACE_S is not over: six times as much when stereo at 48 kHz was taken for mono at 16 kHz."""
LOOK_S: Final = 5.0
"""Audio after which nothing is looked at any more …"""
PACE_S: Final = 3.5
"""… and how long the clock is watched at least: a file may have come at once."""
WINDOW_BYTES: Final = 8_192
MAX_SUSPICIOUS_BYTES: Final = 32_768
SILENT_S: Final = 2.5
LOUD: Final = 0.02
"""Root mean square. Bytes that are read in a wrong way are louder, and in quiet audio nothing can be told."""
NUM_PLAUSIBLE: Final = 4
"""So many windows without a sign of another encoding settle that question."""
CLIPPED_SHARE: Final = 0.02
CLIPPED_LEVEL: Final = 0.999
MIN_CLIPPED_S: Final = 1.0
SAYS_PACE: Final = frozenset({"looks_like_other_rate", "looks_like_stereo", "looks_like_mono"})
"""Each explains a wrong pace."""
MIN_TEXT_BYTES: Final = 64
MIN_TEXT_CHARACTERS: Final = 12
PRINTABLE: Final = frozenset(string.printable.encode())
BASE64: Final = frozenset((string.ascii_letters + string.digits + "+/=-_\r\n").encode())
WAV_TYPES: Final[dict[str, Encoding]] = {"<i2": "pcm_s16le", "<f4": "pcm_f32le", "mulaw": "mulaw", "alaw": "alaw"}


class Diagnosis:
    """Args:
    clock: monotonic seconds, for the pace at which audio comes.
    """

    def __init__(self, encoding: Encoding, sample_rate_hz: int, num_channels: int, clock: Callable[[], float]) -> None:
        self._declared = Declared(encoding, sample_rate_hz, num_channels)
        self._clock = clock
        self._window_bytes = WINDOW_BYTES if SAMPLE_BYTES[encoding] > 1 else WINDOW_BYTES // 2
        self._second_bytes = SAMPLE_BYTES[encoding] * num_channels * sample_rate_hz
        self._is_off = False
        self._num_kept_bytes = self._num_read_bytes = 0
        self._begun_s: float | None = None
        self._window = bytearray()
        self._suspicious = b""
        self._num_plausible = self._num_suspicious = 0
        self._is_silent = True
        self._num_loud = 0
        self._num_clipped = 0
        self._said: set[str] = set()
        self._interleaving = Interleaving()
        self._cadence = Cadence()
        self._voice = Voice(sample_rate_hz)

    @property
    def is_off(self) -> bool:
        """Nothing more will be said; whoever asks can forget it."""
        return self._is_off

    def look(self, payload: bytes) -> Finding | None:
        """The next bytes of the stream, in order; at most one finding, and each only once. Never waits."""
        if self._is_off or not payload:
            return None
        now_s = self._clock()
        is_first = self._begun_s is None
        self._begun_s = self._begun_s or now_s
        self._cadence.add(now_s, len(payload) / self._second_bytes)
        finding = (self._of_beginning(payload) if is_first else None) or self._of_text(payload)
        self._keep(payload[finding.skip_bytes :] if finding else payload)
        finding = finding or self._of_pace() or self._of_windows()
        if (finding is not None and finding.is_fatal) or self._has_seen_enough(now_s):
            self._switch_off()
        return finding

    def _keep(self, payload: bytes) -> None:
        """For the windows; the first seconds of it."""
        room_bytes = max(0, round(MAX_LOOK_S * self._second_bytes) - self._num_kept_bytes)
        self._num_kept_bytes += len(payload)
        self._window += payload[:room_bytes]

    def _has_seen_enough(self, now_s: float) -> bool:
        assert self._begun_s is not None
        is_read = len(self._window) < self._window_bytes and self._num_kept_bytes >= LOOK_S * self._second_bytes
        return is_read and now_s - self._begun_s > PACE_S

    def _switch_off(self) -> None:
        self._is_off = True
        self._window, self._suspicious = bytearray(), b""

    def _once(self, finding: Finding) -> Finding | None:
        if finding.code in self._said:
            return None
        self._said.add(finding.code)
        return finding

    # The first message

    def _of_beginning(self, payload: bytes) -> Finding | None:
        kind = sniff(payload)
        if kind is None:
            return None
        return self._of_wav(payload) if kind == "wav" else findings.container(NAMES[kind], kind)

    def _of_wav(self, payload: bytes) -> Finding:
        try:
            header = read_wav_header(payload)
        except UndecodableAudioError as err:
            return findings.wav_header_unreadable(err.message)
        if header is None:
            return findings.wav_header_unreadable("It does not end with the first message.")
        track = header.track
        encoding = WAV_TYPES.get(track.sample_type)
        if encoding is None or Declared(encoding, track.sample_rate_hz, track.num_channels) != self._declared:
            described = f"{encoding or track.sample_type} at {track.sample_rate_hz} Hz with {track.num_channels} channel(s)"
            return findings.wav_header_differs(described, self._declared)
        return findings.wav_header(self._declared, header.num_bytes)

    def _of_text(self, payload: bytes) -> Finding | None:
        """Audio has bytes that are no text, and text has many different ones: idle A-law is one letter over and over.

        A stretch of quiet mu-law may hold printable characters only; but those of the alphabet of base64 are loud.
        """
        if payload[0] == ord("{") and payload[-1] == ord("}") and _is_json(payload):
            return findings.text()
        if len(payload) < MIN_TEXT_BYTES or payload[0] >= 0x80 or payload[-1] >= 0x80:
            return None
        characters = set(payload)
        alphabet = BASE64 if self._declared.encoding in {"mulaw", "alaw"} else PRINTABLE
        return findings.text() if len(characters) >= MIN_TEXT_CHARACTERS and characters <= alphabet else None

    # The pace

    def _of_pace(self) -> Finding | None:
        if self._said & SAYS_PACE or self._num_plausible == 0:
            return None
        speed = self._cadence.speed
        rate_hz = None if speed is None else rate_of(speed, self._declared.sample_rate_hz)
        if speed is None or rate_hz is None or not self._voice.fits(speed):
            return None
        if self._declared.num_channels == 2 and abs(speed * 2 - 1) < 0.1:
            return None  # one channel taken for two comes as slowly
        return self._once(findings.other_rate(rate_hz, self._declared, speed))

    # Windows of audio

    def _of_windows(self) -> Finding | None:
        found: Finding | None = None
        while len(self._window) >= self._window_bytes and found is None:
            window = bytes(self._window[: self._window_bytes])
            del self._window[: self._window_bytes]
            self._num_read_bytes += len(window)
            found = self._of_window(window)
        return found

    def _of_window(self, window: bytes) -> Finding | None:
        declared = self._declared
        samples = decode_pcm(window, declared.encoding, 1)
        if self._is_silent and (found := self._of_silence(samples)) is not None:
            return found
        is_loud = float(np.sqrt(np.dot(samples, samples) / len(samples))) > LOUD
        found = self._of_encoding(window) if is_loud or declared.encoding == "pcm_f32le" else None
        return found or (self._of_sound(samples) if is_loud else None)

    def _of_silence(self, samples: np.ndarray) -> Finding | None:
        """Also a level that never changes: the zero of A-law is none. A file that comes at once may begin as it likes."""
        self._is_silent = float(samples.min()) == float(samples.max())
        duration_s = self._num_read_bytes / self._second_bytes
        elapsed_s = self._clock() - (self._begun_s or 0.0)
        is_muted = self._is_silent and duration_s >= SILENT_S and elapsed_s >= SILENT_S / 2
        return self._once(findings.silent(duration_s)) if is_muted else None

    def _of_encoding(self, window: bytes) -> Finding | None:
        declared = self._declared
        if self._num_plausible >= NUM_PLAUSIBLE or not any(window) or readings.is_artificial(window, declared.encoding):
            return None
        if readings.is_plausible(window, declared.encoding, declared.num_channels):
            self._num_plausible += 1
            return self._of_law(window)
        self._suspicious = (self._suspicious + window)[-MAX_SUSPICIOUS_BYTES:]
        self._num_suspicious += 1
        if self._num_plausible >= self._num_suspicious:
            return None
        largest = readings.largest_of_scaled(self._suspicious) if declared.encoding == "pcm_f32le" else None
        if largest is not None:
            return findings.float_out_of_range(largest)
        name = readings.identify(self._suspicious, declared.encoding)
        if name is not None:
            return findings.wrong_encoding(name, declared)
        is_certain = declared.encoding == "pcm_f32le" and len(self._suspicious) >= 2 * WINDOW_BYTES
        return findings.no_floats() if is_certain else None

    def _of_law(self, window: bytes) -> Finding | None:
        """Mu-law and A-law differ little; twice as much audio is needed, and it stays a guess."""
        encoding = self._declared.encoding
        if encoding not in {"mulaw", "alaw"}:
            return None
        self._suspicious += window
        if len(self._suspicious) < 2 * WINDOW_BYTES or not readings.is_other_law(self._suspicious, encoding):
            return None
        return self._once(findings.other_law("alaw" if encoding == "mulaw" else "mulaw", self._declared))

    def _of_sound(self, samples: np.ndarray) -> Finding | None:
        declared = self._declared
        if self._num_plausible == 0:
            return None  # what is read in a wrong way has no sound
        self._interleaving.add(samples)
        if declared.num_channels == 1 and self._interleaving.is_of_pairs:
            return self._once(findings.stereo(declared))
        if declared.num_channels == 2 and self._interleaving.is_of_singles:
            return self._once(findings.mono(declared))
        if not self._said & SAYS_PACE:
            self._voice.add(samples if declared.num_channels == 1 else samples.reshape(-1, 2).mean(axis=1))
        return self._of_clipping(samples)

    def _of_clipping(self, samples: np.ndarray) -> Finding | None:
        self._num_loud += len(samples)
        self._num_clipped += int(np.count_nonzero(np.abs(samples) >= CLIPPED_LEVEL))
        if self._num_loud < MIN_CLIPPED_S * self._declared.sample_rate_hz * self._declared.num_channels:
            return None
        share = self._num_clipped / self._num_loud
        return self._once(findings.clipped(100 * share)) if share > CLIPPED_SHARE else None


def _is_json(payload: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(payload), dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
