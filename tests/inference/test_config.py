"""Settings of the inference process: a bad value names its variable."""

from pathlib import Path

import pytest

from inference.config import InferenceConfig, StreamingOptions, split_addresses, split_model
from inference.errors import ConfigError


def test_without_settings_the_defaults_are_the_models_that_come_with_it() -> None:
    config = InferenceConfig.from_env({})

    assert config.address == "unix:var/inference.sock"
    assert config.models == ("whisper-tiny.en", "whisper-base")
    assert (config.precision, config.max_streams, config.max_batch, config.log_level) == ("auto", 5000, 16, "INFO")


def test_every_setting_is_read() -> None:
    config = InferenceConfig.from_env(
        {
            "HARK_INFERENCE_ADDRESS": "tcp:127.0.0.1:7070",
            "HARK_MODELS": " fake , whisper-base,",
            "HARK_PRECISION": "bf16",
            "HARK_MAX_STREAMS": "3",
            "HARK_MAX_BATCH": "2",
            "HARK_MAX_DELAY_MS": "0",
            "HARK_LOG_LEVEL": "DEBUG",
            "HARK_TUNING_FILE": "/srv/tuning.json",
        }
    )

    assert config == InferenceConfig(
        "tcp:127.0.0.1:7070", ("fake", "whisper-base"), "bf16", 3, 2, "DEBUG", Path("/srv/tuning.json"), 0
    )


def test_the_settings_of_models_that_hear_speech_as_it_is_spoken_are_read() -> None:
    values = {"HARK_CONFORMER_CHUNK_MS": "160", "HARK_CONFORMER_RUNTIME": "onnx", "HARK_VAR_DIR": "/srv"}

    assert InferenceConfig.from_env(values).streaming == StreamingOptions(
        160, "onnx", Path("/srv/language-models"), Path("/srv/graphs")
    )
    assert InferenceConfig.from_env(values | {"HARK_LM_DIR": "/lms"}).streaming.lm_dir == Path("/lms")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HARK_INFERENCE_ADDRESS", ""),
        ("HARK_INFERENCE_ADDRESS", "unix:"),
        ("HARK_INFERENCE_ADDRESS", "/run/socket"),
        ("HARK_INFERENCE_ADDRESS", "tcp:7070"),
        ("HARK_INFERENCE_ADDRESS", "tcp:host:port"),
        ("HARK_INFERENCE_ADDRESS", "tcp:host:65536"),
        ("HARK_INFERENCE_ADDRESS", "http://host:80"),
        ("HARK_INFERENCE_ADDRESS", "unix:/run/a.sock,unix:/run/b.sock"),
        ("HARK_MODELS", ""),
        ("HARK_MODELS", " , "),
        ("HARK_MODELS", "whisper-base,whisper-base"),
        ("HARK_MODELS", "a=/srv/a.pt,a=/srv/b.pt"),
        ("HARK_MODELS", "a="),
        ("HARK_MODELS", "=/srv/a.pt"),
        ("HARK_MODELS", "/srv/a.pt"),
        ("HARK_MODELS", "a b=/srv/a.pt"),
        ("HARK_PRECISION", "fp8"),
        ("HARK_PRECISION", ""),
        ("HARK_MAX_STREAMS", "0"),
        ("HARK_MAX_STREAMS", "-1"),
        ("HARK_MAX_STREAMS", "many"),
        ("HARK_MAX_DELAY_MS", "-1"),
        ("HARK_MAX_DELAY_MS", "1s"),
        ("HARK_MAX_BATCH", "1.5"),
        ("HARK_MAX_BATCH", ""),
        ("HARK_CONFORMER_CHUNK_MS", "0"),
        ("HARK_CONFORMER_CHUNK_MS", "160.5"),
        ("HARK_CONFORMER_RUNTIME", "tvm"),
        ("HARK_DEVICE", ""),
        ("HARK_DEVICE", "gpu"),
        ("HARK_DEVICE", "cuda:"),
        ("HARK_DEVICE", "cuda:-1"),
        ("HARK_LOG_LEVEL", "info"),
        ("HARK_LOG_LEVEL", "TRACE"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is .*expected"):
        InferenceConfig.from_env({name: value})


def test_a_process_that_does_not_listen_takes_the_addresses_of_all_for_what_they_are() -> None:
    environ = {"HARK_INFERENCE_ADDRESS": "unix:a,unix:b"}

    assert InferenceConfig.from_env(environ, listens=False).address == ""
    with pytest.raises(ConfigError, match="expected one address"):
        InferenceConfig.from_env(environ)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_a_device_is_taken_as_it_is_written(device: str) -> None:
    assert InferenceConfig.from_env({"HARK_DEVICE": device}).device == device


def test_a_model_may_be_given_by_its_path() -> None:
    config = InferenceConfig.from_env({"HARK_MODELS": "whisper-tiny.en, clinic=/srv/my models/clinic=2.pt ,german = /srv/de/"})

    assert [split_model(model) for model in config.models] == [
        ("whisper-tiny.en", None),
        ("clinic", Path("/srv/my models/clinic=2.pt")),
        ("german", Path("/srv/de")),
    ]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", ()),
        ("unix:/run/a.sock", ("unix:/run/a.sock",)),
        ("unix:/run/a.sock, tcp:127.0.0.1:7070,", ("unix:/run/a.sock", "tcp:127.0.0.1:7070")),
    ],
)
def test_the_addresses_of_several_processes_have_commas_between(text: str, addresses: tuple[str, ...]) -> None:
    assert split_addresses(text) == addresses
