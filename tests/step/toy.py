"""A network of two products and a mean that follows the batch: everything a step asks of one, nothing to compile."""
import jax
import jax.numpy as jnp

from kdjax.config import default
from kdjax.methods.base import Method
from kdjax.models import Features, Output
from kdjax.tasks.distil import Distil

CLASSES, SIZE = 4, 2


class Toy:
    """images [B, 2, 2, 3] -> stem (kernel, running mean) -> fc."""

    trunk = ("stem",)

    def __init__(self, name="toy"):
        self.name, self.num_classes, self.image_size = name, CLASSES, SIZE

    def init(self, key, scale=1.0):
        stem, fc = jax.random.split(key)
        return {"params": {"stem": {"kernel": scale * jax.random.normal(stem, (12, 5))},
                           "fc": {"kernel": jax.random.normal(fc, (5, CLASSES))}},
                "batch_stats": {"stem": {"mean": jnp.zeros(5)}}}

    def apply(self, variables, images, train=False):
        params, old = variables["params"], variables["batch_stats"]["stem"]["mean"]
        h = images.reshape(len(images), -1) @ params["stem"]["kernel"]
        mean = h.mean(0)
        stats = {"stem": {"mean": 0.9 * old + 0.1 * mean if train else old}}
        embedding = h - (mean if train else old)
        return Output(embedding @ params["fc"]["kernel"], Features((h,), (h,), embedding, h)), stats

    def classify(self, variables, embedding):
        return embedding @ variables["params"]["fc"]["kernel"]


class Scale:
    """An adapter of one number."""

    def init(self, key):
        return {"params": {"factor": jnp.ones(())}, "batch_stats": {"seen": jnp.zeros(())}}

    def apply(self, variables, x, train=False):
        seen = variables["batch_stats"]["seen"]
        return x * variables["params"]["factor"], {"seen": seen + 1 if train else seen}


class Pull(Method):
    """Two terms between embeddings, through an adapter that is trained and one that is not."""

    name = "pull"

    def __init__(self, student=None, teacher=None, config=None):
        super().__init__(student, teacher, config)
        self.adapters = {"own": Scale(), "given": Scale()}
        self.frozen = self.eval_mode = frozenset({"given"})
        self.term_weights = {"far": 3.0}

    def draw(self, key, batch):
        return {"noise": jax.random.normal(key, (len(batch.labels),))}

    def loss(self, ctx, memory):
        gap = ctx.adapt("own", ctx.student.features.embedding) - ctx.adapt("given", ctx.teacher.features.embedding)
        noise = ctx.draws.get("noise", jnp.zeros(()))
        return {"near": jnp.mean(gap ** 2), "far": jnp.mean(jnp.abs(gap)) + jnp.mean(noise)}, memory


def task(teachers=1, weight=0.5, method=Pull, **loss) -> Distil:
    """Distillation of toys with gamma 0.3, alpha 0.7, beta 2."""
    config = default()
    config.loss.update({"gamma": 0.3, "alpha": 0.7, "beta": 2.0, "kd_temperature": 2.0} | loss)
    names = ["teacher", *(f"teacher{n}" for n in range(2, teachers + 1))]
    return Distil(config, Toy(), {name: Toy(name) for name in names}, {"pull": method()}, {"pull": weight}, {})


def frozen(teachers=1) -> dict:
    """Variables of the teachers."""
    names = ["teacher", *(f"teacher{n}" for n in range(2, teachers + 1))]
    return {name: Toy().init(jax.random.key(10 + n)) for n, name in enumerate(names)}
