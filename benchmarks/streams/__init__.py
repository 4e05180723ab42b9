"""How many live streams a running server carries: paced clients in processes of their own, more and more of them.

**What is played.** Read recordings of HARK_SPEECH_DIR, clip after clip as one long session per client, at the pace they were
spoken: frames of 100 ms (`--frame-ms`), each sent when its last sample would have been spoken. Between clips there are 600
to 900 ms of quiet at the level of the quietest tenth of the clip. The clips are dealt to the clients from one shuffled deck
that is shuffled again when it is empty, so clients say different things and all clips are used about equally often. Clients
start at random within two seconds. A clip is never cut; sessions of N clients therefore last `--seconds` and up to one clip
more.

**Who plays.** Processes of their own (two by default), each an event loop with many sockets, without compression. The audio
is decoded before the clock starts. The CPU that they used is stated, and how late frames were sent: figures from clients
that were late themselves say nothing about the server.

**When.** A sample counts as sent when its frame was due, not when the socket took it: a server that stops reading gains
nothing by it. Where speech begins and ends is known by energy (`benchmarks.streams.tape`), not from the server. Delays count
only while all N clients are speaking; texts and accounts are those of the whole sessions.

**What is measured**, by the client's clock:

- first text: the first sample of a clip's speech -> the first text of the segment it begins (a partial; the final where no
  partial came). Only for clips that begin a segment.
- partial interval: between two successive partials of one segment.
- partial age: the sample at the partial's `end_ms` -> its arrival.
- end -> final: the last sample of a clip's speech -> the last final that overlaps this speech. The silence that the server
  waits for is in it. Left out and counted are ends that the server heard no pause at ("joined": the final goes on into the
  next clip, or it was cut at its maximal length) and clips without any final ("missed").
- end -> decided: the same end -> `speech_ended`; decided -> final: from there to the final. What recognition adds.
- finalize -> final (`--finalize`): from sending `finalize` 100 ms after a clip's last speech.
- word error: the finals of a session joined, against the transcripts of its clips joined. Offline: the same weights decoding
  the same clips whole, in one window of 30 s each; kept in a file, until the weights are others.
- CPU and memory of every server process, by its role, from the process tree; of the machine, so that other work shows.

**When it breaks.** At the first N where end -> final p95 is above 1.5 s, or word error more than 1.5 points above offline
(judged from 1,000 spoken words on: below that one word weighs too much), or a session fails: refused, cut off, without `done`,
or with an account that does not add up. With `--max-age-ms` also where partial age p95 is above that: of a model that answers
every chunk it is how long a chunk waits for its text.
"""
