"""What one client and the server say to each other, as a function from what comes to what is to be done. Pure.

`stream_session` is the state machine. `terms` are what the client has asked for and got (`options`, `steering`, `storing`),
`intake` puts frames in order, `arrival` knows what has come, `results` what was told, `closing` says farewell, `account` adds
up, `latency` measures, and `actions` are what a session wants done.
"""
