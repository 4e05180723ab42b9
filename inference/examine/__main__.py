"""`python -m inference.examine name=path`: one line of JSON (`facts.Examined`) on standard output; the log goes elsewhere."""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

import msgspec
import psutil

from inference import memory
from inference.config import InferenceConfig, Precision, StreamingOptions, split_head, split_model
from inference.engines import registry
from inference.engines.device import choose
from inference.errors import InferenceError, WeightsError
from inference.examine.facts import TOO_LARGE, Examined, Facts, Refusal, peak_bytes, resident_bytes

NICENESS: Final = 10
"""Live streams of a server on the same machine go first."""
GB: Final = 1e9


class TooLargeError(WeightsError):
    code = TOO_LARGE


def examine(
    model: str,
    precision: Precision,
    device: str,
    streaming: StreamingOptions = StreamingOptions(),  # noqa: B008  # frozen
) -> Facts:
    """Load `model` (a name, or `name=path`), let it hear noise, and look at it.

    Raises:
        InferenceError: it cannot be loaded; the message says why, and what to do.
    """
    engine = registry.create(model, precision, device=device, max_batch=1, streaming=streaming)
    num_parameters = engine.num_parameters()
    check_room(model, num_parameters, engine.info.precision, device)
    before_bytes, started_s = own_bytes(), time.perf_counter()
    engine.load()
    load_ms = round(1000 * (time.perf_counter() - started_s))
    engine.warm_up()
    memory_bytes = max(0, own_bytes() - before_bytes)
    engine.close()
    info = engine.info
    return Facts(
        engine=info.engine,
        languages=info.languages,
        multilingual=info.multilingual,
        precision=info.precision,
        num_parameters=num_parameters,
        memory_bytes=memory_bytes if choose(device).type == "cpu" else resident_bytes(num_parameters, info.precision),
        load_ms=load_ms,
    )


def check_room(model: str, num_parameters: int, precision: str, device: str) -> None:
    """Raises TooLargeError where this machine or its GPU has not enough memory now."""
    name, path = split_model(model)
    needed = peak_bytes(num_parameters, 0 if path is None else size_of(split_head(str(path))[0]))
    available = memory.free_bytes("cpu")
    if needed > available:
        raise TooLargeError(too_large(name, num_parameters, needed, available, "of memory are free on this machine"))
    if choose(device).type == "cpu":
        return
    needed, available = resident_bytes(num_parameters, precision), memory.free_bytes(str(choose(device)))
    if needed > available:
        raise TooLargeError(too_large(name, num_parameters, needed, available, "are free on the GPU"))


def too_large(name: str, num_parameters: int, needed: int, available: int, where: str) -> str:
    return (
        f"{name} has {num_parameters / 1e6:.0f} million parameters; loading it takes about {needed / GB:.1f} GB, and "
        f"{available / GB:.1f} GB {where}. Take a smaller model, or a machine with more memory."
    )


def refusal_of(name: str, err: Exception) -> Refusal:
    """Of what broke off while it was loaded."""
    reason = str(err).partition("\n")[0]
    if isinstance(err, MemoryError) or "memory" in reason:
        return Refusal(
            code=TOO_LARGE, message=f"{name} does not fit into this machine's memory ({reason}). Take a smaller model."
        )
    return Refusal(code=WeightsError.code, message=f"{name} cannot be loaded ({reason}). Copy its files anew.")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def own_bytes() -> int:
    """Memory that is this process's alone, without what was freed and is only kept for later."""
    memory.give_back("cpu")
    return int(psutil.Process().memory_full_info().uss)


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m inference.examine", description=__doc__)
    parser.add_argument("model", help="a name, or name=path")
    parser.add_argument("--precision", choices=get_args(Precision), default="auto")
    given = parser.parse_args(arguments)
    os.nice(NICENESS)
    try:
        config = InferenceConfig.from_env(listens=False)
        facts = examine(given.model, given.precision, config.device, config.streaming)
        examined = Examined(facts=facts)
    except InferenceError as err:
        examined = Examined(refusal=Refusal(code=err.code, message=err.message))
    except (MemoryError, RuntimeError) as err:  # torch says it with a RuntimeError
        examined = Examined(refusal=refusal_of(split_model(given.model)[0], err))
    sys.stdout.write(msgspec.json.encode(examined).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
