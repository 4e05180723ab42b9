"""A training of a few seconds that several tests look at."""

import pytest
import torch

from inference.training.runs import batch_maker, training_items
from inference.training.trainer import Trainer, new_network
from tests.inference.training.toys import Learnt, Loss, tiny_recipe, word_corpus


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """As in a training: with another number of threads sums are other ones in their last bits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    recipe, corpus = tiny_recipe(), word_corpus(tmp_path_factory.mktemp("words"))
    trainer, maker = Trainer(recipe, new_network(recipe)), batch_maker(recipe, training_items([corpus]), None, {})
    losses = []
    for step in range(recipe.num_steps):
        made = trainer.learn(maker.make(step))
        losses.append(Loss(float(made.frames), float(made.ctc)))
    return Learnt(trainer.average.eval(), losses[0], losses[recipe.warm_steps - 1], losses[-1])
