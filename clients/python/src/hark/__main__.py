"""`python -m hark` is the command line."""

from hark.cli.main import run

run()
