"""Level (f): learning rates by epoch over a whole run, and SGD under them, against torch.optim."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from kdjax import config as kdjax_config
from kdjax.step import schedules
from kdjax.step.optimizer import sgd
from parity_tests.reference import sgd as reference
from parity_tests.tolerances import check

EPOCHS, STEPS = 240, 3  # an epoch of 3 steps


def config_of(lr=0.05, epochs=EPOCHS, **schedule):
    config = kdjax_config.default()
    config.optim.lr, config.train.epochs = lr, epochs
    config.optim.schedule.update(schedule)
    return config


def cosine(offset):
    return lambda epoch: 0.5 * (1 + np.cos(np.pi * (epoch + offset) / EPOCHS))


SCHEDULES = {  # name -> (kdjax's fields, torch's scheduler of an optimizer)
    "step": ({}, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [150, 180, 210], 0.1)),
    "step of the VID release": ({"milestones": (60, 120, 160), "decay": 0.9},
                                lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [60, 120, 160], 0.9)),
    "cosine": ({"kind": "cosine"}, lambda o: torch.optim.lr_scheduler.LambdaLR(o, cosine(0))),
    "cosine of DS-SRD": ({"kind": "cosine", "offset": 1}, lambda o: torch.optim.lr_scheduler.LambdaLR(o, cosine(1))),
    "constant": ({"kind": "constant"}, lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 1.0)),
}


def torch_rates(make, optimizer):
    """The rate of every epoch of a run."""
    scheduler, rates = make(optimizer), []
    for _ in range(EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_step_of_240_epochs_has_torchs_rate(name):
    fields, make = SCHEDULES[name]
    rate = jax.jit(jax.vmap(schedules.learning_rate(config_of(**fields), EPOCHS * STEPS)))
    got = np.asarray(rate(jnp.arange(EPOCHS * STEPS))).reshape(EPOCHS, STEPS)
    want = torch_rates(make, torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05))
    check("schedule", name, got, np.repeat(want[:, None], STEPS, axis=1), floor=0.0)


def test_the_reference_schedules_are_torchs():
    for name, one in (("step", reference.step_lr), ("cosine", lambda b, e: reference.cosine_lr(b, e, EPOCHS))):
        want = torch_rates(SCHEDULES[name][1], torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05))
        check("schedule", f"reference {name}", [one(0.05, e + 1) for e in range(EPOCHS)], want)


@pytest.mark.parametrize("decay", [0.0, 5e-4])
def test_sgd_under_the_step_schedule_follows_torch_for_a_whole_run(decay):
    """A quadratic bowl in 4 dimensions with a scalar and a matrix among the parameters."""
    config = config_of()
    config.optim.weight_decay = decay
    tx = sgd(config, schedules.learning_rate(config, EPOCHS * STEPS))
    rng = np.random.default_rng(0)
    start = {"w": rng.standard_normal((2, 2)), "scale": rng.standard_normal(3), "tau": rng.standard_normal(())}
    loss = lambda p: sum(((x - 1) ** 2).sum() for x in p.values())

    @jax.jit
    def run(params):
        def step(carry, _):
            params, opt = carry
            updates, opt = tx.update(jax.grad(loss)(params), opt, params)
            return (optax.apply_updates(params, updates), opt), None
        return jax.lax.scan(step, (params, tx.init(params)), None, length=EPOCHS * STEPS)[0][0]

    got = run({k: jnp.asarray(v) for k, v in start.items()})
    want = {k: torch.tensor(v, requires_grad=True) for k, v in start.items()}
    optimizer = torch.optim.SGD(want.values(), lr=0.05, momentum=0.9, weight_decay=decay)
    scheduler = SCHEDULES["step"][1](optimizer)
    for _ in range(EPOCHS):
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss(want).backward()
            optimizer.step()
        scheduler.step()
    for key, value in want.items():
        check("schedule", "sgd over 240 epochs", got[key], value.detach().numpy(), what=key)


def test_small_students_start_at_their_own_rate():
    config = config_of(lr=None)
    for name, want in (("resnet20", 0.05), ("MobileNetV2", 0.01), ("ShuffleV1", 0.01), ("ShuffleV2", 0.01)):
        config.student.name = name
        assert schedules.base_lr(config) == want
