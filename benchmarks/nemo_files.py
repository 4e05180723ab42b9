"""Whether what NeMo itself saves is read as it is meant: a small hybrid model with random weights, made, saved and heard by NeMo.

    pip install 'nemo_toolkit[asr]'    # in a throw-away environment that also has requirements-dev.txt
    python -m benchmarks.nemo_files

NeMo writes the `.nemo` file and decodes its own encoder's frames, with the CTC head and with the transducer; ours hears the same
audio as a stream. Printed is what both write. It fails where they differ.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import inference.torchaudio_compat  # noqa: F401  # NeMo imports torchaudio, which not everywhere can

# isort: split
import sentencepiece
from nemo.collections.asr.models import EncDecHybridRNNTCTCBPEModel
from omegaconf import OmegaConf

from inference.config import Head, StreamingOptions
from inference.engines import registry
from inference.engines.base import Window, recognise
from inference.engines.conformer_ctc.engine import FLUSH_SAMPLES

SAMPLE_RATE_HZ: Final = 16_000
SILENCE_SAMPLES: Final = SAMPLE_RATE_HZ
FRAME_SAMPLES: Final = 1280
D_MODEL: Final = 64
PREDICTOR_SIZE: Final = 48
NUM_PIECES: Final = 40
WORDS: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero", "turn", "light", "please", "off")
BLANK_BIAS: Final = 12.0


def tokenizer_in(folder: Path) -> Path:
    """A SentencePiece model of byte pairs, trained on a few words."""
    rng = np.random.default_rng(0)
    (folder / "text.txt").write_text("\n".join(" ".join(rng.choice(WORDS, 6)) for _ in range(300)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=NUM_PIECES,
        model_type="bpe",
        bos_id=-1,
        eos_id=-1,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    (folder / "vocab.txt").write_text("\n".join(pieces.id_to_piece(number) for number in range(NUM_PIECES)), encoding="utf-8")
    return folder


def settings(tokenizer: Path) -> dict[str, Any]:
    """As NeMo's own example of a streaming hybrid model has them, and small."""
    modules = "nemo.collections.asr.modules"
    return {
        "sample_rate": SAMPLE_RATE_HZ,
        "model_defaults": {"enc_hidden": D_MODEL, "pred_hidden": PREDICTOR_SIZE, "joint_hidden": PREDICTOR_SIZE},
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": f"{modules}.AudioToMelSpectrogramPreprocessor",
            "sample_rate": "${sample_rate}",
            "normalize": "NA",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": f"{modules}.ConformerEncoder",
            "feat_in": "${preprocessor.features}",
            "feat_out": -1,
            "n_layers": 2,
            "d_model": "${model_defaults.enc_hidden}",
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 16,
            "causal_downsampling": True,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "att_context_size": [[70, 1], [70, 6]],
            "att_context_style": "chunked_limited",
            "xscaling": True,
            "untie_biases": True,
            "conv_kernel_size": 9,
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
        },
        "decoder": {
            "_target_": f"{modules}.RNNTDecoder",
            "normalization_mode": None,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": "${model_defaults.pred_hidden}", "pred_rnn_layers": 1, "t_max": None, "dropout": 0.2},
        },
        "joint": {
            "_target_": f"{modules}.RNNTJoint",
            "log_softmax": None,
            "fuse_loss_wer": False,
            "jointnet": {"joint_hidden": "${model_defaults.joint_hidden}", "activation": "relu", "dropout": 0.2},
        },
        "decoding": {"strategy": "greedy", "greedy": {"max_symbols": 10}},
        "aux_ctc": {
            "ctc_loss_weight": 0.3,
            "use_cer": False,
            "ctc_reduction": "mean_batch",
            "decoder": {
                "_target_": f"{modules}.ConvASRDecoder",
                "feat_in": D_MODEL,
                "num_classes": -1,
                "vocabulary": [],
            },
            "decoding": {"strategy": "greedy"},
        },
        "loss": {"loss_name": "default"},
    }


def talkative(model: Any) -> None:
    """Weights with which the heads write other things of other sounds, and nothing of some."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if name.startswith(("decoder.", "joint.", "ctc_decoder.")):
            parameter.data.copy_(torch.randn_like(parameter))
    parameters = dict(model.named_parameters())
    parameters["decoder.prediction.embed.weight"].data[-1] = 0.0
    parameters["joint.enc.weight"].data.mul_(2)
    parameters["joint.pred.weight"].data.mul_(2)
    parameters["joint.joint_net.2.bias"].data.zero_()[-1] = BLANK_BIAS


def sounds(num_seconds: float, seed: int) -> np.ndarray:
    """Another tone every tenth of a second; so that the silence behind it does not begin with a click, its last sample is 0."""
    rng = np.random.default_rng(seed)
    num_samples = round(num_seconds * SAMPLE_RATE_HZ)
    hz, loudness = (rng.uniform(low, high, num_samples // 1600 + 1) for low, high in ((100, 4000), (0, 1)))
    times_s = np.arange(num_samples) / SAMPLE_RATE_HZ
    tones = np.sin(2 * np.pi * hz.repeat(1600)[:num_samples] * times_s) * loudness.repeat(1600)[:num_samples] ** 3
    audio: np.ndarray = (tones * 0.5 + 0.001 * rng.standard_normal(num_samples)).astype(np.float32)
    audio[-1] = 0.0
    return audio


@torch.no_grad()
def theirs(model: Any, audio: np.ndarray) -> dict[Head, str]:
    """What NeMo writes of the audio and of as much silence behind it as ours hears; the rest only fills the last chunk."""
    samples = torch.from_numpy(np.pad(audio, (0, SILENCE_SAMPLES)))[None]
    mel, num_mels = model.preprocessor(input_signal=samples, length=torch.tensor([samples.shape[1]]))
    encoded, _ = model.encoder(audio_signal=mel, length=num_mels)
    encoded = encoded[:, :, : -(-(len(audio) + FLUSH_SAMPLES) // FRAME_SAMPLES)]
    lengths = torch.tensor([encoded.shape[2]])
    written = model.decoding.rnnt_decoder_predictions_tensor(encoder_output=encoded, encoded_lengths=lengths)
    log_probs = model.ctc_decoder(encoder_output=encoded)
    read = model.ctc_decoding.ctc_decoder_predictions_tensor(log_probs, decoder_lengths=lengths)
    return {"rnnt": _text(written), "ctc": _text(read)}


def _text(hypotheses: Any) -> str:
    return " ".join(hypotheses[0].text.split())


def ours(path: Path, head: Head, audio: np.ndarray) -> str:
    """As a stream, in steps of a fifth of a second."""
    engine = registry.create(f"m={path}?head={head}", "fp32", streaming=StreamingOptions(runtime="torch"))
    engine.load()
    state = engine.open_stream()
    for end in range(3200, len(audio), 3200):
        engine.step([Window(state, audio[:end], ("en",), is_final=False)])
    return recognise(engine, [Window(state, audio, ("en",), is_final=True)])[0].text


def main(_arguments: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model = EncDecHybridRNNTCTCBPEModel(cfg=OmegaConf.create(settings(tokenizer_in(Path(folder))))).eval()
        talkative(model)
        path = Path(folder) / "stt_en_small.nemo"
        model.save_to(str(path))
        num_wrong = 0
        for seed, num_seconds in enumerate((1.0, 2.5, 4.0)):
            audio = sounds(num_seconds, seed)
            for head, expected in theirs(model, audio).items():
                found = ours(path, head, audio)
                num_wrong += found != expected
                sys.stdout.write(f"{head}, {num_seconds} s: NeMo {expected!r}\n{' ' * 12}ours {found!r}\n")
    sys.stdout.write(f"{num_wrong} differ\n")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
