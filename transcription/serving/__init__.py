"""Which model serves whom now.

`routes` is the table as a value and `fallback` the lighter model for hard times (both pure); `choices` reads and writes the
rows behind it, and `routebook` is what a web process knows of them without asking the database.
"""
