"""Where a model's tokenizer comes from: tokenizer.json, vocab.json with merges.txt, or one that is made of another."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from inference.errors import WeightsError

END = "<|endoftext|>"
CANTONESE = "<|yue|>"
FIRST_AFTER_LANGUAGES = "<|translate|>"
NUM_KEPT = 4
"""Parsed files that are kept for the next model, 6 MB each: variants of a model, and most published ones, have the same."""


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer.json. Shared by all models that have it, so nobody may change it.

    Raises:
        WeightsError: it is missing or unreadable.
    """
    try:
        facts = path.stat()
        return _parsed(str(path), facts.st_mtime_ns, facts.st_size)
    except Exception as err:  # tokenizers raises a bare Exception for every unreadable file
        raise WeightsError(f"{path} is no readable tokenizer.json ({err}). Copy it from where the model came from.") from err


@lru_cache(maxsize=NUM_KEPT)
def _parsed(path: str, _modified_ns: int, _num_bytes: int) -> Tokenizer:
    """Takes 70 ms, in which no other thread can run Python: recognition waits for it."""
    return Tokenizer.from_file(path)


def tokenizer_of_merges(vocabulary: Path, merges: Path, added: dict[str, int]) -> Tokenizer:
    """The tokenizer that Hugging Face's older folders hold in vocab.json and merges.txt.

    Args:
        added: control token → number, from added_tokens.json; empty where vocab.json has them all.

    Raises:
        WeightsError: the files are missing, unreadable, or number the tokens otherwise than one after the other.
    """
    try:
        tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
    except Exception as err:  # as above
        raise WeightsError(f"{vocabulary} and {merges.name} are no readable vocabulary ({err}). Copy both anew.") from err
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    written = {name: number for name, number in tokenizer.get_vocab().items() if name.startswith("<|") and name.endswith("|>")}
    names = sorted(added | written, key=lambda name: (added | written)[name])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    misplaced = [name for name in added if tokenizer.token_to_id(name) != added[name]]
    if misplaced:
        raise WeightsError(
            f"{vocabulary.parent}: added_tokens.json gives {misplaced[0]} a number that vocab.json does not leave."
        )
    return tokenizer


def with_cantonese(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer of large-v3 and its kin, made of the multilingual one before: one language more, the rest moves up."""
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    place = tokenizer.token_to_id(FIRST_AFTER_LANGUAGES)
    for token in content["added_tokens"]:
        token["id"] += token["id"] >= place
    template = next(token for token in content["added_tokens"] if token["content"] == FIRST_AFTER_LANGUAGES)
    content["added_tokens"].append(template | {"id": place, "content": CANTONESE})
    content["added_tokens"].sort(key=lambda token: int(token["id"]))
    content["post_processor"] = None  # names the old numbers, and is not used
    return Tokenizer.from_str(json.dumps(content))
