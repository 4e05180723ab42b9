"""`python -m inference.bench`: which precision is fastest for each model on this machine, and what it changes in the text.

`speech` reads recordings, `play` lets an engine hear them as live streams would, `measure` does that in a process of its own,
`choice` compares and picks, `table` shows it. Engines are known by their contract only.
"""
