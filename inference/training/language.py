"""The language model of conformer-edge: what was said in the training, and what the grammars of its domains say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inference.decoding.artefact import LmSettings
from inference.decoding.building.build import Recipe, build
from inference.training.corpus import Item, isolated_corpora
from inference.training.grammar import FORMS, names, sentences

SEED: Final = 1
NUM_SENTENCES: Final = 1500
"""Of a form of weight 1."""
NUM_OF_ONE_FORM: Final = 4000
TRANSCRIPT_TIMES: Final = 3
"""A sentence that somebody said counts as much as so many that nobody did."""
ORDER: Final = 5
SETTINGS: Final = Recipe(order=ORDER, prune_from=4)
"""The weights are those of any language model; none was tuned on held-out speakers."""


def build_language_model(folder: Path, items: Sequence[Item]) -> LmSettings:
    """Into `folder`. items: those that may be trained on."""
    return build(folder, [("transcripts", transcripts(items)), *made_up()], SETTINGS)


def build_one_form(folder: Path, form: str) -> LmSettings:
    """Of sentences of one of the grammar's forms alone, for streams in which nothing else is said."""
    return build(folder, [(form, [sentence.split() for sentence in sentences(form, NUM_OF_ONE_FORM, SEED)])], Recipe(order=3))


def transcripts(items: Sequence[Item]) -> list[list[str]]:
    """What was said in sentences; isolated words are none."""
    isolated = isolated_corpora(list(items))
    said = [item.text.split() for item in items if item.corpus not in isolated and item.corpus != "synthetic"]
    return said * TRANSCRIPT_TIMES


def made_up() -> list[tuple[str, list[list[str]]]]:
    """Of each form as many as it weighs, and every name once more."""
    texts = [
        (form, [sentence.split() for sentence in sentences(form, round(NUM_SENTENCES * weight), SEED)])
        for form, (_, weight) in FORMS.items()
    ]
    return [*texts, ("each name", [list(name) for name in names()])]
