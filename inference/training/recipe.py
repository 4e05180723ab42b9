"""What a training is asked to do, written into its folder so that resuming, judging and exporting need no second description."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from inference.engines.conformer_ctc.config import EncoderConfig
from inference.training.errors import TrainingError

EDGE: Final = EncoderConfig(
    num_mels=80,
    d_model=128,
    num_layers=6,
    num_heads=4,
    subsampling=4,
    subsampling_channels=64,
    contexts=((50, 4), (50, 9), (50, 1)),
)
"""conformer-edge: chunks of 200 ms (or 400, or 80), two seconds of past."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """num_steps: of the whole training; the learning rate falls to its end as a half cosine. warm_steps: the first of them learn
    frame by frame from guessed times of letters, the next fade_steps from both. For the first lead_steps only corpora of isolated
    words are heard, whose letters are known best, and nothing is augmented; augmentation then grows for calm_steps to
    max_strength: 1, or less for the end of a long training.

    batch_s: audio per step. shares: how much each corpus gives, 1 where not named. spliced: corpora whose words are also heard in
    another order, as a corpus `NAME spliced`, where times of words are given. strings: by corpus, words of which strings of
    nothing else are also made, as a corpus `NAME strings`: digits of people who said other things beside them. chunk_shares:
    how often each of the encoder's look-aheads is taken, in their order. early_layer: has a CTC loss of its own, of weight
    early_share.
    """

    encoder: EncoderConfig = EDGE
    seed: int = 1
    num_steps: int = 20_000
    lead_steps: int = 500
    warm_steps: int = 1_300
    fade_steps: int = 700
    batch_s: float = 14.0
    max_sentence_s: float = 12.0
    shares: dict[str, float] = field(default_factory=dict)
    spliced: tuple[str, ...] = ()
    strings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    calm_steps: int = 2_000
    max_strength: float = 1.0
    peak_rate: float = 1.5e-3
    ramp_steps: int = 100
    weight_decay: float = 0.01
    dropout: float = 0.1
    chunk_shares: tuple[float, ...] = (0.7, 0.15, 0.15)
    early_layer: int = 3
    early_share: float = 0.3
    average_decay: float = 0.999
    num_time_masks: int = 2
    max_time_mask: int = 25
    num_band_masks: int = 2
    max_band_mask: int = 14
    is_augmented: bool = True

    def __post_init__(self) -> None:
        num_layers = self.encoder.num_layers
        if not 1 <= self.early_layer <= num_layers:
            raise TrainingError(f"early_layer is {self.early_layer}; expected 1 to {num_layers}, the layers of the network.")

    def strength(self, step: int) -> float:
        """Of all augmentation at this step, 0 to 1."""
        return self.max_strength * self.strength_of_words(step)

    def strength_of_words(self, step: int) -> float:
        """Of augmentation of joined words, which few speakers have said: it knows no maximum."""
        share = min(1.0, max(0.0, (step - self.lead_steps) / max(self.calm_steps, 1)))
        return share if self.is_augmented else 0.0

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


FROM_WEIGHTS: Final = Recipe(lead_steps=0, warm_steps=0, fade_steps=0, calm_steps=0, peak_rate=8e-4)
"""The built-in one of a training that begins with a model: it knows the letters, and need not be led to them."""


def read_recipe(path: Path, built_in: Recipe = Recipe()) -> Recipe:
    """`built_in` with what the file says otherwise.

    Raises:
        TrainingError: it is not there, no JSON, or says something that no recipe knows.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return recipe_of(record, built_in)
    except (OSError, json.JSONDecodeError) as err:
        raise TrainingError(f"{path} cannot be read as a recipe: {err}.") from err


def recipe_of(record: dict[str, Any], built_in: Recipe = Recipe()) -> Recipe:
    strange = sorted(set(record) - {each.name for each in fields(Recipe)})
    if strange:
        raise TrainingError(f"A recipe knows nothing of {strange}; it has {[each.name for each in fields(Recipe)]}.")
    encoder = dict(record.get("encoder") or asdict(built_in.encoder))
    encoder["contexts"] = tuple((int(left), int(right)) for left, right in encoder["contexts"])
    lists: dict[str, Any] = {name: tuple(record[name]) for name in ("chunk_shares", "spliced") if name in record}
    strings = {name: tuple(words) for name, words in record.get("strings", {}).items()}
    return replace(built_in, **(record | lists | {"encoder": EncoderConfig(**encoder), "strings": strings}))
