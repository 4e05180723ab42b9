"""Settings of the inference process, read once from the environment and checked at once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from inference.errors import ConfigError
from inference.logs import LOG_FORMATS, LogFormat

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
RuntimeName = Literal["auto", "torch", "openvino", "onnx", "tensorrt"]
Head = Literal["ctc", "rnnt"]
HEAD_CHOICE = "?head="
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")
MAX_PORT = 65_535
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """For models that hear speech once, as it is spoken. chunk_ms: at a time, as near as the model can. runtime: what computes
    that. lm_dir: where language models lie. graphs_dir: where graphs that a runtime has made are kept.
    """

    chunk_ms: int = 200
    runtime: RuntimeName = "auto"
    lm_dir: Path = Path("var/language-models")
    graphs_dir: Path = Path("var/graphs")


@dataclass(frozen=True, slots=True)
class InferenceConfig:
    """address: `unix:/path` or `tcp:host:port`, where this process listens. models: names in the registry, the first one that
    fits a stream serves it. max_streams: open streams beyond which new ones are refused. max_batch: windows in one engine
    step. tuning_path: what `manage.py models bench --save` found out. max_delay_ms: how long texts may take on average before new
    streams are refused; 0: no limit. device: `auto`, `cpu`, `cuda` or `cuda:N`. node: this machine in log lines; empty: as it
    calls itself. metrics_port: of its own /metrics; 0: none. streaming: for models that hear speech as it is spoken.
    """

    address: str
    models: tuple[str, ...]
    precision: Precision
    max_streams: int
    max_batch: int
    log_level: str
    tuning_path: Path
    max_delay_ms: int = 1_000
    device: str = "auto"
    log_format: LogFormat = "text"
    node: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    streaming: StreamingOptions = StreamingOptions()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, listens: bool = True) -> "InferenceConfig":
        """Read HARK_INFERENCE_ADDRESS, HARK_MODELS, HARK_PRECISION, HARK_MAX_STREAMS, HARK_MAX_BATCH, HARK_MAX_DELAY_MS,
        HARK_LOG_LEVEL, HARK_LOG_FORMAT, HARK_NODE, HARK_TUNING_FILE, HARK_VAR_DIR,
        HARK_DEVICE, HARK_METRICS_HOST, HARK_METRICS_PORT, HARK_CONFORMER_CHUNK_MS, HARK_CONFORMER_RUNTIME, HARK_LM_DIR.

        listens: False for a process that measures or examines models and may have the web side's environment, with the addresses
        of all inference processes: HARK_INFERENCE_ADDRESS is not looked at, and `address` is empty.

        Raises:
            ConfigError: a value cannot be used; the message names the variable.
        """
        values = os.environ if environ is None else environ
        return cls(
            address=_address(values.get("HARK_INFERENCE_ADDRESS", "unix:var/inference.sock")) if listens else "",
            models=parse_models(values.get("HARK_MODELS", "whisper-tiny.en,whisper-base")),
            precision=parse_precision(values.get("HARK_PRECISION", "auto")),
            max_streams=_count("HARK_MAX_STREAMS", values.get("HARK_MAX_STREAMS", "5000")),
            max_batch=_count("HARK_MAX_BATCH", values.get("HARK_MAX_BATCH", "16")),
            max_delay_ms=_count("HARK_MAX_DELAY_MS", values.get("HARK_MAX_DELAY_MS", "1000"), least=0),
            log_level=_log_level(values.get("HARK_LOG_LEVEL", "INFO")),
            tuning_path=Path(values.get("HARK_TUNING_FILE") or Path(values.get("HARK_VAR_DIR", "var"), "tuning.json")),
            device=_device(values.get("HARK_DEVICE", "auto")),
            log_format=_log_format(values.get("HARK_LOG_FORMAT", "text")),
            node=values.get("HARK_NODE", ""),
            metrics_host=values.get("HARK_METRICS_HOST", "127.0.0.1"),
            metrics_port=_port("HARK_METRICS_PORT", values.get("HARK_METRICS_PORT", "0")),
            streaming=_streaming(values),
        )


def _streaming(values: Mapping[str, str]) -> StreamingOptions:
    var_dir = Path(values.get("HARK_VAR_DIR", "var"))
    return StreamingOptions(
        chunk_ms=_count("HARK_CONFORMER_CHUNK_MS", values.get("HARK_CONFORMER_CHUNK_MS", "200")),
        runtime=parse_runtime(values.get("HARK_CONFORMER_RUNTIME", "auto")),
        lm_dir=Path(values.get("HARK_LM_DIR") or var_dir / "language-models"),
        graphs_dir=var_dir / "graphs",
    )


def split_addresses(text: str) -> tuple[str, ...]:
    """The inference processes that a web process uses: their addresses, with commas between. Nothing is checked here."""
    return tuple(address.strip() for address in text.split(",") if address.strip())


def _address(text: str) -> str:
    if "," in text:
        raise ConfigError(
            f"HARK_INFERENCE_ADDRESS is {text!r}; expected one address: an inference process listens on its own, "
            "only the web side is told all of them."
        )
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return text
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and int(port) <= MAX_PORT:
        return text
    raise ConfigError(f"HARK_INFERENCE_ADDRESS is {text!r}; expected unix:/path/to/socket or tcp:host:port.")


def split_model(model: str) -> tuple[str, Path | None]:
    """`name` or `name=path` → name, and the path if there is one."""
    name, _, path = model.partition("=")
    return name.strip(), Path(path.strip()) if path.strip() else None


def split_head(path: str) -> tuple[Path, Head | None]:
    """`path` or `path?head=rnnt` → the path, and the head of a model that has several, if one is chosen."""
    for head in get_args(Head):
        if path.endswith(f"{HEAD_CHOICE}{head}"):
            return Path(path.removesuffix(f"{HEAD_CHOICE}{head}")), head
    return Path(path), None


def parse_models(text: str, source: str = "HARK_MODELS") -> tuple[str, ...]:
    """Names, or `name=path`, with commas between.

    Raises:
        ConfigError: they cannot be used; the message names `source`.
    """
    models = tuple(model.strip() for model in text.split(",") if model.strip())
    if not models:
        raise ConfigError(f"{source} is empty; expected model names with commas between, such as whisper-tiny.en,whisper-base.")
    names = [_model_name(model, source) for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{source} is {text!r}; expected every name once, and {twice} is there more often.")
    return models


def _model_name(model: str, source: str) -> str:
    name, path = split_model(model)
    if MODEL_NAME.fullmatch(name) and ("=" in model) == (path is not None):
        return name
    raise ConfigError(
        f"{source} is wrong at {model!r}; expected a name of at most 100 letters, digits, dots, dashes and underscores, or "
        "name=path."
    )


def parse_precision(text: str, source: str = "HARK_PRECISION") -> Precision:
    """Raises:
    ConfigError: there is no such precision; the message names `source`.
    """
    for choice in get_args(Precision):
        if text == choice:
            return choice  # type: ignore[no-any-return]  # get_args forgets the literal's type
    raise ConfigError(f"{source} is {text!r}; expected one of {', '.join(get_args(Precision))}.")


def parse_runtime(text: str, source: str = "HARK_CONFORMER_RUNTIME") -> RuntimeName:
    """Raises:
    ConfigError: there is no such runtime; the message names `source`.
    """
    for choice in get_args(RuntimeName):
        if text == choice:
            return choice  # type: ignore[no-any-return]  # get_args forgets the literal's type
    raise ConfigError(f"{source} is {text!r}; expected one of {', '.join(get_args(RuntimeName))}.")


def _device(text: str) -> str:
    """Whether torch can use it is seen when an engine is made."""
    if not DEVICE.fullmatch(text):
        raise ConfigError(f"HARK_DEVICE is {text!r}; expected auto, cpu, cuda or cuda:N with the number of a GPU.")
    return text


def _count(name: str, text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{name} is {text!r}; expected a whole number {'above 0' if least else 'or 0'}.")
    return int(text)


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise ConfigError(f"{name} is {text!r}; expected the number of a port, or 0 for none.")
    return int(text)


def _log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ConfigError(f"HARK_LOG_LEVEL is {text!r}; expected one of {', '.join(LOG_LEVELS)}.")
    return text


def _log_format(text: str) -> LogFormat:
    for log_format in LOG_FORMATS:
        if text == log_format:
            return log_format
    raise ConfigError(f"HARK_LOG_FORMAT is {text!r}; expected one of {', '.join(LOG_FORMATS)}.")
