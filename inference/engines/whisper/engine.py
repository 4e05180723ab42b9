"""The Whisper engine: windows in, hypotheses out, for tiny.en as for every other size.

A short window is not padded to 30 s. After its own frames the decoder is shown what the encoder makes of silence, up to 30 s,
computed once at load ("borrowed silence"): the decoder then stops at the end of the speech as it does in a 30 s
window, which bare short windows do not (they start over and loop), and the encoder does not pay for the padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from inference.audio import SAMPLE_RATE_HZ
from inference.config import Precision
from inference.engines.base import Hypothesis, Window, Word
from inference.engines.whisper.alignment import monotonic_path, normalise
from inference.engines.whisper.decoding import Row, Task, Writer
from inference.engines.whisper.features import MS_PER_ENCODER_FRAME, SAMPLES_PER_ENCODER_FRAME, LogMel
from inference.engines.whisper.network import AudioMemory, WhisperNetwork
from inference.engines.whisper.vocabulary import TRAILING_PUNCTUATION, WordTokens, spoken
from inference.engines.whisper.weights.layout import ModelFiles
from inference.messages import ModelInfo

MAX_WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ
PADDING_SAMPLES = SAMPLE_RATE_HZ // 2
MULTILINGUAL_FINAL_PADDING_SAMPLES = 8 * SAMPLE_RATE_HZ
"""Zeros that are really encoded behind a final where the model knows many languages, and most of them less well."""
BORROWED_FRAMES = MAX_WINDOW_SAMPLES // SAMPLES_PER_ENCODER_FRAME
MIN_TOKENS = 10
MAX_TOKENS_PER_S = 14
STABLE_AFTER_MS = 600
"""A word is called stable when it ended this long before the end of the audio and was written the same twice."""
NO_SPEECH_PROB = 0.6
MIN_MEAN_LOG_PROB = -1.0
KEEP_LANGUAGE_BELOW = 0.8
MIN_SWITCH_MS = 3000


@dataclass(slots=True)
class WhisperState:
    """Of one stream: its language, and of the segment being spoken the tokens written last and how many are stable."""

    language: str = ""
    segment_language: str = ""
    tokens: tuple[int, ...] = ()
    num_stable: int = 0

    def forget_segment(self) -> None:
        self.segment_language = ""
        self.tokens = ()
        self.num_stable = 0


def padded(audio: np.ndarray, num_padding: int) -> np.ndarray:
    """`audio` with `num_padding` samples of silence behind it, rounded up to whole encoder frames, at most 30 s."""
    num_samples = min(len(audio) + num_padding, MAX_WINDOW_SAMPLES)
    num_samples += -num_samples % SAMPLES_PER_ENCODER_FRAME
    result = np.zeros(num_samples, dtype=np.float32)
    result[: len(audio)] = audio[:num_samples]
    return result


class WhisperEngine:
    """Args:
    files: where the weights lie.
    precision: torch dtype of the network's arithmetic; features and probabilities are always float32.
    num_borrowed: frames of silence that the decoder is shown after a window, as far as 30 s have room for them.
    """

    def __init__(self, files: ModelFiles, precision: torch.dtype, *, num_borrowed: int = BORROWED_FRAMES) -> None:
        self.files = files
        self.precision = precision
        self.num_borrowed = num_borrowed
        self.vocabulary = files.vocabulary()
        self.num_final_padding = MULTILINGUAL_FINAL_PADDING_SAMPLES if self.vocabulary.is_multilingual else PADDING_SAMPLES
        self.info = ModelInfo(
            name=files.name, engine="whisper", languages=self.vocabulary.tags, multilingual=self.vocabulary.is_multilingual
        )

    @torch.inference_mode()
    def load(self) -> None:
        torch.set_num_threads(1)  # more threads fight over shared cores: docs/decisions/0003-one-thread.md
        weights = self.files.load()
        self.network = WhisperNetwork.from_parameters(weights.parameters, weights.num_heads).to(self.precision)
        self.log_mel = LogMel(self.network.dims.num_mels)
        self.writer = Writer(self.network, self.vocabulary)
        encoded, _num_frames = self._encode([np.zeros(MAX_WINDOW_SAMPLES, dtype=np.float32)])
        self.silence = self.network.decoder.project(encoded)

    def warm_up(self) -> None:
        rng = np.random.default_rng(0)
        for num_seconds in (1, 5):
            noise = rng.standard_normal(num_seconds * SAMPLE_RATE_HZ, dtype=np.float32) * 0.01
            self.step([Window(self.open_stream(), noise, self.info.languages[:1], is_final=True)])

    def open_stream(self) -> WhisperState:
        return WhisperState()

    def finish(self, state: WhisperState) -> None:
        state.forget_segment()

    def close(self) -> None:
        for name in ("network", "writer", "silence"):
            vars(self).pop(name, None)  # not there when loading failed

    @torch.inference_mode()
    def step(self, batch: Sequence[Window[WhisperState]]) -> list[Hypothesis]:
        """1. encode all windows, 2. settle each row's language, 3. write, 4. turn tokens into words with times."""
        encoded, num_frames = self._encode(
            [padded(window.audio, self.num_final_padding if window.is_final else PADDING_SAMPLES) for window in batch]
        )
        audio = self.network.listen(encoded, num_frames, self.silence, self.num_borrowed)
        self._settle_languages(batch, audio)
        rows = self.writer.write(audio, num_frames.tolist(), [self._task(window) for window in batch])
        return [self._hypothesis(window, row) for window, row in zip(batch, rows, strict=True)]

    def _encode(self, windows: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Encoder output (batch, frames, states) of padded windows and the number of frames of each."""
        mels = [self.log_mel(audio) for audio in windows]
        num_mel_frames = torch.tensor([mel.shape[1] for mel in mels])
        mel_batch = torch.zeros(len(mels), self.network.dims.num_mels, int(num_mel_frames.max()))
        for row, mel in zip(mel_batch, mels, strict=True):
            row[:, : mel.shape[1]] = mel
        return self.network.encoder(mel_batch.to(self.precision), num_mel_frames), num_mel_frames // 2

    def _settle_languages(self, batch: Sequence[Window[WhisperState]], audio: AudioMemory) -> None:
        """Give every state the language of this segment; detect where the listener left it open."""
        for window in batch:
            if len(window.languages) == 1:
                window.state.segment_language = window.languages[0]
        open_rows = [row for row, window in enumerate(batch) if len(window.languages) != 1]
        if not self.vocabulary.is_multilingual or not open_rows:
            for row in open_rows:
                batch[row].state.segment_language = "en"
            return
        probs = self.writer.language_probs(audio.keep(torch.tensor(open_rows)))
        for row, row_probs in zip(open_rows, probs, strict=True):
            self._choose_language(batch[row], row_probs)

    def _choose_language(self, window: Window[WhisperState], probs: np.ndarray) -> None:
        """The likeliest allowed language; another one than the stream's last only when long and clear enough."""
        state = window.state
        if state.num_stable and not window.is_final:
            return  # what was called stable would be written anew
        names = tuple(self.vocabulary.languages)
        wanted = {spoken(tag): tag for tag in window.languages or names}
        allowed = [index for index, name in enumerate(names) if name in wanted]
        best = max(allowed, key=lambda index: probs[index])
        is_clear = probs[best] >= KEEP_LANGUAGE_BELOW * probs[allowed].sum()
        is_long = len(window.audio) >= MIN_SWITCH_MS * SAMPLE_RATE_HZ // 1000
        is_kept = state.language in wanted.values() and not (is_clear and is_long)
        language = state.language if is_kept else wanted[names[best]]
        if language != state.segment_language:
            state.forget_segment()
        state.segment_language = language
        if is_clear and is_long:
            state.language = language

    def _task(self, window: Window[WhisperState]) -> Task:
        """A partial keeps what was called stable; a final is written afresh, with all that was written as its draft."""
        state = window.state
        max_tokens = MIN_TOKENS + MAX_TOKENS_PER_S * len(window.audio) // SAMPLE_RATE_HZ
        num_forced = 0 if window.is_final else state.num_stable
        return Task(
            prompt=self.vocabulary.prompt(state.segment_language),
            prefix=state.tokens[:num_forced],
            draft=state.tokens[num_forced:max_tokens],
            max_tokens=max_tokens,
        )

    def _hypothesis(self, window: Window[WhisperState], row: Row) -> Hypothesis:
        state = window.state
        language = state.segment_language
        if self._is_nothing(row):
            row = Row(row.task, row.num_frames)
        groups = self.vocabulary.words(row.tokens, language)
        words = self._timed(groups, row, len(window.audio), language)
        num_stable = 0 if window.is_final else self._num_stable(state, row, groups, words, len(window.audio))
        hypothesis = Hypothesis(
            text=self.vocabulary.written(row.tokens, language),
            stable=self.vocabulary.written(row.tokens[:num_stable], language),
            language=language,
            confidence=float(np.exp(np.mean(row.log_probs))) if row.tokens else 0.0,
            words=tuple(words),
        )
        state.tokens, state.num_stable = tuple(row.tokens), num_stable
        if window.is_final:
            state.forget_segment()
        return hypothesis

    def _is_nothing(self, row: Row) -> bool:
        """Whether the model itself doubts that anything was said.

        Source: the thresholds of openai/whisper `whisper/transcribe.py`, MIT.
        """
        return bool(row.tokens) and row.no_speech > NO_SPEECH_PROB and float(np.mean(row.log_probs)) < MIN_MEAN_LOG_PROB

    def _timed(self, groups: list[WordTokens], row: Row, num_samples: int, language: str) -> list[Word]:
        """Words with times from the attention; never beyond the audio."""
        if not groups:
            return []
        num_frames = max(len(row.tokens), -(-num_samples // SAMPLES_PER_ENCODER_FRAME))
        attention = np.stack(row.attention, axis=1)[:, :, :num_frames]
        starts = monotonic_path(normalise(attention)) * MS_PER_ENCODER_FRAME
        limit_ms = num_samples * 1000 // SAMPLE_RATE_HZ
        times = np.minimum(starts, limit_ms).tolist()
        return [
            Word(
                text=self.vocabulary.written(row.tokens[group.first : group.last], language),
                start_ms=times[group.first],
                end_ms=times[group.last],
                confidence=round(float(np.exp(np.mean(row.log_probs[group.first : group.last]))), 3),
            )
            for group in groups
        ]

    def _without_punctuation(self, tokens: list[int], group: WordTokens) -> int:
        """Where the word's letters end: the mark behind it depends on what follows."""
        last = group.last
        while last > group.first + 1 and set(self.vocabulary.text(tokens[last - 1 : last])) <= TRAILING_PUNCTUATION:
            last -= 1
        return last

    def _num_stable(self, state: WhisperState, row: Row, groups: list[WordTokens], words: list[Word], num_samples: int) -> int:
        """How many tokens are stable now: whole words, written the same in the last step, and ended a while ago."""
        limit_ms = num_samples * 1000 // SAMPLE_RATE_HZ - STABLE_AFTER_MS
        num_same = next(
            (place for place, pair in enumerate(zip(state.tokens, row.tokens, strict=False)) if pair[0] != pair[1]),
            min(len(state.tokens), len(row.tokens)),
        )
        num_stable = state.num_stable
        for group, word in zip(groups, words, strict=True):
            if group.last <= num_same and word.end_ms <= limit_ms:
                num_stable = max(num_stable, self._without_punctuation(row.tokens, group))
        return num_stable


def choose_precision(precision: Precision) -> torch.dtype:
    """bfloat16 where it is asked for, or left open and the processor multiplies it natively; else float32."""
    if precision == "auto":
        has_bf16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if has_bf16 else torch.float32
    return torch.bfloat16 if precision == "bf16" else torch.float32
