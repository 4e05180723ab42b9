"""Whether samples are interleaved channels or one: neighbours are alike in pairs, or all in the same way."""

from typing import Final

import numpy as np

PAIRED: Final = 2.0
"""One channel shows 0.8 to 1.8 for steps within a pair over steps between pairs, in three quarters of a second."""
UNEVEN: Final = 2.5
"""The same for the energy of even samples over that of odd ones; one channel shows 0.86 to 1.4."""
EVEN: Final = 1.25
MIN_SAMPLES: Final = 12_000
MIN_STEPS: Final = 0.1
"""Steps between pairs that are not 0, over samples: about half where sound is recorded. Made-up waves may step at even places."""


class Interleaving:
    """Sums over interleaved samples as they come; for streams that say one or two channels."""

    def __init__(self) -> None:
        self._within = self._between = self._even = self._odd = self._far = 0.0
        self._num_samples = self._num_steps = 0

    def add(self, samples: np.ndarray) -> None:
        """float32 (num_samples,), as they stand one after the other; an even number."""
        steps, strides = np.diff(samples), samples[2:] - samples[:-2]
        self._within += float(np.dot(steps[::2], steps[::2]))
        self._between += float(np.dot(steps[1::2], steps[1::2]))
        self._far += float(np.dot(strides, strides))
        self._even += float(np.dot(samples[::2], samples[::2]))
        self._odd += float(np.dot(samples[1::2], samples[1::2]))
        self._num_samples += len(samples)
        self._num_steps += int(np.count_nonzero(steps[1::2]))

    @property
    def is_of_pairs(self) -> bool:
        """One channel never looks like this."""
        if self._num_samples < MIN_SAMPLES or self._num_steps < MIN_STEPS * self._num_samples:
            return False
        is_uneven = self._even > UNEVEN * self._odd or self._odd > UNEVEN * self._even
        return is_uneven or self._within * PAIRED < self._between or self._between * PAIRED < self._within

    @property
    def is_of_singles(self) -> bool:
        """Two channels never look like this: a step to the other channel is like a step in time, and half of two."""
        if self._num_samples < MIN_SAMPLES or not self._between:
            return False
        is_even = self._between / EVEN < self._within < self._between * EVEN
        return is_even and 1.5 * (self._within + self._between) < self._far
