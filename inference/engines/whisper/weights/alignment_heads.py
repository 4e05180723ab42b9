"""Which attention heads of the published models follow the audio in time: (layer, head), found by their makers.

Source: openai/whisper `whisper/__init__.py` (`_ALIGNMENT_HEADS`, decoded) and `whisper/model.py` (the default), MIT.
"""

from dataclasses import dataclass

Heads = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class DecoderSize:
    """By what a published model is recognised."""

    num_layers: int
    num_heads: int
    num_tokens: int


TINY_EN = DecoderSize(4, 6, 51864)
TINY = DecoderSize(4, 6, 51865)
BASE_EN = DecoderSize(6, 8, 51864)
BASE = DecoderSize(6, 8, 51865)
SMALL_EN = DecoderSize(12, 12, 51864)
SMALL = DecoderSize(12, 12, 51865)
MEDIUM_EN = DecoderSize(24, 16, 51864)
MEDIUM = DecoderSize(24, 16, 51865)
LARGE = DecoderSize(32, 20, 51865)
LARGE_V3 = DecoderSize(32, 20, 51866)
TURBO = DecoderSize(4, 20, 51866)

# fmt: off
HEADS: dict[str, tuple[DecoderSize, Heads]] = {
    "tiny.en": (TINY_EN, ((1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4))),
    "tiny": (TINY, ((2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5))),
    "base.en": (BASE_EN, ((3, 3), (4, 7), (5, 1), (5, 5), (5, 7))),
    "base": (BASE, ((3, 1), (4, 2), (4, 3), (4, 7), (5, 1), (5, 2), (5, 4), (5, 6))),
    "small.en": (SMALL_EN, (
        (6, 6), (7, 0), (7, 3), (7, 8), (8, 2), (8, 5), (8, 7), (9, 0), (9, 4), (9, 8), (9, 10), (10, 0), (10, 1),
        (10, 2), (10, 3), (10, 6), (10, 11), (11, 2), (11, 4),
    )),
    "small": (SMALL, ((5, 3), (5, 9), (8, 0), (8, 4), (8, 7), (8, 8), (9, 0), (9, 7), (9, 9), (10, 5))),
    "medium.en": (MEDIUM_EN, (
        (11, 4), (14, 1), (14, 12), (14, 14), (15, 4), (16, 0), (16, 4), (16, 9), (17, 12), (17, 14), (18, 7), (18, 10),
        (18, 15), (20, 0), (20, 3), (20, 9), (20, 14), (21, 12),
    )),
    "medium": (MEDIUM, ((13, 15), (15, 4), (15, 15), (16, 1), (20, 0), (23, 4))),
    "large-v2": (LARGE, (
        (10, 12), (13, 17), (16, 11), (16, 12), (16, 13), (17, 15), (17, 16), (18, 4), (18, 11), (18, 19), (19, 11),
        (21, 2), (21, 3), (22, 3), (22, 9), (22, 12), (23, 5), (23, 7), (23, 13), (25, 5), (26, 1), (26, 12), (27, 15),
    )),
    "large-v1": (LARGE, ((9, 19), (11, 2), (11, 4), (11, 17), (22, 7), (22, 11), (22, 17), (23, 2), (23, 15))),
    "large-v3": (LARGE_V3, (
        (7, 0), (10, 17), (12, 18), (13, 12), (16, 1), (17, 14), (19, 11), (21, 4), (24, 1), (25, 6),
    )),
    "large-v3-turbo": (TURBO, ((2, 4), (2, 11), (3, 3), (3, 6), (3, 11), (3, 14))),
}
# fmt: on
"""Name of the published model → its size and heads. Of two with the same size the first is taken where the name is unknown."""


def known_heads(size: DecoderSize, name: str) -> Heads:
    """Heads of the published model of this size, preferably the one called `name`; else all of the upper half of the layers.

    A model that was trained further keeps the size of the one that it began as, and its heads.
    """
    named = [HEADS[name]] if name in HEADS else []
    for known_size, heads in (*named, *HEADS.values()):
        if known_size == size:
            return heads
    return tuple((layer, head) for layer in range(size.num_layers // 2, size.num_layers) for head in range(size.num_heads))
