"""Thousands of connections that carry room noise, and a few people who speak: what each costs, and what the people notice.

A server of its own is started, PostgreSQL and Valkey included, and everything of it is kept on the cores of `--server-cores`;
the clients have `--client-cores`. Then, one after the other:

1. the speakers alone, with recordings at the pace they were spoken;
2. all quiet connections are opened, each with `start`, and count as open when `ready` has come;
3. they send a frame of 200 ms (6,400 bytes, 16 kHz) five times a second each, spread evenly over time;
4. the speakers again, while that goes on.

CPU time is the kernel's own account of the processes. Memory is what the processes hold more than before the connections came.
Ping time is that of WebSocket pings on the quiet connections, which the event loop of the web process answers.
"""
