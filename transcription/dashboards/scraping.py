"""What Prometheus has to scrape where `make serve` runs everything on one machine; a place to start from for others. Pure."""

from typing import Any, Final

SCRAPE_EVERY_S: Final = 10
WEB_PORT: Final = 8000
WORKER_PORT: Final = 9100
FIRST_INFERENCE_PORT: Final = 9101
JOB_PREFIX: Final = "hark-"


def scraping() -> dict[str, Any]:
    """To be written as YAML: prometheus.yml."""
    return {
        "global": {"scrape_interval": f"{SCRAPE_EVERY_S}s", "evaluation_interval": f"{SCRAPE_EVERY_S}s"},
        "rule_files": ["hark.rules.yml"],
        "scrape_configs": [job("web", WEB_PORT), job("inference", FIRST_INFERENCE_PORT), job("worker", WORKER_PORT)],
    }


def job(name: str, port: int) -> dict[str, Any]:
    return {"job_name": f"{JOB_PREFIX}{name}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
