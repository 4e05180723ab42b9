"""What one client and the server say to each other, as a function from what comes to what is to be done. Pure.

`stream_session` is the state machine; `intake` puts frames in order, `arrival` knows what has come, `results` what was told,
`options` what was asked for, `steering` which model serves, `account` adds up, `latency` measures, and `actions` are what a
session wants done.
"""
