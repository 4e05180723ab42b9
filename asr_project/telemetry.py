"""Which of OpenTelemetry's exporters sends the traces; its packages are an option (requirements-otel.txt)."""

from importlib.metadata import EntryPoint, entry_points
from typing import Final, Literal

from django.core.exceptions import ImproperlyConfigured

Exporter = Literal["otlp", "console"]
EXPORTERS: Final[tuple[Exporter, ...]] = ("otlp", "console")
Protocol = Literal["http/protobuf", "grpc"]
PROTOCOLS: Final[dict[Protocol, str]] = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


def trace_exporter(exporter: Exporter, protocol: Protocol) -> EntryPoint:
    """What makes the exporter when it is loaded; nothing is imported before.

    Raises:
        ImproperlyConfigured: the package that it is in is not installed.
    """
    name = PROTOCOLS[protocol] if exporter == "otlp" else exporter
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        return found
    package = f"opentelemetry-exporter-{name.replace('_', '-')}" if exporter == "otlp" else "opentelemetry-sdk"
    raise ImproperlyConfigured(
        f"HARK_OTEL is on, and {package} is not installed: run `pip install -r requirements-otel.txt`, which has what is usual, "
        f"or `pip install {package}`; or unset HARK_OTEL."
    )
