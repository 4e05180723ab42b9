"""`python -m inference.examine`: what a model is, or in one sentence why it is none."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import psutil
import pytest
import torch

from inference.examine.__main__ import TooLargeError, check_room
from inference.examine.__main__ import refusal_of as refusal_of_error
from inference.examine.facts import Examined, Facts, Refusal, peak_bytes, resident_bytes
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_openai
from tests.inference.worker import PROJECT_DIR


def examined(model: str, precision: str = "fp32", **settings: str) -> Examined:
    done = subprocess.run(
        [sys.executable, "-m", "inference.examine", model, "--precision", precision],
        cwd=PROJECT_DIR,
        env=os.environ | {"HARK_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "HARK_INFERENCE_ADDRESS": "unix:a,unix:b"} | settings,
        capture_output=True,
        timeout=110,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Examined)


def facts_of(model: str, precision: str = "fp32") -> Facts:
    found = examined(model, precision)
    assert found.facts is not None, found.refusal
    return found.facts


def refusal_of(model: str, precision: str = "fp32") -> Refusal:
    found = examined(model, precision)
    assert found.refusal is not None, found.facts
    return found.refusal


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_shipped_english_model_is_what_it_is_and_takes_what_was_estimated(precision: str) -> None:
    facts = facts_of("whisper-tiny.en", precision)

    assert (facts.engine, facts.languages, facts.multilingual, facts.precision) == ("whisper", ("en",), False, precision)
    assert facts.num_parameters == pytest.approx(37_764_864, rel=1e-6)
    assert facts.load_ms > 0
    assert facts.memory_bytes < 1.1 * resident_bytes(facts.num_parameters, precision)
    assert facts.memory_bytes > 0.5 * resident_bytes(facts.num_parameters, precision)


@pytest.mark.integration
def test_a_model_of_ones_own_is_examined_where_it_lies(tmp_path: Path) -> None:
    path = write_openai(tmp_path / "mine.pt", random_weights(small(num_tokens=51865)), torch.float16)

    facts = facts_of(f"mine={path}")

    assert facts.multilingual
    assert len(facts.languages) > 90


@pytest.mark.integration
@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (b"\x89PNG and then some", "weights_unusable", "is no torch checkpoint or is damaged"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_a_sentence(tmp_path: Path, content: bytes, code: str, sentence: str) -> None:
    (tmp_path / "a.pt").write_bytes(content)

    refusal = refusal_of(f"a={tmp_path / 'a.pt'}")

    assert refusal.code == code
    assert sentence in refusal.message


@pytest.mark.integration
def test_a_precision_that_the_device_does_not_have_is_refused() -> None:
    assert refusal_of("whisper-tiny.en", "fp16").code == "bad_configuration"


@pytest.mark.integration
def test_a_streaming_model_is_examined_in_the_runtime_that_would_serve_it() -> None:
    refusal = examined("conformer-edge", HARK_CONFORMER_RUNTIME="tensorrt").refusal

    assert refusal is not None
    assert refusal.message.startswith("HARK_CONFORMER_RUNTIME is tensorrt")


@pytest.mark.integration
def test_an_engine_that_is_unknown_is_refused() -> None:
    assert refusal_of("nobody").code == "unknown_model"


@pytest.mark.parametrize(("available", "fits"), [(peak_bytes(1000, 0), True), (peak_bytes(1000, 0) - 1, False)])
def test_a_model_is_refused_before_it_is_loaded_where_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, available: int, fits: bool
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))

    if fits:
        check_room("whisper-huge", 1000, "fp32", "cpu")
    else:
        with pytest.raises(TooLargeError, match=r"whisper-huge has .* Take a smaller model"):
            check_room("whisper-huge", 1000, "fp32", "cpu")


@pytest.mark.parametrize(
    ("err", "code"),
    [
        (MemoryError(), "too_large"),
        (RuntimeError("unable to mmap 9 bytes: Cannot allocate memory (12)"), "too_large"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "weights_unusable"),
    ],
)
def test_what_breaks_off_while_it_is_loaded_is_told_in_a_sentence(err: Exception, code: str) -> None:
    refusal = refusal_of_error("huge", err)

    assert refusal.code == code
    assert refusal.message.startswith("huge ")


def test_a_lower_precision_is_estimated_smaller() -> None:
    sizes = [resident_bytes(10**9, precision) for precision in ("auto", "fp32", "bf16", "int8")]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == sizes[1]
