"""The dashboard as Grafana reads it. Pure."""

from typing import Any, Final

from transcription.dashboards.panels import ROWS, Panel, Query

WIDTH: Final = 24
PANEL_WIDTH: Final = 8
PANEL_HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA_VERSION: Final = 39
"""Grafana 10.3; newer ones read it too."""


def dashboard() -> dict[str, Any]:
    """To be written as JSON and imported; it asks for the data source."""
    return {
        "title": "Hark",
        "uid": "hark",
        "description": "Speech recognition: how fast, how much, how well.",
        "tags": ["hark"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]},
        "panels": placed(),
    }


def placed() -> list[dict[str, Any]]:
    """Rows and panels, numbered and each in its place."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        at = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": at})
        y += 1
        for number, panel in enumerate(row.panels):
            x = number * PANEL_WIDTH % WIDTH
            at = {"x": x, "y": y, "w": PANEL_WIDTH, "h": PANEL_HEIGHT}
            panels.append({"id": len(panels) + 1, **chart(panel), "gridPos": at})
            if x + PANEL_WIDTH == WIDTH or panel is row.panels[-1]:
                y += PANEL_HEIGHT
    return panels


def chart(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 8}}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [target(query, chr(ord("A") + number)) for number, query in enumerate(panel.queries)],
    }


def target(query: Query, ref: str) -> dict[str, Any]:
    return {"refId": ref, "datasource": SOURCE, "expr": query.expression, "legendFormat": query.legend}
