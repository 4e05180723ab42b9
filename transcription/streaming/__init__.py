"""What runs for each live stream: the clients' sockets on one side, recognition and the database on the other.

`live` carries out what a session wants; `outbox` writes to its socket, `decoding` decodes its audio, `recorder` stores what
was said. `resuming` takes streams over from sockets and processes that are gone, `rerouting` hands them to other models,
`caretaking` looks after those without a client, `warden` ends what is not allowed any more, and `draining` puts them all down
when the server stops.
"""
