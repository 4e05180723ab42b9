"""What the operator may choose about `make serve`, read once from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from asr_project import env
from inference.logs import LOG_FORMATS, LogFormat

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent
MAX_INFERENCE_PROCESSES = 256


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """An empty `database_url` or `redis_url` means: run our own. `inherited` is handed on to the children unread.

    num_inference_processes: None means as many as pay off here, and one for each address where `inference_addresses` are given.
    """

    host: str
    port: int
    var_dir: Path
    database_url: str
    redis_url: str
    inference_addresses: tuple[str, ...]
    num_inference_processes: int | None
    has_secret_key: bool
    has_allowed_hosts: bool
    inherited: dict[str, str]
    log_format: LogFormat = "text"

    @classmethod
    def from_env(cls) -> "ServeConfig":
        """Read it.

        Raises:
            ImproperlyConfigured: a value cannot be used; the text names the variable.
        """
        return cls(
            host=env.read_str("HOST", "127.0.0.1"),
            port=env.read_int("PORT", 8000, minimum=1, maximum=65_535),
            var_dir=Path(env.read_str("HARK_VAR_DIR", str(PROJECT_DIR / "var"))).resolve(),
            database_url=env.read_str("DATABASE_URL", ""),
            redis_url=env.read_str("REDIS_URL", ""),
            inference_addresses=tuple(env.read_list("HARK_INFERENCE_ADDRESS", [])),
            num_inference_processes=_read_num_processes(),
            has_secret_key=bool(env.read_str("SECRET_KEY", "")),
            has_allowed_hosts=bool(env.read_list("ALLOWED_HOSTS", [])),
            inherited=dict(os.environ),
            log_format=env.read_choice("HARK_LOG_FORMAT", "text", LOG_FORMATS),
        )


def _read_num_processes() -> int | None:
    word = env.read_str("HARK_INFERENCE_PROCESSES", "auto")
    if word == "auto":
        return None
    if not word.isdecimal() or not 1 <= int(word) <= MAX_INFERENCE_PROCESSES:
        raise ImproperlyConfigured(
            f"HARK_INFERENCE_PROCESSES is {word!r}; expected auto or a number from 1 to {MAX_INFERENCE_PROCESSES}."
        )
    return int(word)
