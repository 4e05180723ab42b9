"""Whether anything is lost when the network is bad: many sessions of reliable mode through a network that is made bad on purpose.

**The network.** A relay in user space stands between each client and the server, one for every session, in two layers:
bytes (`benchmarks.network.wire`: connections are cut, reconnecting is refused for a while, a message stops in its middle) and
messages (`benchmarks.network.proxy`: frames of audio are lost, come twice, late, or in another order; a connection is left
half open and later talks again). What is done to which frame follows from the seed alone.

**The client** (`benchmarks.network.client`) is written from docs/protocol.md, not from the clients that come with Hark: two
that share a mistake would agree. It speaks at the pace of its talk whether it is connected or not, as a microphone does.

**The talks** are words of the scripted engine at known samples; `--real` adds recorded speech for whisper-tiny.en.

**What is demanded** (`benchmarks.network.verdict`), of each session: one session from beginning to end, exactly one terminal
message, an account that adds up to the samples that were spoken, `complete`, every word once and in order, the same finals as
when the same audio is heard undisturbed, and the same in the database. Where the cut was longer than the client's buffer:
a `gap` that says so, and not `complete`.

**Two web processes** (`--restarts`): sessions whose web process is killed or told to stop in mid-speech go on in the other.
"""
