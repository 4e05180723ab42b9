"""Where the time of a segment went, as an OpenTelemetry trace: one for each final, where `HARK_OTEL` is on."""
