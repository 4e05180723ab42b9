"""Training of streaming Conformers with CTC: `python -m inference.training`. Nothing of the running service imports it."""
