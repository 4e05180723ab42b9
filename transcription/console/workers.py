"""The inference processes, as the links of this web process know them."""

from inference.client.worker_link import WorkerLink
from transcription.console.messages import ModelRow, WorkerRow, Workers
from transcription.recognizer import current_client


def current_workers() -> Workers:
    """Call it on the event loop."""
    return Workers(workers=[worker_row(link) for link in current_client().workers])


def worker_row(link: WorkerLink) -> WorkerRow:
    status, load = link.status, link.load
    models = [
        ModelRow(
            name=model.name,
            engine=model.engine,
            precision=model.precision,
            memory_bytes=model.memory_bytes,
            is_draining=model.is_draining,
        )
        for model in status.models
    ]
    return WorkerRow(
        name=link.name,
        node=status.node,
        is_ready=status.is_ready,
        detail=status.detail,
        num_streams=load.num_streams,
        busy=load.busy,
        queue_ms=load.queue_ms,
        stalled_ms=load.stalled_ms,
        is_full=load.is_full,
        is_overloaded=load.is_overloaded,
        models=models,
    )
