"""How many live streams a core carries with streaming Conformers, by size, runtime, precision and batch; on random weights.

**What is measured** is `Runtime.step`: a chunk of each stream of a batch, with what the streams remember read and written. All
streams are past their beginning, so that every layer sees its whole past. Features and decoding are not in it; `--edge` has
them, and the words.

**Streams a core** are the chunk's length over the processor time that a step takes for each of its streams. Processor time, of
one thread: what else runs on the machine disturbs less. All cells of one size are measured in turn, round by round, in one
process, and the median counts, so that ratios hold also where the absolute numbers do not.

**Scattered**: the same with every other slot of the pool, so that what streams remember has to be copied together first.

**Workers** (`--workers`): one process of one thread against two at once, by wall-clock time, on a machine that does nothing else.

    python -m benchmarks.conformer --json benchmarks/results/conformer.json      # sizes, runtimes, precisions, batches
    python -m benchmarks.conformer --workers                                      # two workers against one
    python -m benchmarks.conformer --edge                                         # conformer-edge: words, and whole steps
"""
