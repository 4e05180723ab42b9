"""Runtimes beside torch's own: graphs made of the same step, and what runs them. Each module imports its library at its head, so
it is imported only where that library is wanted (`choice`)."""
