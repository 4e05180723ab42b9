"""What comes out: verdicts with their intervals, exported models, and fine-tuning that keeps only what is better."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engines.conformer_ctc.weights.own import OwnFiles
from inference.features import LogMel, LogMelOptions
from inference.training import finetuning
from inference.training.aligning import read_timings
from inference.training.card import CARD, open_card, write_results
from inference.training.commands import parser
from inference.training.corpus import read_corpus
from inference.training.errors import TrainingError, WorseModelError
from inference.training.export import export_network
from inference.training.finetuning import Adaptation, Guard, finetune, material
from inference.training.grammar import FORMS, mixture, names, sentences
from inference.training.hearing import Ear, decoded
from inference.training.judging import Answer, Verdict, held_out_trials, interval, joined_strings, verdicts
from inference.training.trainer import new_network
from tests.inference.training.toys import TINY, TONES_HZ, Learnt, tiny_recipe, word_audio, word_corpus, write_corpus


def verdict(domain: str, rate: float) -> Verdict:
    return Verdict(domain, 10, 100, rate, rate, rate)


def test_errors_are_counted_over_all_words_of_a_domain() -> None:
    answers = [
        Answer("1", "letters", "a b c d", "a x c d"),
        Answer("2", "letters", "e", ""),
        Answer("3", "orders", "a latte", "a latte"),
    ]

    letters, orders = verdicts(answers)

    assert [letters.num_words, letters.rate, orders.rate] == pytest.approx([5, 2 / 5, 0.0])
    assert letters.low <= letters.rate <= letters.high
    assert (orders.low, orders.high) == (0.0, 0.0)


def test_an_interval_is_narrower_with_more_utterances_and_always_the_same() -> None:
    wrong, said = np.array([0, 1, 0, 2]), np.array([5, 5, 5, 5])
    few, many = interval(wrong, said), interval(np.tile(wrong, 50), np.tile(said, 50))

    assert few == interval(wrong, said)
    assert few[0] <= many[0] < 0.15 < many[1] <= few[1]


def test_a_model_without_a_card_gets_one_and_one_with_a_card_keeps_what_else_it_says(tmp_path: Path) -> None:
    open_card(tmp_path)
    begun = (tmp_path / CARD).read_text(encoding="utf-8")
    (tmp_path / CARD).write_text(f"{begun}\nMade by us.\n", encoding="utf-8")

    for rate in (0.5, 0.25):
        open_card(tmp_path)
        write_results(tmp_path, [("greedy", verdict("letters", rate))], 1200)

    title, *_, row, _, _, said = (tmp_path / CARD).read_text(encoding="utf-8").splitlines()
    assert (title, said) == (f"# {tmp_path.name}", "Made by us.")
    assert row == "| letters | greedy | 10 | 100 | 25.0% | 25.0% to 25.0% |"


def test_a_card_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / CARD).write_text("# Mine\n", encoding="utf-8")

    with pytest.raises(TrainingError, match=r"has no lines .* add them where the table is to be, or move the card away"):
        open_card(tmp_path)

    assert (tmp_path / CARD).read_text(encoding="utf-8") == "# Mine\n"


def test_isolated_words_of_held_out_speakers_are_joined_each_once(tmp_path: Path) -> None:
    corpus = word_corpus(tmp_path)
    held_out = [item for item in read_corpus(corpus) if item.is_held_out]

    said = [clip.text for sentence in joined_strings(held_out) for clip in sentence.clips]
    trials = held_out_trials([corpus])

    assert sorted(said) == sorted(TONES_HZ)
    assert sorted(word for trial in trials for word in trial.reference.split()) == sorted(TONES_HZ)


def test_an_exported_model_says_through_the_streaming_step_what_the_network_says_at_once(tmp_path: Path) -> None:
    network = new_network(tiny_recipe()).eval()
    audio = np.concatenate([word_audio("ab"), word_audio("cd")])
    export_network(network, tmp_path / "exact", "fp32")
    export_network(network, tmp_path / "small", "int8")
    exact, small = Ear(tmp_path / "exact"), Ear(tmp_path / "small")

    streamed = exact.log_probs(audio)

    mel = LogMel(LogMelOptions(num_mels=TINY.num_mels))(torch.from_numpy(audio)).T
    with torch.no_grad():
        whole = network(mel[None], torch.tensor([len(mel)]), 4)[0][0].numpy()
    num_exact = len(whole) // 5 * 5  # what is behind, the stream fills up with silence
    assert np.abs(streamed[:num_exact] - whole[:num_exact]).max() < 1e-4
    assert np.abs(small.log_probs(audio) - streamed).max() < 0.1
    assert OwnFiles("small", tmp_path / "small").outline().config == TINY
    assert isinstance(decoded(streamed, exact, None), str)


def test_a_network_with_weights_that_are_no_numbers_is_not_exported(tmp_path: Path) -> None:
    network = new_network(tiny_recipe())
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")

    with pytest.raises(TrainingError, match="lower peak_rate"):
        export_network(network, tmp_path / "model", "int8")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("new", "old", "is_kept"), [(0.2, 0.105, True), (0.31, 0.1, False), (0.1, 0.12, False)])
def test_the_guard_keeps_what_helps_the_new_and_hardly_hurts_the_old(*, new: float, old: float, is_kept: bool) -> None:
    before = [verdict("mine", 0.3), verdict("old", 0.1)]
    after = [verdict("mine", new), verdict("old", old)]

    if is_kept:
        Guard().check(before, after, {"mine"})
    else:
        with pytest.raises(WorseModelError, match="Nothing was written"):
            Guard().check(before, after, {"mine"})


def test_too_little_speech_is_refused_before_anything_is_heard(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="3 utterances are too few"):
        material([write_corpus(tmp_path, [("ab", "me", "train")] * 3)], [], 10)
    with pytest.raises(TrainingError, match='All 10 utterances are "set": "dev"'):
        material([write_corpus(tmp_path / "judged", [("ab", "me", "dev")] * 10)], [], 10)


def run_finetune(model: Path, folder: Path, corpus: Path) -> None:
    options = parser().parse_args(["finetune", str(model), str(folder), "--data", str(corpus), "--steps", "2", "--form", "fp32"])
    options.run_command(options)


def test_a_model_that_got_worse_by_fine_tuning_is_not_written(
    tmp_path: Path, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write_corpus(tmp_path / "mine", [(word, "me", "train") for word in TONES_HZ] * 5)
    export_network(learnt.network, tmp_path / "model", "fp32")
    monkeypatch.setattr(finetuning, "finetune", lambda *_: new_network(tiny_recipe()).eval())

    with pytest.raises(WorseModelError, match="On toy the word error went from 0.0%"):
        run_finetune(tmp_path / "model", tmp_path / "better", mine)
    assert not (tmp_path / "better").exists()


def test_a_model_that_got_better_by_fine_tuning_is_written(
    tmp_path: Path, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write_corpus(tmp_path / "mine", [(word, "me", "train") for word in TONES_HZ] * 5)
    export_network(new_network(tiny_recipe()), tmp_path / "model", "fp32")
    monkeypatch.setattr(finetuning, "finetune", lambda *_: learnt.network)

    run_finetune(tmp_path / "model", tmp_path / "better", mine)

    ear = Ear(tmp_path / "better")
    assert decoded(ear.log_probs(np.concatenate([word_audio("ef"), word_audio("ab")])), ear, None) == "ef ab"


def test_fine_tuning_learns_in_small_steps_from_new_speech_and_old(tmp_path: Path) -> None:
    mine = write_corpus(tmp_path / "mine", [(word, "me", "train") for word in TONES_HZ] * 5, corpus="mine")
    stuff = material([mine], [word_corpus(tmp_path / "old")], 10)
    network = new_network(tiny_recipe()).eval()
    before = [tensor.clone() for tensor in network.state_dict().values()]

    better = finetune(network, stuff, Adaptation(num_steps=3))

    moved = max(float((one - other).abs().max()) for one, other in zip(before, better.state_dict().values(), strict=True))
    assert 0 < moved < 0.01
    assert (len(stuff.new), len(stuff.old), {trial.domain for trial in stuff.old_trials}) == (12, 3, {"toy"})


def test_made_up_sentences_depend_on_the_seed_alone_and_are_of_letters() -> None:
    mixed = mixture(200, seed=3)

    assert mixed == mixture(200, seed=3) != mixture(200, seed=4)
    assert all(set(sentence) <= set("abcdefghijklmnopqrstuvwxyz' ") for sentence in mixed)
    assert all(len(word) == 1 for sentence in sentences("names", 20, 1) for word in sentence.split())
    assert all(name.isalpha() and name.islower() for name in names())
    assert set(FORMS) == {"digits", "numbers", "dates", "names", "letters", "edits", "controls", "orders"}


def test_words_are_found_by_an_exported_model(tmp_path: Path, learnt: Learnt) -> None:
    said = write_corpus(tmp_path / "said", [("ab cd", "ann", "train"), ("ef ab cd", "ann", "train")], corpus="said")
    export_network(learnt.network, tmp_path / "model", "fp32")
    options = parser().parse_args(["align", str(tmp_path / "model"), str(tmp_path / "times.jsonl"), "--data", str(said)])

    options.run_command(options)

    found = read_timings([tmp_path / "times.jsonl"])
    assert [[word.text for word in words] for words in found.values()] == [["ab", "cd"], ["ef", "ab", "cd"]]
    _first, second, third = (word.start_s for word in found["said-1"])
    assert 0.4 <= second <= 0.6  # in the silence between two tones
    assert 0.9 <= third <= 1.1


def test_every_command_tells_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "evaluate", "export", "finetune", "align", "language", "synthesise"):
        with pytest.raises(SystemExit) as end:
            parser().parse_args([command, "--help"])
        assert end.value.code == 0
        assert command in capsys.readouterr().out
