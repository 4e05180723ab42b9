"""What training hears: who may be heard, where words lie, what augmentation does to them, how throats are stretched."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inference.audio import SAMPLE_RATE_HZ
from inference.decoding.spans import Span
from inference.features import LogMel
from inference.training.aligning import read_timings, save_timings, timed_words
from inference.training.augmentation import AugmentationOptions, Augmenter, Backgrounds
from inference.training.batches import IGNORED
from inference.training.characters import CHARACTERS, normalised, tokens_of, word_tokens
from inference.training.corpus import AudioShelf, read_corpus
from inference.training.errors import CorpusError, TrainingError
from inference.training.runs import batch_maker, training_items
from inference.training.timing import TimedWord, Timings, guessed_words
from inference.training.trainer import BLANK
from inference.training.utterances import Clip, Library, Sentence, Speaker, Utterance, recorded
from inference.training.warping import warped
from tests.inference.training.toys import tiny_recipe, word_audio, word_corpus, write_corpus


def test_held_out_speakers_are_never_trained_on(tmp_path: Path) -> None:
    assert {item.speaker for item in training_items([word_corpus(tmp_path)])} == {"ann"}


def test_a_speaker_on_both_sides_stops_the_training(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [("ab", "ann", "train"), ("cd", "ann", "dev")])

    with pytest.raises(TrainingError, match=r"both sides stand \['ann'\]"):
        training_items([corpus])


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"text": "ab"}, "KeyError 'file'"),
        ({"file": "0.flac", "text": "room 101", "seconds": 1}, "write figures and signs as words"),
        ({"file": "0.flac", "text": "ab", "seconds": 1, "set": "test"}, "expected one of"),
        ({"file": "missing.flac", "text": "ab"}, "missing.flac"),
        ({"file": "0.flac", "text": "...", "seconds": 1}, "'...' holds no word"),
        ({"file": "0.flac", "text": 12, "seconds": 1}, "'int' object has no attribute"),
        (["0.flac", "ab"], "TypeError"),
    ],
)
def test_a_line_of_a_manifest_that_is_wrong_is_named(tmp_path: Path, record: object, sentence: str) -> None:
    (tmp_path / "manifest.jsonl").write_text(f"\n{json.dumps(record)}\n", encoding="utf-8")

    with pytest.raises(CorpusError, match=f"manifest.jsonl:2: .*{sentence}"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"), [(b'{"file": "0.flac"', "manifest.jsonl:1: JSONDecodeError"), (b"\xff", "in UTF-8")]
)
def test_a_manifest_that_is_no_json_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(content)

    with pytest.raises(CorpusError, match=sentence):
        read_corpus(tmp_path)


def test_texts_come_down_to_letters_and_starts_of_words() -> None:
    assert normalised("It's  TWENTY-one, please!") == "it's twenty one please"
    assert normalised("It\u2019s me\u2014Ann") == "it's me ann"
    assert "".join(CHARACTERS[token] for token in tokens_of("it's me")) == "▁it's▁me"


def test_words_are_guessed_where_it_is_loud() -> None:
    pause = np.zeros(SAMPLE_RATE_HZ // 2, dtype=np.float32)
    audio = np.concatenate([word_audio("ab"), pause, word_audio("cd")])

    first, second = guessed_words(audio, ["ab", "cd"])

    assert [first.start_s, first.end_s, second.start_s, second.end_s] == pytest.approx([0.1, 0.4, 1.1, 1.4], abs=0.05)


def test_faster_speech_has_its_words_earlier() -> None:
    options = AugmentationOptions(speed=(1.25, 1.25), lead_s=(0.2, 0.2), trail_s=(0.3, 0.3))
    utterance = Utterance(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32) + 0.1, (TimedWord("ab", 0.5, 1.0),))

    augmented = Augmenter(options, Backgrounds()).augment(utterance, 1.0, np.random.default_rng(1))

    assert len(augmented.audio) == pytest.approx((0.8 + 0.5) * SAMPLE_RATE_HZ, rel=0.01)
    assert [augmented.words[0].start_s, augmented.words[0].end_s] == pytest.approx([0.6, 1.0])


def test_augmented_speech_is_within_full_scale_at_a_level_of_the_options() -> None:
    options = AugmentationOptions(room=1.0, noise=1.0, narrow_band=1.0, telephone=1.0, level_db=(-20.0, -20.0))
    augmenter = Augmenter(options, Backgrounds(noises=(word_audio("cd"),)))
    utterance = Utterance(word_audio("ab"), ())

    for seed in range(4):
        audio = augmenter.augment(utterance, 1.0, np.random.default_rng(seed)).audio
        assert audio.dtype == np.float32
        assert np.abs(audio).max() <= 1.0
        assert 10 * np.log10((audio**2).mean()) == pytest.approx(-20.0, abs=0.5)


def test_frame_targets_say_the_letters_of_a_word_over_its_time_and_blank_elsewhere(tmp_path: Path) -> None:
    maker = batch_maker(tiny_recipe(), training_items([word_corpus(tmp_path)]), None, {})
    utterance = Utterance(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), (TimedWord("ab", 0.1, 0.34),))

    targets = maker.frame_targets(utterance, 25).tolist()

    start, a, b = word_tokens("ab")
    assert targets == [BLANK] * 4 + [start] * 2 + [a] * 2 + [b] * 2 + [BLANK] * 15


def test_what_lies_behind_a_row_is_ignored(tmp_path: Path) -> None:
    batch = batch_maker(tiny_recipe(), training_items([word_corpus(tmp_path)]), None, {}).make(3)

    lengths = (batch.frame_targets != IGNORED).sum(dim=1)
    assert int(batch.num_targets.sum()) == len(batch.targets)
    assert lengths.tolist() == [(frames // 2 + 1) // 2 + 1 for frames in batch.num_frames.tolist()]


def test_words_of_sentences_are_heard_in_another_order_once_their_times_are_known(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "said", [("ab cd", "ann", "train"), ("ef ab", "ann", "train")], corpus="said")
    items = training_items([corpus])
    timings = {item.id: guessed_words(AudioShelf().read(item.path), item.text.split()) for item in items}
    save_timings(timings, tmp_path / "times.jsonl")
    timings = read_timings([tmp_path / "times.jsonl"])
    library, rng = Library(items, ["said"], timings), np.random.default_rng(0)

    utterances = [Speaker(AudioShelf(), timings).say(library.draw("said spliced", rng), rng) for _ in range(8)]

    assert {word.text for each in utterances for word in each.words} == {"ab", "cd", "ef"}
    assert any(each.text not in {"ab cd", "ef ab"} for each in utterances)
    assert all(each.words[-1].end_s * SAMPLE_RATE_HZ <= len(each.audio) for each in utterances)
    assert Library(items, ["said"], {}).domains == ("said",)


def test_a_word_without_a_time_of_its_own_is_not_lost() -> None:
    audio = np.concatenate([word_audio("ab"), word_audio("cd")])  # silent from 0.4 to 0.6 s and from 0.9 s on
    first_frames = [2, 3, 4, 13, 14, 15, 16, 17, 18, 24, 25, 26]  # of 40 ms: the second word and the third in one silence
    spans = [Span(0, frame, frame, -0.1) for frame in first_frames]

    words = timed_words(audio, ["ab", "cd", "ef", "ab"], spans, 0.04)

    assert [word.text for word in words] == ["ab", "cd", "ef", "ab"]
    assert all(word.end_s - word.start_s >= 0.05 for word in words)
    assert [word.end_s for word in words[:-1]] == [word.start_s for word in words[1:]]


def test_a_sentence_of_which_a_word_has_no_time_is_taught_whole(tmp_path: Path) -> None:
    items = training_items([write_corpus(tmp_path, [("ab cd", "ann", "train")], corpus="said")])
    timings: Timings = {items[0].id: (TimedWord("ab", 0.1, 0.4),)}

    utterance = Speaker(AudioShelf(), timings).say(recorded(items[0]), np.random.default_rng(0))

    assert utterance.text == "ab cd"


def test_words_recorded_at_different_levels_are_joined_at_about_one(tmp_path: Path) -> None:
    items = training_items([word_corpus(tmp_path)])
    soundfile.write(items[0].path, word_audio(items[0].text, level=0.002), SAMPLE_RATE_HZ)
    sentence = Sentence(tuple(Clip(item, item.text) for item in items), is_joined=True)

    utterance = Speaker(AudioShelf()).say(sentence, np.random.default_rng(0))

    spans = [slice(int(word.start_s * SAMPLE_RATE_HZ), int(word.end_s * SAMPLE_RATE_HZ)) for word in utterance.words]
    levels_db = [20 * np.log10(np.abs(utterance.audio[span]).max()) for span in spans]
    assert max(levels_db) - min(levels_db) < 7
    assert -40 < min(levels_db) < max(levels_db) < -14


def test_of_some_words_strings_of_nothing_else_are_made(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "said", [("ab cd", "ann", "train"), ("ef ab", "bob", "train")], corpus="said")
    items = training_items([corpus])
    timings = {item.id: guessed_words(AudioShelf().read(item.path), item.text.split()) for item in items}
    library, rng = Library(items, timings=timings, strings={"said": ("ab", "ef")}), np.random.default_rng(0)

    assert library.domains == ("said strings", "said")
    for _ in range(16):
        clips = library.draw("said strings", rng).clips
        assert {clip.text for clip in clips} <= ({"ab"} if clips[0].item.speaker == "ann" else {"ab", "ef"})
        assert len({clip.item.speaker for clip in clips}) == 1


def test_a_throat_of_another_length_moves_a_tone_as_singing_it_higher_would() -> None:
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ

    def band_of(hz: float, factor: float) -> int:
        mel = LogMel()(torch.from_numpy(np.sin(2 * np.pi * hz * time_s).astype(np.float32))).T
        return int(warped(mel, factor)[50].argmax())

    assert band_of(500.0, 1.1) == band_of(500.0 / 1.1, 1.0) != band_of(500.0, 1.0)
    assert band_of(2500.0, 0.9) == band_of(2500.0 / 0.9, 1.0) != band_of(2500.0, 1.0)
