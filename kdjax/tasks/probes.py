"""How good frozen features are, as functions of features: a linear classifier by SGD or in closed form, neighbours.

Features [N, D] come from a network in evaluation mode. Sources: spec/self_supervised.md, 2.9; the neighbours are Wu et
al.'s (CVPR 2018), which the originals do not have.
"""
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

BATCH, MOMENTUM = 256, 0.9
CHUNK = 1024            # rows whose similarities are in memory at once


def closed_form(features: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """W [num_classes, D] = (F^T Y)^T pinv(F^T F), one-hot Y, no bias: the least-squares classifier, on the host."""
    f = np.asarray(features)
    onehot = np.eye(num_classes, dtype=f.dtype)[np.asarray(labels)]
    return (f.T @ onehot).T @ np.linalg.pinv(f.T @ f, rcond=1e-15)


def sgd(features, labels, order, weight, *, rate: Callable[[int], float], batch: int = BATCH):
    """(weight [C, D], bias [C], loss before every update) of softmax regression by SGD with momentum, no decay.

    order [epochs, N]: who is visited when; the last partial batch of an epoch is left out. weight: the start; bias
    starts at zero. rate: epoch (from 0) -> learning rate.
    """
    state = {"w": jnp.asarray(weight), "b": jnp.zeros(len(weight), weight.dtype)}
    speed, losses = jax.tree.map(jnp.zeros_like, state), []
    features, labels = jnp.asarray(features), jnp.asarray(labels)
    for epoch, visited in enumerate(np.asarray(order)):
        lr = jnp.asarray(rate(epoch), state["w"].dtype)
        for start in range(0, len(visited) // batch * batch, batch):
            state, speed, loss = _step(state, speed, features, labels, visited[start:start + batch], lr)
            losses.append(loss)
    return state["w"], state["b"], jnp.stack(losses) if losses else jnp.zeros(0)


@jax.jit
def _step(state, speed, features, labels, rows, lr):
    def loss(s):
        logits = jnp.matmul(features[rows], s["w"].T, precision="highest") + s["b"]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[rows][:, None], axis=1))

    value, grad = jax.value_and_grad(loss)(state)
    speed = jax.tree.map(lambda v, g: MOMENTUM * v + g, speed, grad)
    return jax.tree.map(lambda s, v: s - lr * v, state, speed), speed, value


def neighbours(train: jax.Array, labels: jax.Array, test: jax.Array, num_classes: int, k: int = 200,
               temperature: float = 0.07) -> np.ndarray:
    """Scores [N, num_classes]: the k nearest training rows by cosine vote with exp(similarity / temperature)."""
    unit = lambda x: jnp.asarray(x) / jnp.maximum(jnp.linalg.norm(jnp.asarray(x), axis=1, keepdims=True), 1e-12)
    bank, labels, k = unit(train), jnp.asarray(labels), min(k, len(train))
    vote = jax.jit(lambda rows: _vote(bank, labels, rows, num_classes, k, temperature))
    return np.concatenate([np.asarray(vote(unit(test[i:i + CHUNK]))) for i in range(0, len(test), CHUNK)])


def _vote(bank, labels, rows, num_classes: int, k: int, temperature: float):
    similar, who = jax.lax.top_k(jnp.matmul(rows, bank.T, precision="highest"), k)
    return jnp.einsum("nk,nkc->nc", jnp.exp(similar / temperature), jax.nn.one_hot(labels[who], num_classes))


def top_k(scores: np.ndarray, labels: np.ndarray, k: int = 1) -> float:
    """Percentage of rows whose label is among the k highest scores; k is at most the number of classes (I7)."""
    best = np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :min(k, np.shape(scores)[1])]
    return 100 * float((best == np.asarray(labels)[:, None]).any(1).mean())
