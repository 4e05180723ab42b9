"""The tuning file: what it tells a process that starts, and when it is not listened to."""

from pathlib import Path

import pytest

from inference.config import InferenceConfig
from inference.errors import ConfigError
from inference.tuning import Choice, Machine, Tuning, choices, read, this_machine, write

HERE = Machine("Fast CPU avx2", "2.13.0+cpu", "cpu")
MEASURED = Tuning(machine=HERE, measured_on="2026-11-22", picks={"whisper-tiny.en": "bf16", "clinic=/srv/a.pt": "int8"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "tuning.json"


def configured(path: Path, **settings: str) -> InferenceConfig:
    return InferenceConfig.from_env({"HARK_MODELS": "whisper-tiny.en", "HARK_TUNING_FILE": str(path)} | settings)


def test_what_is_written_is_read(path: Path) -> None:
    write(path, MEASURED)

    assert read(path) == MEASURED
    assert list(path.parent.iterdir()) == [path]


def test_where_nothing_was_saved_nothing_is_read(path: Path) -> None:
    assert read(path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"machine": {"processor": "x", "torch": "1", "device": "cpu"}, "measured_on": "2026-11-22", "picks": {"a": "auto"}}',
        b'{"machine": {"processor": "x", "torch": "1", "device": "cpu"}, "measured_on": "2026-11-22", "picks": {}, "more": 1}',
    ],
)
def test_a_broken_file_is_named(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=rf"^HARK_TUNING_FILE is {path}, which is no tuning file: .* models bench --save"):
        choices(configured(path), HERE)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^HARK_TUNING_FILE is {tmp_path}, which cannot be read: Is a directory"):
        read(tmp_path)


def test_auto_takes_what_was_measured(path: Path) -> None:
    write(path, MEASURED)

    assert choices(configured(path), HERE) == [Choice("whisper-tiny.en", "bf16", f"measured on 2026-11-22, {path}")]


def test_a_precision_that_is_set_stands_above_it_and_the_file_is_not_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("broken")

    assert choices(configured(path, HARK_PRECISION="fp32"), HERE) == [
        Choice("whisper-tiny.en", "fp32", "set by HARK_PRECISION", is_news=False)
    ]


def test_a_model_that_was_not_measured_goes_by_rule(path: Path) -> None:
    write(path, MEASURED)

    assert choices(configured(path, HARK_MODELS="whisper-base"), HERE)[0].precision == "auto"


def test_a_model_of_ones_own_is_the_one_at_the_path_that_was_measured(path: Path) -> None:
    write(path, MEASURED)
    same, other = (choices(configured(path, HARK_MODELS=f"clinic=/srv/{name}.pt"), HERE)[0] for name in "ab")

    assert (same.precision, other.precision) == ("int8", "auto")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"processor": "Slow CPU"}, "of another processor (Fast CPU avx2; this one is Slow CPU)"),
        ({"torch": "2.14.0"}, "of another torch (2.13.0+cpu; this one is 2.14.0)"),
        ({"device": "cuda"}, "of another device (cpu; this one is cuda)"),
    ],
)
def test_on_another_machine_it_is_not_listened_to_and_the_reason_is_told(
    path: Path, changed: dict[str, str], expected: str
) -> None:
    write(path, MEASURED)
    here = {"processor": HERE.processor, "torch": HERE.torch, "device": HERE.device} | changed

    assert choices(configured(path), Machine(**here)) == [Choice("whisper-tiny.en", "auto", f"{path} is {expected}")]


def test_the_file_is_in_the_data_folder_unless_named() -> None:
    named = InferenceConfig.from_env({"HARK_TUNING_FILE": "/srv/t.json", "HARK_VAR_DIR": "/srv/hark"})

    assert named.tuning_path == Path("/srv/t.json")
    assert InferenceConfig.from_env({"HARK_VAR_DIR": "/srv/hark"}).tuning_path == Path("/srv/hark/tuning.json")
    assert InferenceConfig.from_env({}).tuning_path == Path("var/tuning.json")


INTEL = """processor\t: 0
model name\t: Some CPU @ 2.0GHz
flags\t\t: fpu avx2 avx512f avx512_vnni sse2

processor\t: 1
model name\t: Another
flags\t\t: fpu
"""
ARM = """processor\t: 0
Features\t: fp asimd asimddp i8mm bf16
"""


@pytest.mark.parametrize(
    ("cpu_info", "expected"), [(INTEL, "Some CPU @ 2.0GHz avx2 avx512_vnni avx512f"), (ARM, "asimddp bf16 i8mm")]
)
def test_a_processor_is_known_by_what_it_multiplies_with_too(tmp_path: Path, cpu_info: str, expected: str) -> None:
    (tmp_path / "cpuinfo").write_text(cpu_info)

    assert this_machine("cpu", tmp_path / "cpuinfo").processor.endswith(expected)


def test_a_system_without_cpu_info_has_a_processor_all_the_same(tmp_path: Path) -> None:
    assert this_machine("cpu", tmp_path / "nothing").processor
