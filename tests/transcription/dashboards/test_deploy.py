"""What lies under deploy/ is what the metrics are called today, and Prometheus can read it."""

import os
import re
import shutil
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from prometheus_client import generate_latest

from inference.meters import InferenceMeters, Meters
from transcription.dashboards import promql
from transcription.dashboards.grafana import WIDTH, dashboard
from transcription.dashboards.panels import ROWS
from transcription.dashboards.rules import SHIPPED, Condition, rules
from transcription.metrics.meters import WebMeters, WorkerMeters
from transcription.metrics.names import EVERY
from transcription.models import AlertRule

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
FILES = {
    "dashboard": DEPLOY / "grafana" / "hark.json",
    "rules": DEPLOY / "prometheus" / "hark.rules.yml",
    "scrape": DEPLOY / "prometheus" / "prometheus.yml",
}
PARTS = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}
EXPOSED = {f"{metric.name}{part}": metric for metric in EVERY for part in PARTS[metric.kind]}


def printed(what: str) -> str:
    output = StringIO()
    call_command("metrics", what, stdout=output)
    return output.getvalue()


@pytest.mark.parametrize("what", FILES)
def test_the_files_are_what_the_command_writes(what: str) -> None:
    assert FILES[what].read_text(encoding="utf-8") == printed(what), f"run manage.py metrics {what} --output {FILES[what]}"


def test_the_command_writes_files(tmp_path: Path) -> None:
    call_command("metrics", "rules", "--output", str(tmp_path / "rules.yml"), stdout=StringIO())

    assert (tmp_path / "rules.yml").read_text(encoding="utf-8") == printed("rules")


def test_the_list_names_every_metric() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", printed("list"), flags=re.MULTILINE)

    assert listed == [metric.name for metric in EVERY]


def asked_by_grafana() -> list[str]:
    return [query.expression for row in ROWS for panel in row.panels for query in panel.queries]


def asked_by_rules() -> list[str]:
    return [rule["expr"] for group in rules()["groups"] for rule in group["rules"]]


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"\bhark_\w+", expression))


@pytest.mark.parametrize("expression", [*asked_by_grafana(), *asked_by_rules()])
def test_only_series_that_exist_are_asked_for_and_only_by_labels_that_they_have(expression: str) -> None:
    series = series_in(expression)
    grouping = {label for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(", ")}

    assert series <= set(EXPOSED)
    assert all(grouping <= {*EXPOSED[name].labels, "job", "instance", "le"} for name in series)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {EXPOSED[name].name for expression in asked_by_grafana() for name in series_in(expression)}

    assert shown == {metric.name for metric in EVERY}


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels: list[dict[str, Any]] = dashboard()["panels"]
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(taken)) == len(taken)
    assert max(x for x, _y in taken) < WIDTH


def test_lines_are_called_by_labels_that_the_question_keeps() -> None:
    for target in (target for panel in dashboard()["panels"] for target in panel.get("targets", [])):
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert all(re.search(rf"by \([^)]*\b{label}\b", target["expr"]) for label in named), target


@pytest.mark.django_db
@pytest.mark.parametrize("condition", SHIPPED, ids=lambda condition: condition.name)
def test_prometheus_watches_what_the_shipped_rules_watch(condition: Condition) -> None:
    rule = AlertRule.objects.get(name=condition.name, is_shipped=True)

    assert (rule.metric, rule.per, rule.aggregation) == (
        condition.metric.name, condition.per.name if condition.per else "", condition.aggregation,
    )  # fmt: skip
    assert (rule.comparison, rule.threshold, rule.window_s, rule.for_s, rule.min_count) == (
        condition.comparison, condition.threshold, condition.window_s, condition.for_s, condition.min_count,
    )  # fmt: skip
    assert (rule.severity, rule.no_data == AlertRule.WithoutData.ALERT) == (condition.severity, condition.fires_without_data)


@pytest.mark.django_db
def test_no_shipped_rule_is_left_out() -> None:
    assert set(AlertRule.objects.filter(is_shipped=True).values_list("name", flat=True)) == {rule.name for rule in SHIPPED}


def promtool(*arguments: str, folder: Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    """On CI it must be there; elsewhere its absence is a skip."""
    program = shutil.which("promtool", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("promtool is missing: on Debian it is in the package prometheus")
    return subprocess.run([program, *arguments], cwd=folder, input=given, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("make_meters", [WebMeters, WorkerMeters, InferenceMeters])
def test_prometheus_finds_no_fault_with_names_and_kinds(make_meters: type[Meters], tmp_path: Path) -> None:
    exposed = generate_latest(make_meters().registry).decode()

    checked = promtool("check", "metrics", folder=tmp_path, given=exposed)

    assert "# TYPE hark_" in exposed
    assert (checked.returncode, checked.stderr) == (0, "")


def test_prometheus_can_read_its_configuration_and_rules() -> None:
    checked = promtool("check", "config", "prometheus.yml", folder=DEPLOY / "prometheus")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(SHIPPED) + 1} rules found" in checked.stdout


def test_prometheus_understands_what_grafana_asks(tmp_path: Path) -> None:
    asked = [expression.replace(promql.AUTO, "1m") for expression in asked_by_grafana()]
    recorded = [{"record": f"asked:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": recorded}]}), encoding="utf-8")

    checked = promtool("check", "rules", "asked.yml", folder=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(asked)} rules found" in checked.stdout


SERIES = {
    'hark_final_seconds_bucket{le="0.5"}': "0+10x120",
    'hark_final_seconds_bucket{le="1.0"}': "0+10x60 600+12x60",  # from the tenth minute on every sixth final is late
    'hark_final_seconds_bucket{le="+Inf"}': "0+10x60 600+12x60",
    "hark_sessions_started_total": "0+10x120",
    'hark_session_errors_total{code="overloaded"}': "0x60 0+1x60",
    'hark_link_up{worker="inference-1"}': "1x60 0x60",
    'up{job="hark-web",instance="a"}': "1x120",
    'up{job="hark-web",instance="b"}': "1x60 0x60",
}


@pytest.mark.parametrize(
    ("alert", "series"),
    [
        ("HarkFinalTextsAreLate", "hark_final_seconds"),
        ("HarkSessionsEndWithErrors", "hark_session"),
        ("HarkAnInferenceProcessIsMissing", "hark_link_up"),
        ("HarkAProcessIsNotThere", "up"),
    ],
)
def test_rules_fire_when_it_is_bad_and_not_before(alert: str, series: str, tmp_path: Path) -> None:
    """Prometheus' own clock: ten seconds a step, fine for ten minutes, then bad for ten."""
    given = [{"series": name, "values": values} for name, values in SERIES.items() if name.startswith(series)]
    tests = [{"interval": "10s", "input_series": given, "promql_expr_test": [firing(alert, "9m", 0), firing(alert, "19m", 1)]}]
    content = {"rule_files": [str(FILES["rules"])], "evaluation_interval": "10s", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content), encoding="utf-8")

    tested = promtool("test", "rules", "test.yml", folder=tmp_path)

    assert tested.returncode == 0, tested.stdout + tested.stderr


def firing(alert: str, at: str, num: int) -> dict[str, Any]:
    samples = [{"labels": "{}", "value": num}] if num else []
    return {"expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})', "eval_time": at, "exp_samples": samples}
