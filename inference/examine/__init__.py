"""`python -m inference.examine`: load one model, in a process of its own, and say what it is, or in one sentence why it is none.

The web side asks it before a model enters the catalogue. `facts` is what is said; it loads no torch.
"""
