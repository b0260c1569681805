"""One training step of any method, and whole stages of them; spec/losses.md 3.1, 3.6, 10. Modules change in place."""
from typing import NamedTuple

import torch
import torch.nn.functional as F

from parity_tests.reference import losses
from parity_tests.reference.methods.base import Context
from parity_tests.reference.sgd import SGD


class Weights(NamedTuple):
    """gamma * cross entropy + alpha * KL(T) + beta * method."""

    gamma: float = 1.0
    alpha: float = 0.0
    beta: float = 1.0
    temperature: float = 4.0


class Result(NamedTuple):
    """What one step computed before its update; gradients by "student:key" or "adapter:key", None where unreached."""

    terms: dict
    gradients: dict
    logits_s: torch.Tensor
    logits_t: torch.Tensor


def named(student, method, stage=None):
    """The parameters that a stage (None: the main one) gives to its optimizer, as {"role:torch key": tensor}."""
    def student_part(key):
        if stage is None:
            return key not in method.student_frozen
        return stage.student == "trunk" and key.split(".")[0] in student.trunk

    def adapter_part(key):
        name = key.split(".")[0]
        return name in stage.adapters if stage else name not in method.frozen

    parts = (("student", student, student_part), ("adapter", method.adapters, adapter_part))
    return {f"{role}:{key}": p for role, module, ours in parts for key, p in module.named_parameters() if ours(key)}


def set_modes(student, teacher, method, stage=None):
    """Train and eval mode of every module. In a pre-stage the student is in eval mode but for the trained part."""
    teacher.train(method.teacher_train)
    student.train(stage is None)
    for name, adapter in method.adapters.items():
        adapter.train(name in stage.adapters if stage else name not in method.eval_mode)
    if stage and stage.student == "trunk":
        for name in student.trunk:
            getattr(student, name).train()


def context(student, teacher, method, batch):
    """Both forward passes; the teacher's result and its head are frozen."""
    out_s = student(batch["images"])
    with torch.no_grad():
        out_t = teacher(batch["images"])

    def adapt(name, *args):
        return method.adapters[name](*args)

    return Context(out_s, out_t, batch, adapt, teacher.classify, {"student": student, "teacher": teacher})


def main_loss(method, ctx, memory, weights):
    """({total, cls, div, kd, and the method's own terms}, new memory)."""
    own, memory = method.loss(ctx, memory)
    kd = sum((method.weights.get(name, 1.0) * value for name, value in own.items()), torch.zeros(()).double())
    terms = {"cls": F.cross_entropy(ctx.student.logits, ctx.batch["labels"]),
             "div": losses.kl_divergence(ctx.student.logits, ctx.teacher.logits, temperature=weights.temperature),
             "kd": kd}
    total = weights.gamma * terms["cls"] + weights.alpha * terms["div"] + weights.beta * terms["kd"]
    return {"total": total, **terms, **own}, memory


def train_step(student, teacher, method, optimizer, batch, memory, weights=None, stage=None):
    """One update of the optimizer's parameters; (Result, new memory). stage: a pre-stage, which needs no weights."""
    set_modes(student, teacher, method, stage)
    ctx = context(student, teacher, method, batch)
    if stage is None:
        terms, memory = main_loss(method, ctx, memory, weights)
    else:
        own = stage.loss(ctx)
        terms = {"total": sum(own.values()), **own}
    parameters = optimizer.parameters
    grads = torch.autograd.grad(terms["total"], list(parameters.values()), allow_unused=True)
    grads = dict(zip(parameters, grads, strict=True))
    optimizer.step(grads)
    values = {name: value.detach() for name, value in terms.items()}
    return Result(values, grads, ctx.student.logits.detach(), ctx.teacher.logits), memory


def train(student, teacher, method, batches, memory, weights=None, stage=None, after=None, **sgd):
    """A stage from a fresh optimizer, a step a batch, after() called behind each; returns ([Result], memory)."""
    for p in (*student.parameters(), *method.parameters()):
        p.requires_grad_()
    teacher.requires_grad_(False)
    optimizer, results = SGD(named(student, method, stage), **sgd), []
    for batch in batches:
        result, memory = train_step(student, teacher, method, optimizer, batch, memory, weights, stage)
        results.append(result)
        if after:
            after()
    return results, memory
