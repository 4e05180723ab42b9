"""What is read where it lies, what is copied, and what a step leaves alone."""

import numpy as np

from inference.engines.conformer_ctc.geometry import Geometry
from inference.engines.conformer_ctc.runtimes.history import Fresh, Histories
from tests.inference.engines.conformer_ctc.networks import config_of


def histories(num_taken: int) -> Histories:
    made = Histories(Geometry(config_of(8, (6, 1)), 1))
    for _ in range(num_taken):
        made.take()
    return made


def fresh(pool: Histories, num_rows: int) -> Fresh:
    """Ones everywhere."""
    rows, chunk = pool.rows, pool.geometry.chunk_frames
    heads, size, _ = rows.keys
    return Fresh(
        keys=np.ones((rows.num_layers, num_rows, heads, size, chunk)),
        values=np.ones((rows.num_layers, num_rows, heads, chunk, size)),
        gates=np.ones((rows.num_layers, num_rows, *rows.gates)),
        stages=[np.ones((num_rows, *shape)) for shape in rows.stages],
    )


def test_the_rings_of_slots_that_lie_together_are_read_where_they_lie() -> None:
    pool = histories(6)

    batch = pool.batch([4, 2, 3], num_rows=4)

    assert batch.is_in_place
    assert list(batch.slots[batch.rows]) == [4, 2, 3]
    assert np.shares_memory(pool.past(batch)[-1], pool.gates)


def test_the_rings_of_scattered_slots_are_copied_together() -> None:
    pool = histories(10)
    pool.keys[:] = np.arange(len(pool.ages))[None, :, None, None, None]

    batch = pool.batch([9, 1], num_rows=4)
    keys = pool.past(batch)[len(pool.stages)]

    assert not batch.is_in_place
    assert list(keys[batch.rows, 0, 0, 0]) == [9, 1]


def test_copies_of_as_many_rows_are_always_the_same_arrays() -> None:
    pool = histories(10)
    first, other, larger = (pool.batch([9, 1], num_rows=4), pool.batch([0, 8], num_rows=4), pool.batch([9, 1], num_rows=6))

    arrays = pool.past(first)
    again = pool.past(other)

    assert all(one is two for one, two in zip(arrays, again, strict=True))
    assert not any(one is two for one, two in zip(arrays, pool.past(larger), strict=True))
    assert all(np.shares_memory(one, two) for one, two in zip(pool.past(first), pool.past(larger), strict=True))


def test_idle_rows_at_the_end_of_the_pool_are_slots_before() -> None:
    pool = histories(16)

    batch = pool.batch([15, 14], num_rows=8)

    assert (batch.is_in_place, list(batch.slots)) == (True, list(range(8, 16)))


def test_a_step_writes_only_to_the_slots_that_have_a_part_in_it() -> None:
    pool = histories(4)
    batch = pool.batch([1, 3], num_rows=4)

    pool.keep(batch, fresh(pool, 4))

    assert list(pool.ages[:4]) == [0, 2, 0, 2]
    for table in (pool.keys, pool.values, pool.gates, *(stage[None] for stage in pool.stages)):
        assert [bool(table[:, slot].any()) for slot in range(4)] == [False, True, False, True]


def test_what_is_out_of_reach_or_not_there_yet_is_out_of_sight() -> None:
    pool = histories(2)
    pool.ages[:2] = [2, 0]

    _, unseen = pool.places(pool.batch([0, 1], num_rows=2))

    assert (unseen == 0).sum(axis=1).tolist() == [2 + 2, 2]  # two frames of the past, and the chunk's two


def test_slots_keep_what_they_remember_when_there_come_more() -> None:
    pool = histories(16)
    pool.keys[:, 5], pool.ages[5] = 7.0, 12

    pool.take()

    assert pool.ages[5] == 12
    assert (pool.keys[:, 5] == 7.0).all()
    assert (pool.keys[:, 6] == 0.0).all()
