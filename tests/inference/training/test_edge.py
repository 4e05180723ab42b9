"""The model that comes with the project, on clips of speakers whom it has not heard."""

import json
from functools import cache

import pytest

from inference.engines.arithmetic import INT8
from inference.engines.registry import EDGE_FOLDER
from inference.training.card import BEGIN, CARD, END
from inference.training.corpus import read_audio
from inference.training.export import num_bytes
from inference.training.hearing import Ear, decoded, read_language_model
from inference.wording import word_error_rate

MANIFEST = EDGE_FOLDER / "reference" / "manifest.jsonl"
CLIPS = {clip["id"]: clip for clip in map(json.loads, MANIFEST.read_text(encoding="utf-8").splitlines())}


@cache
def ear() -> Ear:
    return Ear(EDGE_FOLDER, INT8)


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_a_speaker_whom_it_has_not_heard_is_understood_in_8_bits_as_a_live_stream(name: str) -> None:
    log_probs = ear().log_probs(read_audio(EDGE_FOLDER / "reference" / CLIPS[name]["file"]))

    text = decoded(log_probs, ear(), read_language_model(EDGE_FOLDER / "lm"))

    assert word_error_rate(CLIPS[name]["text"], text) <= 0.15, text
    assert text.split()[-1] == CLIPS[name]["text"].split()[-1], "the word before the silence is lost"


def test_it_is_small_and_says_what_it_reached() -> None:
    results = (EDGE_FOLDER / CARD).read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]

    assert num_bytes(EDGE_FOLDER) < 5_000_000
    assert results.count("| with its language model |") == results.count("| greedy |") == 3
