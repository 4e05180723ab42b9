"""What Grafana and Prometheus are given under `deploy/`, made from the names of the metrics. Pure."""
