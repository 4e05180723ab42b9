"""The models at hand: where their files lie, that they are what they were, and what was measured of them.

`sources` says which files make up a model; `downloads` fetches them, `storage` keeps them, `checksums` tells whether they have
changed. `examination` and `figures` ask processes of their own, which load the model; `entries` writes the table.
"""
