"""The `hark` command line."""
