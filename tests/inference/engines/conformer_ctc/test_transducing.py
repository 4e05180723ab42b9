"""The transducer's engine: what streams write, in chunks and in company, is what the whole network writes of whole utterances."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engines.arithmetic import FP32
from inference.engines.base import Hypothesis, Window, recognise
from inference.engines.conformer_ctc.engine import FLUSH_SAMPLES
from inference.engines.conformer_ctc.network import ConformerCtc
from inference.engines.conformer_ctc.rnnt import RnntHead
from inference.engines.conformer_ctc.transducing import ConformerRnntEngine
from inference.engines.conformer_ctc.weights.checkpoint import Checkpoint
from inference.engines.transducer import Trace, decode
from inference.features import LogMel, LogMelOptions
from tests.inference.engines.conformer_ctc.weights.models import random_checkpoint, small
from tests.inference.engines.tones import tones

BLANK_BIAS = 30.0
PROMPTS = {"de-DE": 0, "en-US": 2, "auto": 4}


@dataclass(frozen=True)
class Files:
    """A checkpoint that lies in memory."""

    checkpoint: Checkpoint
    name: str = "m"

    def outline(self) -> Checkpoint:
        return self.checkpoint

    def num_parameters(self) -> int:
        return 0

    def load(self) -> Checkpoint:
        return self.checkpoint


def talkative(num_prompts: int = 0) -> Checkpoint:
    """One whose transducer writes other things of other sounds, and nothing of some."""
    checkpoint = random_checkpoint(small(), ("ctc", "rnnt"), num_prompts=num_prompts)
    parameters, generator = checkpoint.parameters, torch.Generator().manual_seed(0)
    for tensor in (checkpoint.of_rnnt()).values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    weight, bias = (parameters[f"encoder.layers.1.norm_out.{name}"] for name in ("weight", "bias"))
    weight.fill_(14.0)
    bias.copy_(-states_of(checkpoint, sounds(2.0, 9)).mean(dim=1)[0] + bias)
    parameters["joint.enc.weight"].mul_(4)
    parameters["joint.pred.weight"].mul_(6)
    parameters["joint.pred.bias"].zero_()
    parameters["joint.joint_net.2.bias"].zero_()[-1] = BLANK_BIAS
    return replace(checkpoint, prompts=PROMPTS if num_prompts else {})


def loaded(checkpoint: Checkpoint) -> ConformerRnntEngine:
    engine = ConformerRnntEngine(Files(checkpoint), FP32, chunk_ms=80)
    engine.load()
    return engine


def sounds(num_seconds: float, seed: int) -> np.ndarray:
    """So that the silence behind it does not begin with a click, its last sample is 0."""
    audio = tones(num_seconds, seed)
    audio[-1] = 0.0
    return audio


@torch.inference_mode()
def states_of(checkpoint: Checkpoint, audio: np.ndarray) -> Tensor:
    """(1, frames, d_model), of the network over the whole utterance and the silence behind it."""
    network = ConformerCtc(checkpoint.config, len(checkpoint.tokens)).eval()
    network.load_state_dict(checkpoint.of_ctc())
    mel = LogMel(LogMelOptions(num_mels=checkpoint.config.num_mels))(torch.from_numpy(np.pad(audio, (0, 16000)))).T[None]
    states, _ = network.encoder(mel, torch.tensor([mel.shape[1]]), 1)
    whole: Tensor = states.clone()
    return whole


@torch.inference_mode()
def whole(checkpoint: Checkpoint, audio: np.ndarray, prompt: int | None = None) -> str:
    head, trace = RnntHead.from_parameters(checkpoint.of_rnnt()), Trace()
    states = states_of(checkpoint, audio)
    decode(head, list(head.project(states, None if prompt is None else torch.tensor([prompt]))), [trace])
    return trace.finish(checkpoint.tokens, 40, -(-(len(audio) + FLUSH_SAMPLES) // 640)).text


def finals(engine: ConformerRnntEngine, audios: Sequence[np.ndarray], languages: Sequence[str]) -> list[str]:
    """Of streams that come in steps of random length, each step with some of them."""
    rng = random.Random(1)
    states = [engine.open_stream() for _ in audios]
    ends = [0] * len(audios)
    found: dict[int, Hypothesis] = {}
    while len(found) < len(audios):
        present = [row for row in range(len(audios)) if row not in found and rng.random() < 0.7]
        for row in present:
            ends[row] = min(len(audios[row]), ends[row] + rng.randrange(1000, 9000))
        over = [row for row in present if ends[row] == len(audios[row])]
        for is_final in (False, True):
            rows = [row for row in present if (row in over) == is_final]
            windows = [Window(states[row], audios[row][: ends[row]], (languages[row],), is_final) for row in rows]
            said = dict(zip(rows, recognise(engine, windows) if windows else [], strict=True))
            if is_final:
                found |= said
    return [found[row].text for row in range(len(audios))]


def test_streams_in_company_write_what_the_whole_network_writes_of_each() -> None:
    checkpoint = talkative()
    audios = [sounds(num_seconds, seed) for seed, num_seconds in enumerate((1.0, 2.2, 0.3, 1.7))]

    texts = finals(loaded(checkpoint), audios, ["en"] * 4)

    assert texts == [whole(checkpoint, audio) for audio in audios]
    assert len(set(texts)) == 4


def test_streams_that_are_told_different_languages_share_a_batch() -> None:
    checkpoint = talkative(num_prompts=5)
    audio = sounds(1.5, 0)

    texts = finals(loaded(checkpoint), [audio] * 3, ["de", "en", "fr"])

    assert texts == [whole(checkpoint, audio, PROMPTS[name]) for name in ("de-DE", "en-US", "auto")]
    assert len(set(texts)) == 3


def test_a_stream_that_goes_on_begins_its_next_segment_anew() -> None:
    engine = loaded(talkative())
    state, audio = engine.open_stream(), sounds(1.0, 0)

    first, second = (recognise(engine, [Window(state, audio, ("en",), is_final=True)])[0] for _ in range(2))

    assert first == second
    assert first.words


@pytest.mark.parametrize(("num_prompts", "multilingual"), [(0, False), (5, True)])
def test_it_says_what_it_is_and_whether_it_can_find_out_a_language(*, num_prompts: int, multilingual: bool) -> None:
    engine = ConformerRnntEngine(Files(talkative(num_prompts)), FP32)

    assert engine.info.engine == "conformer_rnnt"
    assert engine.info.multilingual == multilingual
