"""Who may come in, how often and how much: everything that is decided before a stream begins.

`door` asks all the others; `keys` knows API keys and their quotas, `leases` the sockets that are counted, `limits` how often
somebody may knock, `origins` where pages come from, `policies` what a page may do, and `refusals` how no is said.
"""
