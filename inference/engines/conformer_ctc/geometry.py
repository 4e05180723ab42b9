"""How a streaming step cuts an utterance: what a chunk is made of, what it needs of the past, in frames and samples."""

from dataclasses import dataclass
from typing import Final

from inference.engines.conformer_ctc.config import EncoderConfig
from inference.features import FRAME_SAMPLES, HOP_SAMPLES

HALF_FRAME_SAMPLES: Final = FRAME_SAMPLES // 2
"""Mel frame n hears the samples [160 n - 200, 160 n + 200)."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of one network at one of its look-aheads. Frames are the encoder's unless a name says mel.

    A chunk is `chunk_frames` outputs. Output n hears the mel frames up to subsampling * n and none later, so the first chunk
    needs `subsampling - 1` mel frames less than every other: in a step it is padded in front.
    """

    config: EncoderConfig
    right_frames: int

    @property
    def chunk_frames(self) -> int:
        return self.right_frames + 1

    @property
    def left_frames(self) -> int:
        """How far attention sees before the chunk: whole chunks."""
        return self.config.left_chunks(self.right_frames) * self.chunk_frames

    @property
    def conv_frames(self) -> int:
        """What the convolution of a layer remembers."""
        return self.config.conv_kernel - 1

    @property
    def chunk_mel_frames(self) -> int:
        return self.chunk_frames * self.config.subsampling

    @property
    def num_virtual_mel_frames(self) -> int:
        """Before the first mel frame of an utterance: they only make its first chunk as long as the others."""
        return self.config.subsampling - 1

    @property
    def frame_samples(self) -> int:
        return self.config.subsampling * HOP_SAMPLES

    @property
    def chunk_samples(self) -> int:
        return self.chunk_frames * self.frame_samples

    @property
    def first_chunk_samples(self) -> int:
        """So much audio gives the first chunk; each further one needs `chunk_samples` more."""
        return self.chunk_samples - self.frame_samples + HALF_FRAME_SAMPLES

    def num_frames_of(self, num_samples: int) -> int:
        """Outputs that belong to so much audio: those around whose middle there is some of it."""
        return -(-num_samples // self.frame_samples)

    def stage_rows(self) -> tuple[tuple[int, int], ...]:
        """(channels, bands) of the one frame that each stage of the subsampling remembers of its input."""
        rows, bands = [(1, self.config.num_mels)], self.config.num_mels
        for _ in range(self.config.num_stages - 1):
            bands = bands // 2 + 1
            rows.append((self.config.subsampling_channels, bands))
        return tuple(rows)
