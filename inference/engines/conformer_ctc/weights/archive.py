"""A `.nemo` file: a tar, compressed or not, with model_config.yaml, model_weights.ckpt and a tokenizer.

Members are read where they lie and never written to a path of their own, so their names can lead nowhere. Nothing in them is
executed: YAML without tags, and torch's `weights_only`.
"""

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import torch
import yaml
from torch import Tensor

from inference.engines.containers import unpickled
from inference.errors import WeightsError

CONFIG: Final = "model_config.yaml"
WEIGHTS: Final = "model_weights.ckpt"
MAX_TEXT_BYTES: Final = 64_000_000
"""Of a configuration or a tokenizer; those of the largest published model have 2 MB together."""
CHUNK_BYTES: Final = 1 << 20
EXPECTED: Final = "model_weights.ckpt as NeMo's save_to writes it. Copy the file anew"


@dataclass(frozen=True, slots=True)
class Archive:
    path: Path

    def config(self) -> dict[str, Any]:
        """Raises WeightsError where it cannot be read."""
        try:
            content = yaml.safe_load(self.text(CONFIG))
        except (yaml.YAMLError, ValueError, RecursionError) as err:  # dates that are none; thousands of brackets
            reason = str(err).partition("\n")[0]
            raise WeightsError(f"{self.path}: {CONFIG} is no plain YAML ({reason}). Copy the file anew.") from err
        if not isinstance(content, dict):
            raise WeightsError(f"{self.path}: {CONFIG} holds a {type(content).__name__}; expected settings. Copy the file anew.")
        return content

    def text(self, name: str) -> bytes:
        """The whole of a small member. Raises WeightsError where it cannot be read, or is not small."""
        with self._opened() as tar:
            member = self._member(tar, name)
            if member.size > MAX_TEXT_BYTES:
                raise WeightsError(
                    f"{self.path}: {name} has {member.size / 1e6:.0f} MB; expected a small file. Copy the file anew."
                )
            return self._stream(tar, member).read()

    def tensors(self) -> dict[str, Tensor]:
        """The weights by NeMo's names. Raises WeightsError where they cannot be read."""
        with self._weights() as file:
            return self._state(file)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the weights, which are not read, except where the archive is compressed."""
        with self._weights() as file, torch.serialization.skip_data():
            return {name: tuple(tensor.shape) for name, tensor in self._state(file).items()}

    def _state(self, file: IO[bytes]) -> dict[str, Tensor]:
        state = unpickled(file, f"{WEIGHTS} in {self.path}", EXPECTED)
        if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise WeightsError(f"{WEIGHTS} in {self.path} holds no tensors by name; expected {EXPECTED}.")
        return {str(name): tensor for name, tensor in state.items()}

    @contextmanager
    def _weights(self) -> Iterator[IO[bytes]]:
        """torch jumps about in them, which a compressed file cannot do: those are unpacked to a file without a name."""
        with self._opened() as tar:
            member = self._member(tar, WEIGHTS)
            stream = self._stream(tar, member)
            if not _is_compressed(self.path):
                yield stream
                return
            self._check_room(member.size)
            with tempfile.TemporaryFile() as unpacked:
                while piece := stream.read(CHUNK_BYTES):
                    unpacked.write(piece)
                unpacked.seek(0)
                yield unpacked

    def _check_room(self, num_bytes: int) -> None:
        folder = tempfile.gettempdir()
        free_bytes = shutil.disk_usage(folder).free
        if num_bytes > free_bytes:
            raise WeightsError(
                f"{self.path}: {WEIGHTS} takes {num_bytes / 1e9:.1f} GB when it is unpacked, and {free_bytes / 1e9:.1f} GB "
                f"are free in {folder}. Set TMPDIR to a folder with more room, or save the model without compression."
            )

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        try:
            with tarfile.open(self.path, "r:*") as tar:
                yield tar
        except (tarfile.TarError, OSError, EOFError, zlib.error) as err:
            raise WeightsError(
                f"{self.path} is no `.nemo` file or is damaged ({str(err).partition(chr(10))[0]}). Copy it anew."
            ) from err

    def _member(self, tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
        for member in tar:
            if member.name.removeprefix("./") == name and member.isreg():
                return member
        raise WeightsError(f"{self.path} holds no {name}; expected a `.nemo` file as NeMo's save_to writes it. Copy it anew.")

    def _stream(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
        stream = tar.extractfile(member)
        assert stream is not None, "it is a file"
        return stream


def is_archive(path: Path) -> bool:
    """Whether it begins as a tar does, compressed or not. What lies in it is not looked at."""
    try:
        with tarfile.open(path, "r:*") as tar:
            return tar.next() is not None
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return False


def _is_compressed(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return False
    except tarfile.TarError:
        return True
