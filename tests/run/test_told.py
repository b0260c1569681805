"""What differs between the runs of a table is told to the compiled step: rates, weights and seeds share one program."""
import jax
import numpy as np
import pytest

from kdjax.step.outputs import Given
from tests.run.staged import config, same, staged

EPOCH = 6  # five full batches and a smaller one


def of(where, *names, **fields):
    c = config("off", where, *names, drop_last=False)
    c.optim.warmup_epochs, c.optim.schedule.milestones = 1, (1,)  # a rate of its own for every step
    with c.unlocked():
        for name, value in fields.items():
            part, _, field = name.rpartition("__")
            (c[part] if part else c)[field] = value
    return c


def program(c) -> str:
    stage = staged(c)
    stage.begin_epoch(1, fresh=True)
    wish, held = stage.place.put_wish(False), stage.held
    return stage.compiled.lower(stage.state, held.frozen, held.train, stage.orders.held[0], wish,
                                stage.given[0]).as_text()


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return program(of(tmp_path_factory.mktemp("told"), "sp", loss__beta=2.0))


def test_rates_weights_lengths_and_seeds_share_a_program(tmp_path, one):
    others = {"seed": 3, "loss__beta": 0.0, "loss__alpha": 0.1, "loss__gamma": 0.5, "optim__lr": 0.2,
              "train__epochs": 3, "optim__warmup_epochs": 2}
    assert program(of(tmp_path, "sp", **{"loss__beta": 2.0, **others})) == one


@pytest.mark.parametrize(("field", "value"), [("loss__alpha", 0.0), ("loss__kd_temperature", 2.0)])
def test_a_term_that_is_left_out_and_a_temperature_are_part_of_it(tmp_path, one, field, value):
    assert program(of(tmp_path, "sp", **{"loss__beta": 2.0, field: value})) != one


@pytest.mark.slow
def test_a_step_that_is_told_them_trains_what_constants_train(tmp_path):
    """Two epochs in float64: rates that change at every step, a last smaller batch, weights that are not 1."""
    def run(constants):
        stage = staged(of(tmp_path, "sp", loss__beta=3.0, loss__alpha=0.3, train__dtype="float64"))
        wish = stage.place.put_wish(False)
        for epoch in (1, 2):
            stage.begin_epoch(epoch, fresh=True)
            if constants:
                stage.given = [Given(given.seed) for given in stage.given]
            for _ in range(EPOCH):
                stage.dispatch(wish)
        assert sorted(stage.plan.weights) == ["ce", "kl", "sp"]
        return jax.tree.leaves(stage.place.get(stage.state))
    with jax.enable_x64(True):
        told, constant = run(False), run(True)
    assert not same(told[:1], [np.zeros_like(told[0])])
    assert max(np.abs(np.subtract(a, b, dtype=float)).max() for a, b in zip(told, constant)) < 1e-12


def test_the_rates_of_an_epoch_go_on_in_its_tail(tmp_path):
    stage = staged(of(tmp_path, "sp"))
    stage.begin_epoch(1, fresh=True)
    rates = np.concatenate([np.asarray(given.rates) for given in stage.given])
    np.testing.assert_allclose(rates, 0.05 * np.arange(1, EPOCH + 1) / EPOCH, rtol=1e-6)
