"""The only door through which the web side uses recognition: any number of streams on one or more inference processes.

Everything runs on the event loop that made the client. `pool` gives each stream its place and moves it when the place is
lost, `worker_link` keeps the link to one process, `placement` says which process is the least loaded, `handle` is one stream.
"""

from inference.client.handle import StreamHandle
from inference.client.pool import InferenceClient
from inference.client.worker_link import NO_WORKER, WorkerLink

__all__ = ["NO_WORKER", "InferenceClient", "StreamHandle", "WorkerLink"]
