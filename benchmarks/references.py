"""Whether our Whisper computes what the original implementations compute with the same files.

    pip install openai-whisper transformers ctranslate2    # in a throw-away environment that also has requirements-dev.txt
    python -m benchmarks.references

Writes the shipped tiny.en, and a random model with the tokens and mels of large-v3, as OpenAI's `.pt` and as a Hugging Face
folder; lets openai-whisper and transformers read these files; and compares their logits with those of our network, which
read them too. Then lets CTranslate2 convert the Hugging Face folder to every type it knows and reads the results.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import whisper
from ctranslate2.converters import TransformersConverter
from torch import Tensor
from whisper.tokenizer import get_tokenizer

from inference.engines.whisper.features import LogMel
from inference.engines.whisper.network import AudioMemory, Dimensions, WhisperNetwork
from inference.engines.whisper.weights.ctranslate2 import CTranslate2Files
from inference.engines.whisper.weights.huggingface import HuggingFaceFiles
from inference.engines.whisper.weights.layout import Weights
from inference.engines.whisper.weights.openai_pt import OpenAIFile
from inference.engines.whisper.weights.standard import standard_tokenizer, tiny_en_folder
from tests.inference.engines.whisper.weights.layouts import random_weights, write_hugging_face, write_openai
from tests.speech import clips

MAX_DIFFERENCE = 1e-3
NUM_SAMPLES = 480_000
CT2_TYPES = ("float32", "float16", "bfloat16", "int16", "int8", "int8_float16", "int8_bfloat16")
V3_LIKE = Dimensions(
    num_mels=128,
    num_states=128,
    num_heads=2,
    num_encoder_layers=2,
    num_decoder_layers=2,
    num_tokens=51866,
    max_frames=1500,
)


def features(num_mels: int) -> Tensor:
    """Log-mel of the shortest clip in 30 s of silence: (1, mels, 3000)."""
    audio = np.zeros(NUM_SAMPLES, dtype=np.float32)
    clip = clips()[0].audio
    audio[: len(clip)] = clip
    return LogMel(num_mels)(audio)[None]


def our_logits(weights: Weights, mel: Tensor, tokens: Tensor) -> Tensor:
    """What our network makes of one whole window and given text: (1, length, tokens)."""
    network = WhisperNetwork.from_parameters(weights.parameters, weights.num_heads)
    encoded = network.encoder([mel[0].T])
    layers = [(key[None], value[None]) for (key,), (value,) in network.decoder.project(encoded)]
    audio = AudioMemory(layers, torch.zeros(1, 1, 1, len(encoded[0])))
    text = network.decoder.blank(1, max_tokens=tokens.shape[1])
    states, _attention = network.decoder(tokens, torch.tensor([0]), audio, text)
    return network.decoder.logits(states)


def openai_logits(path: Path, mel: Tensor, tokens: Tensor) -> Tensor:
    logits: Tensor = whisper.load_model(str(path), device="cpu")(mel, tokens)
    return logits


def hugging_face_logits(folder: Path, mel: Tensor, tokens: Tensor) -> Tensor:
    # not above: it imports torchaudio, which inference.torchaudio_compat must have imported before
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(folder)
    logits: Tensor = model(input_features=mel, decoder_input_ids=tokens).logits
    return logits


def converted(folder: Path, quantization: str) -> Path:
    """`folder` as CTranslate2's own converter writes it, with its tokenizer beside it."""
    output = folder / f"ct2-{quantization}"
    TransformersConverter(str(folder), copy_files=["tokenizer.json"]).convert(str(output), quantization=quantization)
    return output


Rows = Iterator[tuple[str, str, float, float]]
"""Model, reference, largest difference between logits, and how large the reference's logits become."""


def compared(name: str, weights: Weights, tokenizer: Path, folder: Path) -> Rows:
    """Our loaders and network against each reference, all on files made of `weights`."""
    mel = features(weights.parameters["encoder.conv1.weight"].shape[1])
    file = write_openai(folder / f"{name}.pt", weights)
    tokens = torch.tensor([[*OpenAIFile(name, file).vocabulary().prompt("en"), 400, 307, 257, 1332, 13]])
    hugging_face = write_hugging_face(folder / name, weights, tokenizer)
    references: tuple[tuple[str, Weights, Callable[[], Tensor]], ...] = (
        ("openai-whisper", OpenAIFile(name, file).load(), lambda: openai_logits(file, mel, tokens)),
        ("transformers", HuggingFaceFiles(name, hugging_face).load(), lambda: hugging_face_logits(hugging_face, mel, tokens)),
    )
    for reference, ours, theirs in references:
        expected = theirs()
        found = our_logits(ours, mel, tokens)
        yield name, reference, float((found - expected).abs().max()), float(expected.abs().max())


def conversions(weights: Weights, hugging_face: Path) -> Rows:
    """What we read of CTranslate2's conversions against the parameters that they were made of, each in parts of its largest."""
    for quantization in CT2_TYPES:
        folder = converted(hugging_face, quantization)
        found = CTranslate2Files(quantization, folder, (folder / "model.bin",)).load().parameters
        differences = [(found[name] - tensor).abs().max() / tensor.abs().max() for name, tensor in weights.parameters.items()]
        yield "tiny.en parameters", f"ctranslate2 {quantization}", float(max(differences)), 1.0


def check_tokens() -> None:
    """Our tokenizer of large-v3 numbers the control tokens and spells as openai-whisper's does."""
    theirs, ours = get_tokenizer(multilingual=True, num_languages=100), standard_tokenizer(V3_LIKE.num_tokens)
    # the shipped tokenizers are older than the name nospeech
    control = {
        name.replace("nospeech", "nocaptions"): token
        for name, token in theirs.special_tokens.items()
        if token < theirs.timestamp_begin
    }
    text = " Grüße aus 香港, it's 71 % naïve!"
    assert control == {name: ours.token_to_id(name) for name in control}
    assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text)
    print(f"large-v3-like        openai-whisper's tokenizer: the same {len(control)} control tokens and spelling")


@torch.inference_mode()
def main() -> int:
    shipped = CTranslate2Files("tiny.en", tiny_en_folder(), (tiny_en_folder() / "model.bin",)).load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        standard_tokenizer(V3_LIKE.num_tokens).save(str(folder / "v3.json"))
        rows = [
            *compared("tiny.en", shipped, tiny_en_folder() / "tokenizer.json", folder),
            *compared("large-v3-like", random_weights(V3_LIKE), folder / "v3.json", folder),
        ]
        worst = max(row[2] for row in rows)
        rows += conversions(shipped, folder / "tiny.en")
    for row in rows:
        print("{:20} {:26} largest difference {:.2e} of {:.1f}".format(*row))
    check_tokens()
    return int(worst > MAX_DIFFERENCE)


if __name__ == "__main__":
    raise SystemExit(main())
