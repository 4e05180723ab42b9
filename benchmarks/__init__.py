"""Measurements that anybody can repeat: `python -m benchmarks.accuracy --help`, or all of them with `make bench`."""
