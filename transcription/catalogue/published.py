"""Models that others have published and that this server can run, by the names that `models pull` knows.

What they cost, write and know is their authors' word; none of them could be fetched where this was written.
"""

from dataclasses import dataclass
from typing import Final

NVIDIA: Final = "hub:nvidia/"
NEMO: Final = ".nemo"
TORCHAUDIO: Final = "https://download.pytorch.org/torchaudio/"


@dataclass(frozen=True, slots=True)
class Published:
    """source: as `models pull` takes it. files: those to fetch, relative to it; none: those that make up a model are looked for.
    licence: as its card says.
    """

    name: str
    source: str
    licence: str
    about: str
    files: tuple[str, ...] = ()


def _nemo(name: str, licence: str, about: str) -> Published:
    """One whose hub page holds a `.nemo` file of its own name, as NeMo's from_pretrained expects it."""
    return Published(name, f"{NVIDIA}{name}", licence, about, (f"{name}{NEMO}",))


PUBLISHED: Final = (
    _nemo(
        "stt_en_fastconformer_hybrid_large_streaming_multi",
        "CC-BY-4.0",
        "English, lower case; 114 M; CTC and transducer; chunks of 80 to 1120 ms",
    ),
    _nemo(
        "stt_en_fastconformer_hybrid_medium_streaming_80ms",
        "CC-BY-4.0",
        "English, lower case; 32 M; CTC and transducer; chunks of 160 ms",
    ),
    _nemo(
        "stt_en_fastconformer_hybrid_medium_streaming_80ms_pc",
        "CC-BY-4.0",
        "English with punctuation; 32 M; CTC and transducer; chunks of 160 ms",
    ),
    _nemo("parakeet_realtime_eou_120m-v1", "NVIDIA Open Model License", "English; 120 M; transducer; chunks of 160 ms"),
    Published(
        "nemotron-speech-streaming-en-0.6b",
        f"{NVIDIA}nemotron-speech-streaming-en-0.6b",
        "NVIDIA Open Model License",
        "English with punctuation; 600 M; transducer; chunks of 80 to 1120 ms; for a GPU",
    ),
    Published(
        "nemotron-3.5-asr-streaming-0.6b",
        f"{NVIDIA}nemotron-3.5-asr-streaming-0.6b",
        "OpenMDW-1.1",
        "40 locales with punctuation; 600 M; transducer; chunks of 80 to 1120 ms; for a GPU",
    ),
    Published(
        "emformer_rnnt_base_librispeech",
        TORCHAUDIO,
        "BSD-2-Clause",
        "English, lower case; 77 M; torchaudio's Emformer transducer; chunks of 160 ms",
        (
            "models/emformer_rnnt_base_librispeech.pt",
            "pipeline-assets/global_stats_rnnt_librispeech.json",
            "pipeline-assets/spm_bpe_4096_librispeech.model",
        ),
    ),
)


def published(name: str) -> Published | None:
    return next((model for model in PUBLISHED if model.name == name), None)
