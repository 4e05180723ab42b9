"""The data of the charts: what single questions would say, read in a few queries, no more lines than can be told apart."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from benchmarks.recorded import Series, all_series, fill_series
from inference.metrics import CPU
from transcription.console.charts import CHARTS, RANGES, TILES
from transcription.console.messages import Charts, LineData
from transcription.console.series import MAX_LINES, newest_points, rounded, whole_range
from transcription.metrics import names, queries

pytestmark = pytest.mark.django_db
SHOWN = {line.metric.name for chart in CHARTS for line in chart.lines}
SHOWN |= {metric.name for tile in TILES for metric in (tile.metric, tile.per) if metric is not None}


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def lines_of(data: Charts, key: str) -> dict[str, LineData]:
    (chart,) = [chart for chart in data.charts if chart.key == key]
    return {line.key: line for line in chart.lines}


def fill(now: datetime, *series: Series) -> None:
    with connection.cursor() as cursor:
        for each in series:
            fill_series(cursor, each, now, timedelta(minutes=20))


def test_all_charts_together_say_what_each_question_alone_would(
    now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    fill(now, *(each for each in all_series() if each.metric.name in SHOWN))

    with django_assert_max_num_queries(40):
        data = whole_range("15m", now)

    reach = {"since": now - RANGES["15m"].length, "until": now, "step": RANGES["15m"].step}
    for chart in CHARTS:
        for line in chart.lines:
            alone = queries.history(line.metric.name, line.how, by=line.by, **reach)  # type: ignore[arg-type]  # as they are named
            for each in alone:
                shown = lines_of(data, chart.key)[" / ".join(each.labels.values()) if line.by else line.key]
                assert shown.values == [rounded(value, line.scale) for _moment, value in each.points]
    assert {tile.key for tile in data.tiles if tile.value is not None} == {tile.key for tile in TILES}


def test_the_newest_points_are_the_last_ones_of_the_whole(now: datetime) -> None:
    fill(now, Series(names.CONNECTIONS, "web@one", {}))

    whole, newest = whole_range("1h", now), newest_points("1h", now)

    num = len(newest.at_s)
    assert whole.at_s[-num:] == newest.at_s
    assert lines_of(whole, "connections")["connections"].values[-num:] == lines_of(newest, "connections")["connections"].values
    assert (whole.is_whole, newest.is_whole) == (True, False)


def test_of_very_many_lines_the_highest_are_drawn(now: datetime) -> None:
    fill(now, *(Series(CPU, f"web@{number:02}", {}) for number in range(MAX_LINES + 3)))

    drawn = lines_of(whole_range("15m", now), "cpu")

    assert len(drawn) == MAX_LINES


def test_where_nothing_was_measured_there_are_charts_without_values(now: datetime) -> None:
    data = whole_range("1h", now)

    assert len(data.charts) == len(CHARTS)
    assert all(value is None for chart in data.charts for line in chart.lines for value in line.values)
    assert [tile.value for tile in data.tiles] == [None] * len(TILES)
