"""What the processes measure of themselves: `names` lists the metrics, `queries` reads what was stored of them.

Measured values live in a Prometheus registry of each process. From there they are exported (`exposition`) and stored
(`store`), so that both say the same.
"""
