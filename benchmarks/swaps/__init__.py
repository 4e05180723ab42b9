"""What people who are speaking notice while one model takes the place of another, again and again.

A server of its own is started: PostgreSQL, Valkey, web, two inference processes, Celery worker and beat. The two models are
variants of one model of the catalogue in two precisions, made and measured by `manage.py models bench`; a route for the language
of the clips is made in the admin site. The inference processes have the model itself in memory besides (`HARK_MODELS`), as a
server would; a variant that does not serve is unloaded.

**Who speaks.** As in `benchmarks.streams`: read recordings of HARK_SPEECH_DIR at the pace they were spoken, with pauses, by
clients of their own processes, in sessions one after the other. First for `--calm-s` without a swap, then from the beginning
again, the same sessions, until all swaps are over; then everybody speaks his session to its end.

**The swaps.** Each is asked for as an operator does it: signed in to the admin site, the form with the other model, sent. What
happens then is read from the record of the swap. The next one is asked for `--pause-s` after one is over.

**What is measured**

- end of speech -> final, as in `benchmarks.streams`, of ends that wait for their final at any moment of a swap (from the wish
  to the outcome; of that, while models are loaded, warmed and tried), against ends between swaps, and against those of the calm
  run. Only while everybody speaks.
- what is lost: each session has one `done` with an account of every millisecond and nothing missing; its finals are numbered
  without a hole; the database holds the same finals; each clip that had a final in the calm run has one in the same session with
  swaps. Word error of the sessions that both runs have in common.
- memory (RSS) of each inference process before the first swap, during and after each one. As two precisions differ in size, what
  the last swap to a model left is compared with what the first one to it left.
- how long a swap takes: in all, and until the model is loaded everywhere.
"""
