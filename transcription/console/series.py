"""The data of all charts and tiles at once, read from the stored samples. Every function blocks: call it in a thread."""

from datetime import datetime, timedelta
from typing import Final

from transcription.console.charts import CHARTS, RANGES, TILES, Chart, Line, TileSpec
from transcription.console.messages import ChartData, Charts, LineData, Tile
from transcription.metrics import queries
from transcription.metrics.reading import reading_once

MAX_LINES: Final = 12
"""In one chart, those with the highest values: more cannot be told apart."""
NUM_NEWEST: Final = 4
"""Points that a page is brought again: the last ones grow until their step is over and its last sample is stored."""


def whole_range(key: str, now: datetime) -> Charts:
    """Everything of a range of `charts.RANGES`."""
    return charts_since(key, now - RANGES[key].length, now, is_whole=True)


def newest_points(key: str, now: datetime) -> Charts:
    """What may have changed since the last one."""
    return charts_since(key, now - NUM_NEWEST * RANGES[key].step, now, is_whole=False)


def charts_since(key: str, since: datetime, now: datetime, *, is_whole: bool) -> Charts:
    step = RANGES[key].step
    with reading_once():
        found = [(chart, [each for line in chart.lines for each in drawn(line, since, now, step)]) for chart in CHARTS]
        tiles = [tile_of(spec, now) for spec in TILES]
    at_s = next((times for _chart, lines in found for times, _line in lines), [])
    return Charts(
        range=key,
        step_s=round(step.total_seconds()),
        is_whole=is_whole,
        at_s=at_s,
        charts=[chart_data(chart, [line for _times, line in lines]) for chart, lines in found],
        tiles=tiles,
    )


def drawn(line: Line, since: datetime, now: datetime, step: timedelta) -> list[tuple[list[float], LineData]]:
    """The times and values of one line, or of one for each value of the labels `by`."""
    lines = queries.history(line.metric.name, line.how, since=since, until=now, step=step, by=line.by)
    return [
        (
            [moment.timestamp() for moment, _value in each.points],
            LineData(
                key=" / ".join(each.labels.values()) if line.by else line.key,
                values=[rounded(value, line.scale) for _moment, value in each.points],
            ),
        )
        for each in lines
    ]


def chart_data(chart: Chart, lines: list[LineData]) -> ChartData:
    """With no more lines than can be told apart."""
    if len(lines) > MAX_LINES:
        lines = sorted(lines, key=lambda line: -max((value for value in line.values if value is not None), default=0.0))
    return ChartData(key=chart.key, lines=lines[:MAX_LINES])


def rounded(value: float | None, scale: float) -> float | None:
    """To five digits: no more can be seen, and they are half of what is sent."""
    return None if value is None else float(f"{value * scale:.5g}")


def tile_of(spec: TileSpec, now: datetime) -> Tile:
    per = "" if spec.per is None else spec.per.name
    return Tile(key=spec.key, value=queries.aggregate(spec.metric.name, spec.how, window=spec.window, until=now, per=per))
