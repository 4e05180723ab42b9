"""Batches as a function of a seed and the number of the step alone, so that a resumed training sees what it would have seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from inference.engines.conformer_ctc.config import MEL_FRAME_MS
from inference.engines.conformer_ctc.network import num_outputs
from inference.features import LogMel, LogMelOptions
from inference.training.augmentation import Augmenter
from inference.training.characters import tokens_of, word_tokens
from inference.training.recipe import Recipe
from inference.training.utterances import Library, Sentence, Speaker, Utterance
from inference.training.warping import MAX_WARP, warped

LABEL_DELAY_MS: Final = 60
"""How long after its sound a letter is asked for in frame-level targets: the network has then heard it."""
IGNORED: Final = -100
POOL_FACTOR: Final = 5
"""Sentences drawn for each that is taken, so that a batch has rows of like length."""


@dataclass(frozen=True, slots=True)
class Batch:
    """mel: float32 (rows, mel frames, mels), zeros behind each row's num_frames. targets: the tokens of all rows in one line,
    num_targets of each. frame_targets: int64 (rows, frames), the letter that is said or the blank; IGNORED behind the end."""

    step: int
    mel: Tensor
    num_frames: Tensor
    targets: Tensor
    num_targets: Tensor
    frame_targets: Tensor


class BatchMaker:
    def __init__(self, library: Library, speaker: Speaker, augmenter: Augmenter, blank: int, recipe: Recipe) -> None:
        self._library, self._speaker, self._augmenter = library, speaker, augmenter
        self._recipe, self._config, self._blank = recipe, recipe.encoder, blank
        self._log_mel = LogMel(LogMelOptions(num_mels=recipe.encoder.num_mels))
        self._shares = np.array([recipe.shares.get(domain, 1.0) for domain in library.domains])
        self._is_joined = np.array([library.is_joined(domain) for domain in library.domains])

    def make(self, step: int) -> Batch:
        """The batch of this step; the same whenever it is asked for."""
        rng = np.random.default_rng([self._recipe.seed, step])
        spoken, mels = [], []
        for sentence in self._like_lengths(step, rng):
            strength = self._recipe.strength_of_words(step) if sentence.is_joined else self._recipe.strength(step)
            utterance = self._said(sentence, strength, rng)
            spoken.append(utterance)
            mels.append(self._heard(utterance, strength, rng))
        return self._collated(step, spoken, mels)

    def _said(self, sentence: Sentence, strength: float, rng: np.random.Generator) -> Utterance:
        utterance = self._speaker.say(sentence, rng)
        return self._augmenter.augment(utterance, strength, rng) if self._recipe.is_augmented else utterance

    def _like_lengths(self, step: int, rng: np.random.Generator) -> list[Sentence]:
        """Sentences that are neighbours in length, as many as fill the batch."""
        mean_s = 3.0
        shares = self._shares_at(step)
        num_drawn = int(POOL_FACTOR * self._recipe.batch_s / mean_s) + 1
        pool = sorted((self._draw(shares, rng) for _ in range(num_drawn)), key=lambda sentence: sentence.seconds)
        first = int(rng.integers(len(pool)))
        taken = [pool[first]]
        for sentence in (*pool[first + 1 :], *reversed(pool[:first])):
            longest_s = max(sentence.seconds, *(each.seconds for each in taken))
            if (len(taken) + 1) * (longest_s + 0.6) > self._recipe.batch_s:
                break
            taken.append(sentence)
        return taken

    def _shares_at(self, step: int) -> np.ndarray:
        """Only isolated words at first, if there are any."""
        leads = step < self._recipe.lead_steps and self._is_joined.any()
        shares = self._shares * self._is_joined if leads else self._shares
        return np.asarray(shares / shares.sum())

    def _draw(self, shares: np.ndarray, rng: np.random.Generator) -> Sentence:
        while True:
            domain = self._library.domains[int(rng.choice(len(shares), p=shares))]
            sentence = self._library.draw(domain, rng)
            if sentence.seconds <= self._recipe.max_sentence_s:
                return sentence

    def _heard(self, utterance: Utterance, strength: float, rng: np.random.Generator) -> Tensor:
        """Log-mel, float32 (mel frames, mels), as if the speaker's throat were longer or shorter."""
        mel = self._log_mel(torch.from_numpy(utterance.audio)).T
        return warped(mel, 1 + strength * float(rng.uniform(-MAX_WARP, MAX_WARP))) if self._recipe.is_augmented else mel

    def _collated(self, step: int, spoken: Sequence[Utterance], mels: Sequence[Tensor]) -> Batch:
        tokens = [tokens_of(utterance.text) for utterance in spoken]
        num_out = [num_outputs(len(mel), self._config) for mel in mels]
        frame_targets = torch.full((len(spoken), max(num_out)), IGNORED)
        for row, (utterance, length) in enumerate(zip(spoken, num_out, strict=True)):
            frame_targets[row, :length] = self.frame_targets(utterance, length)
        return Batch(
            step=step,
            mel=torch.nn.utils.rnn.pad_sequence(list(mels), batch_first=True),
            num_frames=torch.tensor([len(mel) for mel in mels]),
            targets=torch.tensor([token for row in tokens for token in row]),
            num_targets=torch.tensor([len(row) for row in tokens]),
            frame_targets=frame_targets,
        )

    def frame_targets(self, utterance: Utterance, length: int) -> Tensor:
        """int64 (length,): what is said at each encoder frame, each word's letters evenly over its time."""
        targets = torch.full((length,), self._blank)
        for word in utterance.words:
            tokens = word_tokens(word.text)
            bounds = np.linspace(word.start_s, word.end_s, len(tokens) + 1) * 1000 + LABEL_DELAY_MS
            frames = np.clip(np.ceil(bounds / self._config.frame_ms), 0, length).astype(int)
            for token, start, end in zip(tokens, frames[:-1], frames[1:], strict=True):
                targets[start:end] = token
        return targets


class _Steps(IterableDataset[Batch]):
    def __init__(self, maker: BatchMaker, first: int, end: int) -> None:
        self._maker, self._first, self._end = maker, first, end

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        return (self._maker.make(step) for step in range(self._first, self._end))


def batches(maker: BatchMaker, first: int, end: int, num_processes: int) -> Iterator[Batch]:
    """The batches of the steps from `first` to before `end`, made ahead in a process of their own if `num_processes` is 1."""
    loader = DataLoader(
        _Steps(maker, first, end), batch_size=None, num_workers=num_processes, prefetch_factor=8 if num_processes else None
    )
    return iter(loader)


def audio_s(batch: Batch) -> float:
    return float(batch.num_frames.sum()) * MEL_FRAME_MS / 1000
