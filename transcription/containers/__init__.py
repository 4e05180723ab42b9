"""Audio files as streams: bytes of a WAV, WebM, Ogg, FLAC, MP3 or MP4 file in as they come, samples out as soon as may be.

One module for each container takes it apart; `decoder` decodes what is in it. docs/decisions/0012-containers.md says why
the containers are taken apart here and not by FFmpeg.
"""

from transcription.containers.decoder import ContainerDecoder
from transcription.containers.errors import UndecodableAudioError
from transcription.containers.signatures import NAMES, ContainerKind, sniff
from transcription.containers.wav import read_wav_header

__all__ = ["NAMES", "ContainerDecoder", "ContainerKind", "UndecodableAudioError", "read_wav_header", "sniff"]
