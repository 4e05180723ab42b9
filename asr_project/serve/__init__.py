"""`make serve`: every process of Hark on one machine, started, watched and stopped together.

Nothing here is imported by the web tier or by inference; the processes learn what they need from their environment.
docs/decisions/0002-supervisor.md says why it is built this way.
"""
