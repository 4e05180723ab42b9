"""One model from its files to a warm engine: the stages, and everything that must refuse it, with nothing left behind."""

import os
import re
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from inference import memory, priority
from inference.config import InferenceConfig
from inference.engines import registry
from inference.engines.base import Engine
from inference.engines.fake import FakeEngine
from inference.errors import (
    CanaryError,
    ConfigError,
    InferenceError,
    LoadError,
    NoMemoryError,
    UnknownModelError,
    WeightsError,
)
from inference.loading import Loader
from inference.messages import Canary, LoadModel, ModelSpec, Stage
from tests.inference.engines.whisper.weights.layouts import random_weights, small, write_openai
from tests.inference.worker import say

CONFIG = InferenceConfig.from_env({"HARK_DEVICE": "cpu"})
CANARY = Canary(payload=say("alpha bravo"), text="alpha bravo", language="en")
QUICK_CANARY = structs.replace(CANARY, max_rtf=0.1)
MB = 1_000_000


@dataclass
class Attempt:
    """A try to load a model, and the stages that were told."""

    request: LoadModel
    stages: list[tuple[Stage, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loader = Loader(self.request, CONFIG, lambda stage, detail: self.stages.append((stage, detail)))


def attempt(source: str = "fake", canary: Canary | None = CANARY, precision: str = "auto", max_memory_bytes: int = 0) -> Attempt:
    spec = ModelSpec(name="new", source=source, precision=precision)
    return Attempt(LoadModel(spec=spec, canary=canary, max_memory_bytes=max_memory_bytes))


def test_a_model_is_checked_loaded_warmed_and_heard_under_its_own_name() -> None:
    trial = attempt("fake?ballast_bytes=50000000")
    memory.give_back("cpu")  # what other tests have left would go meanwhile, and be taken off

    loaded = trial.loader.run()

    assert trial.stages == [
        ("checking", ""),
        ("loading", trial.stages[1][1]),
        ("warming", ""),
        ("canary", ""),
    ]
    assert re.fullmatch(r"12 million parameters, about \d+ MB\.", trial.stages[1][1])
    assert (loaded.engine.info.name, loaded.engine.info.engine) == ("new", "fake")
    assert loaded.hearing is not None
    assert loaded.hearing.wer == 0.0
    assert 45 * MB < loaded.memory_bytes < 60 * MB
    assert loaded.engine.info.memory_bytes == loaded.memory_bytes


def test_without_a_canary_nothing_is_heard() -> None:
    trial = attempt(canary=None)

    assert trial.loader.run().hearing is None
    assert [stage for stage, _detail in trial.stages] == ["checking", "loading", "warming"]


@pytest.mark.parametrize(
    ("trial", "stage", "error", "sentence"),
    [
        (attempt("fake?fails_to_load=1"), "loading", WeightsError, "new was to fail, and did"),
        (attempt("fake?is_mute=1"), "canary", CanaryError, "new wrote '' where 'alpha bravo' is said"),
        (
            attempt("fake?step_cpu_s=0.2", QUICK_CANARY),
            "canary",
            CanaryError,
            r"new computed 0\.2\d s for a second of audio, and 0\.10 s may be",
        ),
        (attempt("fake?nonsense=1"), "checking", WeightsError, "has no such faults: 'nonsense=1'"),
        (attempt("whisper-huge"), "checking", UnknownModelError, "There is no model 'whisper-huge'"),
        (attempt("/nowhere/model.pt"), "checking", WeightsError, "new: there is no /nowhere/model.pt"),
        (attempt(precision="fp8"), "checking", ConfigError, "The precision of new is 'fp8'; expected one of auto"),
        (attempt(canary=Canary(payload=b"", text="", language="en")), "checking", CanaryError, "The canary has 0 bytes"),
        (
            attempt("fake?ballast_bytes=100000000", max_memory_bytes=50 * MB),
            "checking",
            NoMemoryError,
            r"new needs about \d+ MB, and 50 MB are allowed",
        ),
    ],
)
def test_what_must_not_be_used_is_refused_in_its_stage_with_a_sentence(
    trial: Attempt, stage: Stage, error: type[InferenceError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        trial.loader.run()

    assert trial.loader.stage == stage


def test_a_model_that_needs_more_than_is_free_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 150 * MB)
    trial = attempt("fake?ballast_bytes=100000000")

    with pytest.raises(NoMemoryError, match=r"new needs about \d+ MB to be loaded, and 150 MB are free on this machine"):
        trial.loader.run()

    assert [stage for stage, _detail in trial.stages] == ["checking"]


def test_a_model_that_takes_more_than_was_estimated_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEngine, "num_parameters", lambda _engine: 0)
    before = memory.used_bytes("cpu")

    with pytest.raises(NoMemoryError, match=r"new took \d+ MB, and 160 MB are allowed"):
        attempt("fake?ballast_bytes=300000000", max_memory_bytes=160 * MB).loader.run()

    memory.give_back("cpu")
    assert memory.used_bytes("cpu") < before + 50 * MB


@pytest.mark.parametrize("source", ["fake?is_mute=1", "fake?fails_to_load=1"])
def test_a_model_that_fails_is_closed(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(FakeEngine, "close", lambda engine: closed.append(engine.info.name))

    with pytest.raises(InferenceError):
        attempt(source).loader.run()

    assert closed == ["new"]


@pytest.mark.parametrize(
    ("raised", "error", "sentence"),
    [
        (MemoryError(), NoMemoryError, "not enough memory while new was being loaded"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), NoMemoryError, "not enough memory"),
        (
            ZeroDivisionError("a fault was switched on"),
            LoadError,
            r"new broke while it was being loaded \(a fault was switched on\)",
        ),
    ],
)
def test_whatever_breaks_is_told_in_a_sentence(
    raised: Exception, error: type[InferenceError], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warm_up(_engine: FakeEngine) -> None:
        raise raised

    monkeypatch.setattr(FakeEngine, "warm_up", warm_up)
    trial = attempt()

    with pytest.raises(error, match=sentence):
        trial.loader.run()
    assert trial.loader.stage == "warming"


def test_a_file_of_one_s_own_is_loaded_under_a_name(tmp_path: Path) -> None:
    write_openai(tmp_path / "clinic.pt", random_weights(small()))

    loaded = attempt(str(tmp_path / "clinic.pt"), canary=None, precision="bf16").loader.run()

    assert (loaded.engine.info.name, loaded.engine.info.precision) == ("new", "bf16")


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"no model at all")

    with pytest.raises(WeightsError):
        attempt(str(tmp_path / "model.pt")).loader.run()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
def test_the_thread_that_loads_gives_way_once_the_tokenizer_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    create = registry.create_as

    def created(*args: Any, **options: Any) -> Engine[Any]:
        happened.append("made")
        return create(*args, **options)

    def give_way(_which: int, who: int, niceness: int) -> None:
        assert who == threading.get_native_id()
        assert niceness >= priority.NICENESS
        happened.append("gives way")

    monkeypatch.setattr(registry, "create_as", created)
    monkeypatch.setattr(os, "setpriority", give_way)
    spec = ModelSpec(name="new", source="fake")
    Loader(LoadModel(spec=spec), CONFIG, lambda stage, _detail: happened.append(stage)).run()

    assert happened == ["checking", "made", "gives way", "loading", "warming"]


def test_other_threads_need_not_wait_long_for_their_turn_while_a_model_is_loaded() -> None:
    usual_s = sys.getswitchinterval()
    seen_s: list[float] = []
    spec = ModelSpec(name="new", source="fake")

    Loader(LoadModel(spec=spec), CONFIG, lambda *_stage: seen_s.append(sys.getswitchinterval())).run()

    assert max(seen_s) < usual_s
    assert sys.getswitchinterval() == usual_s
