"""What `manage.py models bench --save` found out: which precision each model runs in on this machine, kept in a small file.

Only `auto` asks it, and only where processor and torch are those that were measured. Nothing is measured here, and torch is
not loaded: the web side reads the file too, to show it.
"""

import logging
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import msgspec

from inference.config import InferenceConfig, Precision
from inference.errors import ConfigError

MeasuredPrecision = Literal["fp32", "bf16", "fp16", "int8"]
SPEED_FLAGS: Final = frozenset(
    {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_bf16", "amx_int8"}
    | {"asimddp", "i8mm", "bf16", "sve"}
)
"""What decides how fast a precision is, as Linux spells it: virtual machines call very different processors the same."""
CPU_INFO: Final = Path("/proc/cpuinfo")
WITHOUT_CUDA: Final = "+cpu"
"""How torch's builds without CUDA end their version."""


class Machine(msgspec.Struct, frozen=True):
    """What a measurement holds for. `device`: as HARK_DEVICE says it."""

    processor: str
    torch: str
    device: str


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """picks: by model, as HARK_MODELS writes it, path included. measured_on: the day, as 2026-11-22."""

    machine: Machine
    measured_on: str
    picks: dict[str, MeasuredPrecision]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a model is to compute with, and why. `model`: as HARK_MODELS writes it. `is_news`: a tuning file was asked."""

    model: str
    precision: Precision
    reason: str
    is_news: bool = True

    @property
    def log_level(self) -> int:
        return logging.INFO if self.is_news else logging.DEBUG


def this_machine(device: str, cpu_info: Path = CPU_INFO) -> Machine:
    """`device`: as HARK_DEVICE says it."""
    torch = metadata.version("torch")
    return Machine(_processor(cpu_info), torch, "cpu" if torch.endswith(WITHOUT_CUDA) else device)


def _processor(cpu_info: Path) -> str:
    """Its name, and of what it can do that which matters here."""
    if not cpu_info.exists():
        return platform.processor() or platform.machine()
    lines = cpu_info.read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    facts = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name") or platform.machine()
    flags = facts.get("flags", facts.get("features", "")).split()
    return " ".join([name, *sorted(SPEED_FLAGS.intersection(flags))])


def read(path: Path) -> Tuning | None:
    """None where nothing was saved.

    Raises:
        ConfigError: the file cannot be read, or is something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tuning)
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ConfigError(f"HARK_TUNING_FILE is {path}, which cannot be read: {err.strerror}.") from err
    except ValueError as err:  # of msgspec: no JSON, or other fields and values
        raise ConfigError(
            f"HARK_TUNING_FILE is {path}, which is no tuning file: {err}. Delete it, or let "
            "`manage.py models bench --save` write it anew."
        ) from err


def write(path: Path, tuning: Tuning) -> None:
    """All of it or nothing: a process that starts meanwhile reads the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(tuning)) + b"\n")
    fresh.replace(path)


def choices(config: InferenceConfig, machine: Machine) -> list[Choice]:
    """What each of the models is to compute with; `auto` stands for the rule by what the processor multiplies natively.

    Raises:
        ConfigError: the file is asked and cannot be used.
    """
    if config.precision != "auto":
        return [Choice(model, config.precision, "set by HARK_PRECISION", is_news=False) for model in config.models]
    tuning = read(config.tuning_path)
    if tuning is None:
        return [Choice(model, "auto", "not measured here yet", is_news=False) for model in config.models]
    if tuning.machine != machine:
        reason = f"{config.tuning_path} is {_difference(tuning.machine, machine)}"
        return [Choice(model, "auto", reason) for model in config.models]
    return [_choice(model, tuning, config.tuning_path) for model in config.models]


def _choice(model: str, tuning: Tuning, path: Path) -> Choice:
    pick = tuning.picks.get(model)
    if pick is None:
        return Choice(model, "auto", f"{path} does not tell of it")
    return Choice(model, pick, f"measured on {tuning.measured_on}, {path}")


def _difference(measured: Machine, here: Machine) -> str:
    if measured.processor != here.processor:
        return f"of another processor ({measured.processor}; this one is {here.processor})"
    if measured.torch != here.torch:
        return f"of another torch ({measured.torch}; this one is {here.torch})"
    return f"of another device ({measured.device}; this one is {here.device})"
