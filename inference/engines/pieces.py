"""The pieces of text that a model writes, read from SentencePiece's model or from a tokenizer.json.

A recogniser writes text and hardly ever takes it apart (hotwords, words of a language model), so nothing else of a tokenizer is
needed than the pieces in their order, and what decides between two ways of taking a word apart.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from inference.decoding.tokens import Tokens
from inference.errors import WeightsError

VARINT: Final = 0
LENGTH_DELIMITED: Final = 2
FIXED_BYTES: Final = {1: 8, 5: 4}
"""By wire type."""
PIECES_FIELD: Final = 1
TRAINER_FIELD: Final = 2
TEXT_FIELD: Final = 1
SCORE_FIELD: Final = 2
MODEL_TYPE_FIELD: Final = 3
BPE: Final = 2
MAX_VARINT_BITS: Final = 63
Value = bytes | int


def tokens_of(pieces: Sequence[str], source: str, scores: Sequence[float] | None = None, *, merges: bool = False) -> Tokens:
    """Raises WeightsError where there are none, or one is empty."""
    if not pieces:
        raise WeightsError(f"{source} lists no pieces. Copy it anew.")
    if "" in pieces:
        raise WeightsError(f"{source}: piece {list(pieces).index('')} is empty. Is it complete?")
    return Tokens(pieces, scores, merges=merges)


def sentencepiece_tokens(content: bytes, source: str) -> Tokens:
    """From a SentencePiece model (`tokenizer.model`).

    Source: google/sentencepiece `src/sentencepiece_model.proto` (ModelProto, SentencePiece, TrainerSpec), Apache-2.0.

    Raises:
        WeightsError: it is none, or damaged.
    """
    try:
        fields = list(_fields(content))
        entries = [dict(_fields(_message(value))) for field, value in fields if field == PIECES_FIELD]
        pieces = [_message(entry[TEXT_FIELD]).decode("utf-8") for entry in entries]
        scores = [_float(entry.get(SCORE_FIELD, b"\0\0\0\0")) for entry in entries]
        trainer = dict(next((list(_fields(_message(value))) for field, value in fields if field == TRAINER_FIELD), []))
    except (IndexError, ValueError, KeyError, struct.error) as err:
        raise WeightsError(f"{source} is no SentencePiece model or is damaged. Copy it anew.") from err
    return tokens_of(pieces, source, scores, merges=trainer.get(MODEL_TYPE_FIELD) == BPE)


def tokenizer_json_tokens(path: Path, num_tokens: int) -> Tokens:
    """The first `num_tokens` of a Hugging Face folder's `tokenizer.json`; what it has behind them is not the model's.

    Raises:
        WeightsError: unreadable, or not all of them are there.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        vocab = document["model"]["vocab"]
        by_number = dict(_numbered(vocab))
        by_number |= {int(added["id"]): (str(added["content"]), 0.0) for added in document.get("added_tokens", [])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as err:
        raise WeightsError(f"{path} lists no pieces ({err!r}); expected transformers' tokenizer. Copy it anew.") from err
    missing = [number for number in range(num_tokens) if number not in by_number]
    if missing:
        raise WeightsError(
            f"{path} has {len(by_number)} pieces, and {missing[0]} is none of them; the model writes {num_tokens}. Copy the "
            "folder anew: one is not of the other."
        )
    pieces, scores = zip(*(by_number[number] for number in range(num_tokens)), strict=True)
    return tokens_of(pieces, str(path), scores, merges=isinstance(vocab, dict))


def _numbered(vocab: object) -> Iterator[tuple[int, tuple[str, float]]]:
    """Number, piece and score, of a dictionary (BPE, where what was merged first comes first) or a list (unigrams)."""
    if isinstance(vocab, dict):
        yield from ((int(number), (str(piece), -float(number))) for piece, number in vocab.items())
    elif isinstance(vocab, list):
        yield from ((number, (str(entry[0]), float(entry[1]))) for number, entry in enumerate(vocab))
    else:
        raise TypeError(f"vocab is a {type(vocab).__name__}")


def _message(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"a number stands where a text or message should: {value}")
    return value


def _float(value: Value) -> float:
    number: float = struct.unpack("<f", _message(value))[0]
    return number


def _fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Number and value of each field of a protobuf message; what has a fixed size as its bytes.

    Source: https://protobuf.dev/programming-guides/encoding/, CC BY 4.0.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire = key >> 3, key & 7
        if wire == VARINT:
            value, position = _varint(message, position)
            yield field, value
            continue
        length, position = _varint(message, position) if wire == LENGTH_DELIMITED else (FIXED_BYTES[wire], position)
        if position + length > len(message):
            raise ValueError("a field ends behind its message")
        yield field, message[position : position + length]
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """Value, and where it ends."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > MAX_VARINT_BITS:
            raise ValueError("a number has no end")
