"""The written results as a picture: delays, word error and CPU over the number of streams; or a long run over its minutes."""

from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.streams.verdict import END_TO_FINAL_P95_MS, PENALTY_POINTS
from benchmarks.streams.watch import MIB

LIMIT: Final = {"color": "firebrick", "linestyle": ":", "linewidth": 1}


def draw(found: dict[str, Any], path: Path) -> None:
    """`found`: as written to JSON. The ending of `path` says which kind of picture."""
    matplotlib.rcParams["svg.hashsalt"] = "hark"  # the same figures make the same file
    figure = Figure(figsize=(10, 7), layout="constrained")
    if "drift" in found:
        _draw_soak(figure, found)
    else:
        _draw_ladder(figure, found["results"])
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_ladder(figure: Figure, results: list[dict[str, Any]]) -> None:
    streams = [each["num_streams"] for each in results]
    (delays, partials), (errors, cores) = figure.subplots(2, 2)
    for name, label in (("end_to_final", "end of speech → final"), ("first_text", "speech begins → first text")):
        for percentile, style in (("p50", "--"), ("p95", "-")):
            delays.plot(
                streams, [each["delays"][name][percentile] for each in results], style, marker="o", label=f"{label}, {percentile}"
            )
    delays.axhline(END_TO_FINAL_P95_MS, **LIMIT)
    for name, label in (("interval", "interval"), ("age", "age")):
        for percentile, style in (("p50", "--"), ("p95", "-")):
            partials.plot(
                streams, [each["delays"][name][percentile] for each in results], style, marker="o", label=f"{label}, {percentile}"
            )
    errors.plot(streams, [each["live_percent"] for each in results], marker="o", label="live")
    errors.plot(streams, [each["offline_percent"] for each in results], "--", label="offline")
    errors.plot(
        streams, [each["offline_percent"] + PENALTY_POINTS for each in results], color="firebrick", linestyle=":", label="limit"
    )
    for role in sorted({role for each in results for role in each["server"]["roles"]}):
        used = [each["server"]["roles"].get(role, {"cores": 0.0})["cores"] for each in results]
        if max(used) >= 0.01:
            cores.plot(streams, used, marker="o", label=role)
    cores.plot(streams, [each["generator_cores"] for each in results], "k--", label="clients")
    for axes, title, unit in (
        (delays, "Delays", "ms"), (partials, "Partials", "ms"), (errors, "Word error", "%"), (cores, "CPU", "cores"),
    ):  # fmt: skip
        _finish(axes, title, unit, "streams")


def _draw_soak(figure: Figure, found: dict[str, Any]) -> None:
    minutes = range(1, len(found["drift"]["minutes"]) + 1)
    delays, memory = figure.subplots(2, 1)
    for name in ("end_to_final", "first_text", "age", "interval"):
        delays.plot(minutes, [each[name]["p95"] for each in found["drift"]["minutes"]], label=name.replace("_", " "))
    looks = found["looks"]
    for role in sorted({role for look in looks for role in look["roles"]}):
        seen = [look for look in looks if role in look["roles"]]
        since_min = [(look["at_s"] - looks[0]["at_s"]) / 60 for look in seen]
        memory.plot(since_min, [look["roles"][role]["rss_bytes"] / MIB for look in seen], label=role)
    _finish(delays, "Delays, p95 of each minute", "ms", "minute")
    _finish(memory, "Memory (RSS)", "MiB", "minute")


def _finish(axes: Axes, title: str, unit: str, across: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
