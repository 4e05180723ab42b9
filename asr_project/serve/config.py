"""What the operator may choose about `make serve`, read once from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from asr_project import env

PROJECT_DIR = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """An empty `database_url` or `redis_url` means: run our own. `inherited` is handed on to the children unread."""

    host: str
    port: int
    var_dir: Path
    database_url: str
    redis_url: str
    inference_address: str
    has_secret_key: bool
    has_allowed_hosts: bool
    inherited: dict[str, str]

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
            inference_address=env.read_str("HARK_INFERENCE_ADDRESS", ""),
            has_secret_key=bool(env.read_str("SECRET_KEY", "")),
            has_allowed_hosts=bool(env.read_list("ALLOWED_HOSTS", [])),
            inherited=dict(os.environ),
        )
