"""The pieces of text that a model writes, read from SentencePiece's model or from a tokenizer.json.

Only the pieces are read, in order: a recogniser writes text and never takes it apart, so nothing else of a tokenizer is needed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from inference.errors import WeightsError

LENGTH_DELIMITED: Final = 2
WIRE_BYTES: Final = {1: 8, 5: 4}
"""Of the fields that have a fixed size."""
PIECES_FIELD: Final = 1
TEXT_FIELD: Final = 1


def checked(pieces: list[str], source: str) -> tuple[str, ...]:
    """Raises WeightsError where there are none, or one is empty."""
    if not pieces:
        raise WeightsError(f"{source} lists no pieces. Copy it anew.")
    if "" in pieces:
        raise WeightsError(f"{source}: piece {pieces.index('')} is empty. Is it complete?")
    return tuple(pieces)


def sentencepiece_pieces(content: bytes, source: str) -> tuple[str, ...]:
    """From a SentencePiece model (`tokenizer.model`).

    Source: google/sentencepiece `src/sentencepiece_model.proto` (ModelProto.pieces, SentencePiece.piece), Apache-2.0.

    Raises:
        WeightsError: it is none, or damaged.
    """
    try:
        pieces = [_text_of(value) for field, value in _fields(content) if field == PIECES_FIELD and isinstance(value, bytes)]
    except (IndexError, ValueError, KeyError) as err:
        raise WeightsError(f"{source} is no SentencePiece model or is damaged. Copy it anew.") from err
    return checked(pieces, source)


def tokenizer_json_pieces(path: Path) -> tuple[str, ...]:
    """From `tokenizer.json` of a Hugging Face folder, added tokens included.

    Raises:
        WeightsError: unreadable, or its numbers leave holes.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        numbered = dict(_numbered(document["model"]["vocab"]))
        numbered |= {int(added["id"]): str(added["content"]) for added in document.get("added_tokens", [])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise WeightsError(
            f"{path} lists no pieces ({err!r}); expected a tokenizer as transformers saves it. Copy it anew."
        ) from err
    if sorted(numbered) != list(range(len(numbered))):
        raise WeightsError(f"{path} numbers its {len(numbered)} pieces up to {max(numbered)}, with holes. Copy it anew.")
    return checked([numbered[number] for number in range(len(numbered))], str(path))


def _numbered(vocab: object) -> Iterator[tuple[int, str]]:
    """Of a dictionary (BPE) or of a list of piece and score (unigram)."""
    if isinstance(vocab, dict):
        yield from ((int(number), str(piece)) for piece, number in vocab.items())
    elif isinstance(vocab, list):
        yield from ((number, str(entry[0])) for number, entry in enumerate(vocab))
    else:
        raise TypeError(f"vocab is a {type(vocab).__name__}")


def _text_of(message: bytes) -> str:
    text = next(value for field, value in _fields(message) if field == TEXT_FIELD)
    if not isinstance(text, bytes):
        raise ValueError(f"a piece is {text!r}")
    return text.decode("utf-8")


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of each field of a protobuf message.

    Source: https://protobuf.dev/programming-guides/encoding/, CC BY 4.0.
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield field, value
            continue
        if wire == LENGTH_DELIMITED:
            length, position = _varint(message, position)
        else:
            length = WIRE_BYTES[wire]
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
        if shift > 63:
            raise ValueError("a number has no end")
