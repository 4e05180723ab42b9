"""The Whisper engine: windows in, hypotheses out, for tiny.en as for every other size.

A short window is not padded to 30 s. After its own frames the decoder is shown what the encoder makes of silence, up to 30 s,
computed once at load ("borrowed silence"): the decoder then stops at the end of the speech as it does in a 30 s
window, which bare short windows do not (they start over and loop), and the encoder does not pay for the padding.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from inference.audio import SAMPLE_RATE_HZ
from inference.engines.arithmetic import CPU, Arithmetic
from inference.engines.base import Hypothesis, Window, Word
from inference.engines.whisper.alignment import monotonic_path, normalise
from inference.engines.whisper.decoding import Row, Task, Writer
from inference.engines.whisper.fallback import likeliest, rewritten, tries
from inference.engines.whisper.features import MS_PER_ENCODER_FRAME, SAMPLES_PER_ENCODER_FRAME, LogMel
from inference.engines.whisper.graphs import StaticRunner
from inference.engines.whisper.guards import is_made_up, max_words, was_heard
from inference.engines.whisper.hotwords import Hotwords
from inference.engines.whisper.network import AudioMemory, Silence, WhisperNetwork
from inference.engines.whisper.runner import EagerRunner, Rules, Runner
from inference.engines.whisper.state import WhisperState, settle, unsettled
from inference.engines.whisper.vocabulary import LANGUAGES_WITHOUT_SPACES, TRAILING_PUNCTUATION, WordTokens, spoken
from inference.engines.whisper.weights.layout import ModelFiles
from inference.messages import ModelInfo

MAX_WINDOW_SAMPLES = 30 * SAMPLE_RATE_HZ
LONG_WINDOW_SAMPLES = 15 * SAMPLE_RATE_HZ
PADDING_SAMPLES = SAMPLE_RATE_HZ // 2
PARTIAL_PADDING_SAMPLES = SAMPLE_RATE_HZ // 5
MULTILINGUAL_FINAL_PADDING_SAMPLES = 8 * SAMPLE_RATE_HZ
"""Zeros that are really encoded behind a final where the model knows many languages, and most of them less well."""
BORROWED_FRAMES = MAX_WINDOW_SAMPLES // SAMPLES_PER_ENCODER_FRAME
SILENCE_GROUP_FRAMES = 5
"""How many frames of borrowed silence the decoder sees as one; docs/decisions/0004 has the error rates."""
MIN_TOKENS = 10
MAX_TOKENS_PER_S = 14
STABLE_AFTER_MS = 600
"""A word is called stable when it ended this long before the end of the audio and was written the same twice."""
UNHEARD_FRAMES = 10
"""What was heard this close to the end of the audio may be half a word; the model guesses the rest, and partials hide it."""
NO_SPEECH_PROB = 0.6
MIN_MEAN_LOG_PROB = -1.0
KEEP_LANGUAGE_BELOW = 0.8
MIN_SWITCH_MS = 3000


def padded(audio: np.ndarray, num_padding: int) -> np.ndarray:
    """`audio` with `num_padding` samples of silence behind it, rounded up to whole encoder frames, at most 30 s."""
    num_samples = min(len(audio) + num_padding, MAX_WINDOW_SAMPLES)
    num_samples += -num_samples % SAMPLES_PER_ENCODER_FRAME
    result = np.zeros(num_samples, dtype=np.float32)
    result[: len(audio)] = audio[:num_samples]
    return result


def _max_words(window: Window[WhisperState]) -> int:
    """How many words may stand in the window's text."""
    by_character = spoken(window.state.segment_language) in LANGUAGES_WITHOUT_SPACES
    return max_words(len(window.audio) / SAMPLE_RATE_HZ, by_character=by_character)


class WhisperEngine:
    """Args:
    files: where the weights lie.
    arithmetic: the network's; features and probabilities are always float32.
    device: of the network; on a GPU all memory for the decoder is taken by `load`.
    max_batch: most windows in a step.
    num_borrowed: frames of silence that the decoder is shown after a window, as far as 30 s have room for them.
    """

    def __init__(
        self,
        files: ModelFiles,
        arithmetic: Arithmetic,
        *,
        device: torch.device = CPU,
        max_batch: int = 16,
        num_borrowed: int = BORROWED_FRAMES,
    ) -> None:
        self.files = files
        self.arithmetic = arithmetic
        self.device = device
        self.max_batch = max_batch
        self.num_borrowed = num_borrowed
        self.vocabulary = files.vocabulary()
        self.num_final_padding = MULTILINGUAL_FINAL_PADDING_SAMPLES if self.vocabulary.is_multilingual else PADDING_SAMPLES
        self.info = ModelInfo(
            name=files.name,
            engine="whisper",
            languages=self.vocabulary.tags,
            multilingual=self.vocabulary.is_multilingual,
            precision=arithmetic.name,
        )

    def num_parameters(self) -> int:
        return self.files.num_parameters()

    @torch.inference_mode()
    def load(self) -> None:
        torch.set_num_threads(1)  # more threads fight over shared cores: docs/decisions/0003-one-thread.md
        weights = self.files.load()
        network = WhisperNetwork.from_parameters(weights.parameters, weights.num_heads)
        self.network = network.to(self.device, self.arithmetic.dtype)
        if self.arithmetic.has_int8:
            self.network.quantise()
        self.log_mel = LogMel(self.network.dims.num_mels, self.device)
        encoded = self._encode([np.zeros(MAX_WINDOW_SAMPLES, dtype=np.float32)])
        self.silence = Silence.condensed(self.network.decoder.project(encoded), SILENCE_GROUP_FRAMES)
        self.writer = Writer(self._runner(), self.vocabulary)

    def _runner(self) -> Runner:
        decoder = self.network.decoder
        rules = Rules.of(self.vocabulary, self.network.dims.num_tokens, self.device)
        if self.device.type == "cpu":
            return EagerRunner(decoder, rules)
        return StaticRunner(decoder, rules, self.silence, self.max_batch)

    def warm_up(self) -> None:
        rng = np.random.default_rng(0)
        for num_seconds in (1, 5):
            noise = rng.standard_normal(num_seconds * SAMPLE_RATE_HZ, dtype=np.float32) * 0.01
            self.step([Window(self.open_stream(), noise, self.info.languages[:1], is_final=True)])
        if self.device.type != "cpu":
            self._take_memory()

    @torch.inference_mode()
    def _take_memory(self) -> None:
        """Record graphs; then a full batch of long windows, so that later ones find memory that is taken already."""
        self.writer.runner.record()
        audio = np.random.default_rng(0).standard_normal(LONG_WINDOW_SAMPLES, dtype=np.float32) * 0.01
        self.step([Window(self.open_stream(), audio, self.info.languages[:1], is_final=True) for _ in range(self.max_batch)])

    def open_stream(self) -> WhisperState:
        return WhisperState()

    def finish(self, state: WhisperState) -> None:
        state.forget_segment()

    def close(self) -> None:
        for name in ("network", "writer", "silence"):
            vars(self).pop(name, None)  # not there when loading failed

    @torch.inference_mode()
    def step(self, windows: Sequence[Window[WhisperState]]) -> list[Hypothesis]:
        """1. leave away what is settled, 2. encode all windows, 3. settle each row's language, 4. write, 5. turn tokens into
        words with times.
        """
        batch = [unsettled(window) for window in windows]
        encoded = self._encode(
            [padded(window.audio, self.num_final_padding if window.is_final else PARTIAL_PADDING_SAMPLES) for window in batch]
        )
        num_frames = [len(states) for states in encoded]
        audio = self.network.listen(encoded, self.silence, self.num_borrowed)
        self._settle_languages(batch, audio)
        rows = self.writer.write(audio, num_frames, [self._task(window) for window in batch])
        rows = self._look_again(batch, rows, audio, num_frames)
        return [self._hypothesis(window, row) for window, row in zip(batch, rows, strict=True)]

    def _encode(self, windows: list[np.ndarray]) -> list[Tensor]:
        """Encoder output (frames, states) of each padded window."""
        mels = [mel.to(self.arithmetic.dtype) for mel in self.log_mel.of_batch(windows)]
        return self.network.encoder(mels)  # type: ignore[no-any-return]  # a Module

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
        probs = self.writer.language_probs(audio.keep(open_rows))
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
            chooser=self._hotwords(window),
            prefix_log_probs=state.log_probs[:num_forced],
            num_audio_frames=len(window.audio) // SAMPLES_PER_ENCODER_FRAME,
        )

    def _hotwords(self, window: Window[WhisperState]) -> Hotwords | None:
        """The stream's own, made ready when they change."""
        state = window.state
        if window.hotwords != state.wanted_words:
            state.wanted_words = window.hotwords
            state.hotwords = Hotwords(window.hotwords, self.vocabulary.tokens) if window.hotwords else None
        return state.hotwords

    def _look_again(
        self, batch: Sequence[Window[WhisperState]], rows: list[Row], audio: AudioMemory, num_frames: Sequence[int]
    ) -> list[Row]:
        """Write finals that seem made up a few times more; the likeliest try that does not seem so replaces them.

        Where all seem so the first one stands, without the words that cannot have been said in the time.
        """
        doubtful = {
            index: tries(row.task, window.audio)
            for index, (window, row) in enumerate(zip(batch, rows, strict=True))
            if window.is_final and self._is_made_up(window, row)
        }
        for index, again in rewritten(self.writer, audio, num_frames, doubtful).items():
            window = batch[index]
            credible = [row for row in again if not self._is_made_up(window, row)]
            rows[index] = likeliest(credible) if credible else self._without_surplus(window, rows[index])
        return rows

    def _is_made_up(self, window: Window[WhisperState], row: Row) -> bool:
        language = window.state.segment_language
        text = self.vocabulary.written(row.tokens, language)
        num_words = len(self.vocabulary.words(row.tokens, language))
        return row.is_cut or is_made_up(text, num_words, _max_words(window))

    def _without_surplus(self, window: Window[WhisperState], row: Row) -> Row:
        """`row` with no more words than fit into its audio."""
        groups = self.vocabulary.words(row.tokens, window.state.segment_language)
        limit = _max_words(window)
        if len(groups) > limit:
            row.shorten(groups[limit - 1].last)
        return row

    def _hypothesis(self, window: Window[WhisperState], row: Row) -> Hypothesis:
        state = window.state
        language = state.segment_language
        if self._is_nothing(row):
            row = Row(row.task, row.num_frames)
        groups = self.vocabulary.words(row.tokens, language)
        words = self._timed(groups, row, len(window.audio), language)
        num_stable = 0 if window.is_final else self._num_stable(state, row, groups, words, len(window.audio))
        num_shown = len(row.tokens) if window.is_final else self._num_shown(window, row, groups, num_stable)
        hypothesis = Hypothesis(
            text=self.vocabulary.written([*state.settled, *row.tokens[:num_shown]], language),
            stable=self.vocabulary.written([*state.settled, *row.tokens[:num_stable]], language),
            language=language,
            confidence=float(np.exp(np.mean(row.log_probs))) if row.tokens else 0.0,
            words=tuple(words),
        )
        state.tokens, state.num_stable = tuple(row.tokens), num_stable
        state.log_probs = tuple(row.log_probs[: len(row.tokens)])
        if window.is_final:
            state.forget_segment()
        else:
            settle(state, groups, words, len(window.audio))
        return hypothesis

    def _is_nothing(self, row: Row) -> bool:
        """Whether the model itself doubts that anything was said. What was called stable stands.

        Source: the thresholds of openai/whisper `whisper/transcribe.py`, MIT.
        """
        if not row.tokens or row.task.prefix or row.no_speech <= NO_SPEECH_PROB:
            return False
        is_unlikely = float(np.mean(row.log_probs)) < MIN_MEAN_LOG_PROB
        hotwords = row.task.chooser
        is_echo = isinstance(hotwords, Hotwords) and hotwords.are_all_of(self.vocabulary.text(row.tokens))
        return is_unlikely or is_echo or not was_heard(row.places, row.num_frames)

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

    def _num_shown(self, window: Window[WhisperState], row: Row, groups: list[WordTokens], num_stable: int) -> int:
        """How many tokens of a partial are shown: whole words up to the first that was heard at the very end of the audio.

        Source: the policy of Papi et al. 2023, "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide for
        Simultaneous Speech Translation", section 2.
        """
        limit = len(window.audio) // SAMPLES_PER_ENCODER_FRAME - UNHEARD_FRAMES
        num_shown = num_stable
        if len(groups) > _max_words(window):
            return num_shown
        for group in groups:
            last = self._without_punctuation(row.tokens, group)
            if max(row.places[group.first : last]) > limit:
                break
            num_shown = max(num_shown, last)
        return num_shown
