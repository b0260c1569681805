"""Comparison of a replayed training trajectory with a golden file; who replayed it (torch or JAX) does not matter.

Tensors are named as in the files ("student:conv1.weight", "adapter:embed_s.linear.bias") and in torch layout.
"""
from __future__ import annotations

import dataclasses

import numpy as np

from parity_tests.tolerances import error

METHODS = {  # the name in a golden file -> kdjax's name of the method, where they differ
    "hint": "fitnet", "attention": "at", "similarity": "sp", "correlation": "cc", "abound": "ab", "factor": "ft",
    "crd_kd": "crd", "ickd_kd": "ickd", "rrd_old": "rrd",
}


def method_name(meta: dict) -> str:
    name = METHODS.get(meta["method"], meta["method"]).removesuffix("_kd")
    return METHODS.get(name, name)


@dataclasses.dataclass
class Stage:
    """losses: {term: [steps]}, terms as in the files; the first step's gradients by name (None where torch has none);
    all tensors after each step."""

    losses: dict
    first_gradients: dict
    states: list


@dataclasses.dataclass
class Run:
    """A whole trajectory: initial tensors, the pre-stage if any, the main stage, step 0's logits, the final memory."""

    initial: dict
    pre: Stage | None
    main: Stage
    logits_s: np.ndarray
    logits_t: np.ndarray
    memory: dict


def tensor_errors(value, norm, total=None, first=None) -> float:
    """The worst of norm, sum and first values, relative to max(norm, 1e-3)."""
    value = np.asarray(value, np.float64)
    errors = [error(np.linalg.norm(value), norm, scale=norm)]
    if total is not None:
        errors.append(error(value.sum(), total, scale=norm))
    if first is not None:
        errors.append(error(np.ravel(value)[:8], first[:value.size], scale=norm))
    return max(errors)


def compare(golden: dict, run: Run) -> dict[str, float]:
    """Worst error of each aspect of a golden/trajectories file, by the measure of its README, section 5."""
    names, meta = golden["meta"]["names"], golden["meta"]
    errors = {
        "initial": max(tensor_errors(run.initial[n], *row)
                       for n, *row in zip(names, golden["init_norm"], golden["init_sum"], strict=True)),
        "logits": max(error(run.logits_s, golden["logits_s_first"]), error(run.logits_t, golden["logits_t_first"])),
        "losses": _loss_errors(golden, run.main),
        "gradients": _gradient_errors(meta["trainable"], golden["grad_norm_first"], run.main),
        "steps": _step_errors(golden, names, run.main),
        "final": _summary_errors(golden, "final", names, run.main.states[-1]),
    }
    if "pre_stage" in meta:
        errors["pre losses"] = error(run.pre.losses["total"], golden["pre_loss"])
        trainable = meta["pre_stage"]["trainable"]
        errors["pre gradients"] = _gradient_errors(trainable, golden["pre_grad_norm_first"], run.pre)
        errors["pre"] = _summary_errors(golden, "pre", names, run.pre.states[-1])
    return errors | _memory_errors(golden, run.memory)


def _loss_errors(golden, stage) -> float:
    """Losses one by one, each relative to max(|ref|, 1e-3)."""
    pairs = [(stage.losses[term], golden["loss_" + term]) for term in golden["meta"]["terms"]]
    return max(error(got, want) for gots, wants in pairs for got, want in zip(gots, wants, strict=True))


def _step_errors(golden, names, stage) -> float:
    """Norms after every step: where a replay leaves the path."""
    rows = [(state[n], norm) for state, norms in zip(stage.states, golden["step_norm"], strict=True)
            for n, norm in zip(names, norms, strict=True)]
    return max(tensor_errors(*row) for row in rows)


def _gradient_errors(trainable, norms, stage) -> float:
    """Norms relative to max(|ref|, 1e-3); a gradient that torch lacks (NaN in the file) must be lacking or 0."""
    def one(name, norm):
        gradient = stage.first_gradients.get(name)
        if np.isnan(norm):
            return 0.0 if gradient is None or not np.any(gradient) else float("inf")
        return float("inf") if gradient is None else error(np.linalg.norm(gradient), norm)

    return max(one(name, norm) for name, norm in zip(trainable, norms, strict=True))


def _summary_errors(golden, when, names, state) -> float:
    rows = zip(names, golden[when + "_norm"], golden[when + "_sum"], golden[when + "_first8"], strict=True)
    return max(tensor_errors(state[n], *row) for n, *row in rows)


def _memory_errors(golden, memory) -> dict[str, float]:
    """Rows of banks and queue, each by its own norm; constants and pointer."""
    errors = {}
    for key in ("bank_s", "bank_t", "queue"):
        if key + "_norm" in golden:
            rows = zip(np.asarray(memory[key]), golden[key + "_norm"], golden[key + "_sum"], golden[key + "_first8"],
                       strict=True)
            errors[key] = max(tensor_errors(*row) for row in rows)
    for key in ("norm_s", "norm_t"):
        if key in golden:
            errors[key] = error(memory[key], golden[key])
    if "queue_ptr" in golden:
        errors["queue_ptr"] = float(int(memory["ptr"]) != int(golden["queue_ptr"]))
    return errors
