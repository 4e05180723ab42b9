"""Every write to the table of models: taking one in, its variants, checking it again, and taking it out.

A model is in the table only if its files are where the row says, and were loaded once. Whatever fails leaves no row and no file.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from inference.config import HEAD_CHOICE, MODEL_NAME, Head, split_head
from inference.examine.facts import Facts
from transcription.catalogue import checksums, sources
from transcription.catalogue.errors import CatalogueError
from transcription.catalogue.examination import examine
from transcription.catalogue.figures import Figures, Report, refusal
from transcription.catalogue.shipped import shipped
from transcription.catalogue.storage import Storage
from transcription.catalogue.uses import loaded_by, uses_of
from transcription.models import ASRModel, RouteOverride

REFERENCE: Final = "fp32"
NUM_SHOWN: Final = 12
"""Digits of a checksum in a folder's name: to tell versions apart, not to prove anything."""
Tell = Callable[[str], object]


def storage() -> Storage:
    return Storage(settings.HARK_MODELS_DIR)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that wants to be taken in. licence: empty: what its own folder says. checksum: of its files, if somebody told it;
    in_place: its files stay where they are, and nobody here deletes them. is_fetched: they lie below HARK_MODELS_DIR and move.
    head: the one to use of a model that has several.
    """

    name: str
    path: Path
    origin: str
    licence: str = ""
    checksum: str = ""
    in_place: bool = False
    is_fetched: bool = False
    head: Head | None = None

    def at(self, path: Path) -> str:
        """What a row says of the model, its files lying at `path`."""
        return f"{path}{HEAD_CHOICE}{self.head}" if self.head else str(path)


def take_in(candidate: Candidate, tell: Tell) -> ASRModel:
    """1. find its files, 2. copy them, 3. compare checksums, 4. load it once in a process of its own, 5. write the row.

    `tell` gets a sentence before each step that takes long. Blocks. After a failure nothing is there, neither files nor row.

    Raises:
        CatalogueError: something is wrong with it, or there is no room; the message says what to do.
    """
    check_name(candidate.name)
    if "," in str(candidate.path):
        raise CatalogueError(f"{candidate.path} has a comma in it, which stands between models elsewhere. Rename it.")
    files = sources.files_of(candidate.path)
    if not candidate.in_place:
        return _take_copies(candidate, files, tell)
    path = candidate.path.resolve()
    return _enter(candidate, *_checked(candidate, path, files, tell), candidate.at(path))


def _take_copies(candidate: Candidate, files: list[Path], tell: Tell) -> ASRModel:
    store = storage()
    with store.staging() as staging:
        own = staging / candidate.path.resolve().name
        folder = own if candidate.path.is_dir() else staging
        if candidate.is_fetched:
            copies = store.move(files, folder)
        else:
            tell(f"Copying {len(files)} files to {store.root} …")
            copies = store.copy(files, folder)
        row, facts = _checked(candidate, own, copies, tell)
        with transaction.atomic():
            published = f"{candidate.name}-{row.checksum[:NUM_SHOWN]}"
            entered = _enter(candidate, row, facts, candidate.at(store.root.resolve() / published / own.name))
            store.publish(staging, published)
    return entered


def check_name(name: str) -> None:
    """Raises CatalogueError where it cannot be a name, or is somebody's."""
    if not MODEL_NAME.fullmatch(name):
        raise CatalogueError(f"{name!r} cannot be a name; expected at most 100 letters, digits, dots, dashes and underscores.")
    if shipped(name) is not None or ASRModel.objects.filter(name=name).exists():
        raise CatalogueError(f"There is a model {name} already. Choose another name, or remove that one first.")


def _checked(candidate: Candidate, path: Path, files: Sequence[Path], tell: Tell) -> tuple[ASRModel, Facts]:
    """A row that is not saved yet, and what the examination found."""
    if candidate.checksum:
        _compare(candidate, files)
    tell("Loading it once, to see whether it is whole …")
    facts = examine(candidate.name, Path(candidate.at(path)))
    licence = candidate.licence or sources.licence_of(candidate.path if candidate.path.is_dir() else candidate.path.parent)
    with _readable(candidate.name):
        checksum = checksums.of_files(files)
        size_bytes = sum(file.stat().st_size for file in files)
    return ASRModel(checksum=checksum, size_bytes=size_bytes, licence=licence[:200]), facts


def _compare(candidate: Candidate, files: Sequence[Path]) -> None:
    with _readable(candidate.name):
        found = checksums.of_files(files)
    if found != candidate.checksum.lower():
        raise CatalogueError(f"The files have the SHA-256 {found}; expected {candidate.checksum}. Fetch them anew.")


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise CatalogueError(f"The files of {name} cannot be read: {err.filename}: {err.strerror}.") from err


def _enter(candidate: Candidate, row: ASRModel, facts: Facts, source: str) -> ASRModel:
    row.name, row.source, row.origin, row.precision = candidate.name, source, candidate.origin, "auto"
    row.engine, row.languages, row.multilingual = facts.engine, list(facts.languages), facts.multilingual
    row.memory_bytes, row.load_ms = facts.memory_bytes, facts.load_ms
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as err:
        raise CatalogueError(f"Somebody else took in a model {candidate.name} meanwhile.") from err
    return row


def path_of(model: ASRModel) -> Path | None:
    """With the choice of a head behind it, if there is one. None: it comes with the project."""
    return Path(model.source) if model.source else None


def configured(model: ASRModel) -> str:
    """As HARK_MODELS would write it."""
    return f"{model.name}={model.source}" if model.source else model.name


def root_of(model: ASRModel) -> ASRModel:
    """The row that a variant was made from; any other row itself."""
    return model.variant_of or model


def files_of(model: ASRModel) -> list[Path]:
    """Raises CatalogueError where they are not there."""
    if model.source:
        return sources.files_of(split_head(model.source)[0])
    known = shipped(root_of(model).name)
    if known is None:
        raise CatalogueError(f"{model.name} says that it comes with the project; this version of the project does not have it.")
    return list(known.paths())


def verify(model: ASRModel) -> Facts:
    """Whether its files are those that were taken in, and can be loaded. Blocks; changes nothing.

    Raises:
        CatalogueError: they are not, or it cannot be loaded.
    """
    with _readable(model.name):
        found = checksums.of_files(files_of(model))
    if model.checksum and found != model.checksum:
        raise CatalogueError(
            f"The files of {model.name} are not those that were taken in: SHA-256 {found}, expected {model.checksum}. "
            + ("Run `make reinstall`." if model.is_builtin else "Remove the model and import it anew.")
        )
    return examine(root_of(model).name, path_of(model), model.precision or "auto")


def describe(model: ASRModel, *, licence: str | None, origin: str | None) -> None:
    """Write down what somebody knows of it, for its variants too; None: as it was."""
    if licence is not None:
        model.licence = licence[:200]
    if origin is not None:
        model.origin = origin
    model.save(update_fields=["licence", "origin"])
    model.variants.update(licence=model.licence, origin=model.origin)


def remove(model: ASRModel) -> None:
    """Its row, and its files if they were copied here and no other row has them. Blocks for about a second.

    Raises:
        CatalogueError: it is in use, or comes with the project.
    """
    if model.is_builtin and model.variant_of is None:
        raise CatalogueError(f"{model.name} comes with the project and cannot be removed. It can be disabled.")
    loaded = loaded_by(model)
    if loaded:
        raise CatalogueError(
            f"{model.name} is in use: {' and '.join(loaded)} have it in memory, and somebody may be heard by it. What no route "
            "needs is unloaded by itself."
        )
    with transaction.atomic():
        locked = ASRModel.objects.select_for_update().get(pk=model.pk)
        uses = uses_of(locked)
        if uses:
            raise CatalogueError(f"{model.name} is in use: it is {', and '.join(uses)}. Change that first.")
        RouteOverride.objects.filter(model=locked, until_at__lte=timezone.now()).delete()  # over; the swaps keep their names
        locked.delete()
        if storage().owns(model.source) and not ASRModel.objects.filter(source=model.source).exists():
            transaction.on_commit(lambda: storage().delete(model.source))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one precision of a model. `model`: the row with its figures; None: it was refused, or nobody asked for it. Of a row that
    was there and is worse than allowed `refusal` says why it was disabled, or must be.
    """

    precision: str
    model: ASRModel | None
    refusal: str = ""


def record(root: ASRModel, report: Report, precisions: Sequence[str], max_loss_percent: int) -> list[Outcome]:
    """Write down what was measured of `root`: in the rows that are there, and in a new one for each of `precisions`.

    A precision that is worse than the limit gets no row; one that has a row already is disabled, unless it is in use.
    """
    outcomes = []
    for row in [root, *root.variants.all()]:
        figures = report.of(row.precision)
        if figures is not None:
            outcomes.append(_update(row, figures, report, max_loss_percent))
    there = {outcome.precision for outcome in outcomes}
    for precision in precisions:
        figures = report.of(precision)
        if figures is not None and precision not in there:
            outcomes.append(_make_variant(root, figures, report, max_loss_percent))
    return outcomes


def _refusal(figures: Figures, report: Report, max_loss_percent: int) -> str:
    reference = report.of(REFERENCE)
    assert reference is not None, "the benchmark always measures what it compares with"
    return refusal(figures, reference, max_loss_percent) or ""


def _update(row: ASRModel, figures: Figures, report: Report, max_loss_percent: int) -> Outcome:
    reason = _refusal(figures, report, max_loss_percent) if row.variant_of_id is not None else ""
    row.rtf, row.wer, row.load_ms = figures.rtf, figures.wer, round(figures.load_ms)
    if reason and not uses_of(row):
        row.is_enabled = False
    row.save(update_fields=["rtf", "wer", "load_ms", "is_enabled"])
    return Outcome(row.precision, row, reason)


def _make_variant(root: ASRModel, figures: Figures, report: Report, max_loss_percent: int) -> Outcome:
    reason = _refusal(figures, report, max_loss_percent)
    if reason:
        return Outcome(figures.precision, None, reason)
    name = f"{root.name}-{figures.precision}"
    check_name(name)
    facts = examine(root.name, path_of(root), figures.precision)
    variant = ASRModel.objects.create(
        name=name,
        variant_of=root,
        precision=figures.precision,
        source=root.source,
        engine=root.engine,
        languages=root.languages,
        multilingual=root.multilingual,
        licence=root.licence,
        origin=root.origin,
        checksum=root.checksum,
        size_bytes=root.size_bytes,
        memory_bytes=facts.memory_bytes,
        load_ms=facts.load_ms,
        rtf=figures.rtf,
        wer=figures.wer,
        is_builtin=root.is_builtin,
    )
    return Outcome(figures.precision, variant)
