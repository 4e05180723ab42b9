"""What Hark can carry, measured: `make bench` prints tables and writes JSON to benchmarks/results/."""
