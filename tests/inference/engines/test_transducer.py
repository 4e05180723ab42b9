"""Greedy decoding of transducers against a plain loop over one utterance, in chunks, and in company."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.decoding.tokens import Tokens
from inference.engines.conformer_ctc.rnnt import RnntHead, Sizes
from inference.engines.transducer import MAX_TOKENS_PER_FRAME, Trace, decode

SIZES = Sizes(num_features=8, num_outputs=7, size=12, num_layers=2, joint_size=10)
TOKENS = Tokens(("<unk>", "▁", "e", "▁on", "t", "▁two"))


@pytest.fixture
def head() -> RnntHead:
    """One that writes a token or two in each frame, led by what it wrote before as much as by what it hears."""
    torch.manual_seed(1)
    made = RnntHead(SIZES).eval().requires_grad_(requires_grad=False)
    parameters = dict(made.named_parameters())
    for parameter in parameters.values():
        parameter.copy_(torch.randn_like(parameter))
    parameters["joint.pred.weight"].mul_(6)
    parameters["joint.pred.bias"].zero_()
    parameters["joint.joint_net.2.bias"].zero_()[made.blank] = 10.0
    return made


def utterance(num_frames: int, seed: int, head: RnntHead) -> Tensor:
    """(frames, joint size)."""
    generator = torch.Generator().manual_seed(seed)
    return head.project(torch.randn(1, num_frames, SIZES.num_features, generator=generator))[0]


def plainly(head: RnntHead, frames: Tensor) -> list[tuple[int, int]]:
    """Token and frame, with the whole text given to the LSTM at every step, as the definition has it."""
    lstm, written = head.decoder.prediction.dec_rnn["lstm"], list[tuple[int, int]]()
    for number, frame in enumerate(frames):
        for _ in range(MAX_TOKENS_PER_FRAME):
            text = torch.tensor([head.blank, *(token for token, _ in written)])
            output, _ = lstm(head.decoder.prediction.embed(text)[:, None])
            token = int(head.joint.joint_net(frame + head.joint.pred(output[-1, 0])).argmax())
            if token == head.blank:
                break
            written.append((token, number))
    return written


def written(trace: Trace) -> list[tuple[int, int]]:
    return [(span.token, span.first_frame) for span in trace.spans]


def test_a_whole_utterance_is_what_a_plain_loop_writes(head: RnntHead) -> None:
    frames = utterance(40, 0, head)
    trace = Trace()

    decode(head, [frames], [trace])

    assert written(trace) == plainly(head, frames)
    assert len(trace.spans) > 5
    assert trace.num_frames == 40


def test_what_never_stops_writing_is_stopped(head: RnntHead) -> None:
    dict(head.named_parameters())["joint.joint_net.2.bias"][0] = 500.0
    trace = Trace()

    decode(head, [utterance(3, 0, head)], [trace])

    assert written(trace) == [(0, frame) for frame in range(3) for _ in range(MAX_TOKENS_PER_FRAME)]


def test_streams_that_come_and_go_write_what_each_writes_alone(head: RnntHead) -> None:
    rng = random.Random(3)
    frames = [utterance(rng.randrange(10, 40), seed, head) for seed in range(6)]
    traces = [Trace() for _ in frames]

    while any(trace.num_frames < len(own) for trace, own in zip(traces, frames, strict=True)):
        present = rng.sample(range(6), rng.randrange(1, 7))
        pieces = [frames[row][traces[row].num_frames :][: rng.randrange(5)] for row in present]
        decode(head, pieces, [traces[row] for row in present])

    assert [written(trace) for trace in traces] == [plainly(head, own) for own in frames]


def test_a_segment_that_is_cut_short_loses_what_was_heard_behind_the_cut(head: RnntHead) -> None:
    frames = utterance(30, 0, head)
    whole, half = Trace(), Trace()
    decode(head, [frames, frames[:15]], [whole, half])

    cut, expected = whole.finish(TOKENS, 80, 15), half.finish(TOKENS, 80)
    assert replace(cut, confidence=0) == replace(expected, confidence=0)
    assert cut.confidence == pytest.approx(expected.confidence)
    assert len(whole.finish(TOKENS, 80).words) > len(cut.words) > 1


def test_what_is_called_stable_never_changes_and_words_have_times(head: RnntHead) -> None:
    frames = utterance(40, 0, head)
    trace = Trace()
    partials = []
    for frame in torch.split(frames, 2):
        decode(head, [frame], [trace])
        partials.append(trace.partial(TOKENS))

    final = trace.finish(TOKENS, 80)

    assert all(final.text.startswith(partial.stable) and partial.text.startswith(partial.stable) for partial in partials)
    assert partials[-1].stable
    assert " ".join(word.text for word in final.words) == final.text
    assert [word.start_ms for word in final.words] == sorted(word.start_ms for word in final.words)
    assert 0 < final.confidence < 1


def test_a_row_without_frames_stays_as_it_is(head: RnntHead) -> None:
    trace = Trace()

    decode(head, [utterance(0, 0, head)], [trace])

    assert trace == Trace()


def test_traces_are_as_they_were_where_a_walk_breaks_off(head: RnntHead, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, traces = [utterance(20, seed, head) for seed in range(3)], [Trace() for _ in range(3)]
    decode(head, [own[:10] for own in frames], traces)
    num_calls, logits = 0, head.logits

    def failing(*given: Any) -> Tensor:
        nonlocal num_calls
        num_calls += 1
        return logits(*given) if num_calls < 8 else torch.empty(1 // 0)

    with monkeypatch.context() as patch:
        patch.setattr(head, "logits", failing)
        with pytest.raises(ZeroDivisionError):
            decode(head, [own[10:] for own in frames], traces)

    for own, trace in zip(frames, traces, strict=True):
        decode(head, [own[10:]], [trace])
        assert written(trace) == plainly(head, own)


def test_a_language_that_is_told_is_like_a_feature_of_every_frame() -> None:
    torch.manual_seed(0)
    head = RnntHead(Sizes(8, 7, size=12, num_layers=1, joint_size=10, num_prompts=3, prompt_size=5)).eval()
    frames = torch.randn(2, 4, 8)
    told = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])[:, None].expand(-1, 4, -1)

    expected = head.joint.enc(head.prompt_kernel(torch.cat([frames, told], dim=-1)))

    assert torch.allclose(head.project(frames, torch.tensor([1, 2])), expected)
    assert not torch.allclose(head.project(frames, torch.tensor([0, 2]))[0], expected[0], atol=1e-3)
