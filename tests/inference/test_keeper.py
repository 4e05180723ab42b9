"""What becomes of a model that is asked for again at the very moment at which it is taken out. Recognition turns by hand."""

import asyncio
from dataclasses import dataclass, field

import pytest

from inference.config import InferenceConfig
from inference.engines.fake import FakeEngine, Faults
from inference.keeper import ModelKeeper
from inference.loop import RecognitionLoop
from inference.messages import AnyModelEvent, LoadModel, ModelFailed, ModelLoaded, ModelSpec, ModelUnloaded, UnloadModel
from inference.vad import LevelVad
from tests.inference.worker import PATIENCE_S

LINK = 1
LOAD = LoadModel(spec=ModelSpec(name="old", source="fake"))
UNLOAD = UnloadModel(model="old")


@dataclass
class House:
    """A process with the models `old` and `other`. `told`: what the link that asked was told in the end, in order."""

    told: list[AnyModelEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.old = FakeEngine.called("old", Faults())
        self.loop = RecognitionLoop(
            {"old": self.old, "other": FakeEngine.called("other", Faults())},
            LevelVad(),
            lambda _link, _events: None,
            max_streams=10,
            max_batch=4,
            on_unused=lambda model: self.keeper.on_unused(model),
        )
        self.sources = {"old": "fake", "other": "fake"}
        config = InferenceConfig.from_env({"HARK_MODELS": "fake"})
        self.keeper = ModelKeeper(self.loop, config, self.sources, tell=self.hear, announce=lambda _models: None)

    def hear(self, _link: int, event: AnyModelEvent) -> None:
        if isinstance(event, ModelLoaded | ModelFailed | ModelUnloaded):
            self.told.append(event)

    def turn(self) -> None:
        self.loop.take(wait=False)
        self.loop.send()

    async def until_told(self, num_answers: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.told) < num_answers:
                self.turn()
                await asyncio.sleep(0.001)


async def let_others_go_on() -> None:
    """As far as they get without recognition."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("num_turns", range(6))
async def test_a_model_that_is_asked_for_while_it_is_taken_out_is_there_in_the_end(num_turns: int) -> None:
    house = House()
    house.keeper.take(LINK, UNLOAD)
    for _ in range(num_turns):
        await let_others_go_on()
        house.turn()
    house.keeper.take(LINK, LOAD)
    await house.until_told(2)

    assert any(isinstance(event, ModelLoaded) for event in house.told)
    assert set(house.sources) == set(house.loop.engines) == {"old", "other"}
    house.keeper.take(LINK, UNLOAD)
    await house.until_told(3)
    assert isinstance(house.told[-1], ModelUnloaded)
    assert set(house.sources) == set(house.loop.engines) == {"other"}
