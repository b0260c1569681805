"""Mistakes of one line in what makes a run and its numbers: counters, evaluation, headline, steps, checkpoints, data.

Each is judged by the project's own tests nearest to it (see `own_tests.py`); `mutants.py` runs them.
"""
from __future__ import annotations

from functools import partial

from kdjax import methods
from kdjax.config import changes, milestones
from kdjax.data import order, stats, views
from kdjax.device.placement import Placement
from kdjax.files import checksums
from kdjax.losses import contrastive, information, ops, relation, response
from kdjax.models import layers
from kdjax.run import accuracy, companions, fingerprints, folder, log, plan, stopping
from kdjax.run import result as results
from kdjax.run.evaluations import Evaluations
from kdjax.run.loop import StageLoop
from kdjax.run.step_folders import StepFolders
from kdjax.step import context, device_step, ema, metrics, schedules, state, update
from kdjax.step.objective import Objective
from kdjax.tasks import distil
from kdjax.tasks.base import Task
from kdjax.tasks.distil import Distil
from parity_tests import own_tests
from parity_tests.mutation import Mutant, patch
from parity_tests.own_tests import edit

HEADLINE, EVALUATION = "tests.run.test_headline", "tests.run.test_evaluation"
COUNTERS, STEP, STATE = "tests.step.test_metrics", "tests.step.test_step", "tests.step.test_state"
EPS, PLAN, ORDER = "tests.losses.test_eps", "tests.run.test_plan", "tests.data.test_order"
WEIGHTS, TEACHERS, REPLICAS = (f"{STEP}:test_{what}" for what in ("every_weight", "several_teachers", "replicas"))
STAGE, SKIP, OTHERS = (f"{STEP}:test_{what}" for what in ("a_stage", "a_bad_step", "a_pre_stage"))
DEVICE_STEP, CHOICE = "tests.step.test_device_step", "tests.methods.test_choice"
DEVICES, SAVES = "tests.device.test_batches", "tests.run.test_checkpoints"
FOLLOW, START = "tests.step.test_following", "tests.models.test_initialisers"

NUMBERS = [
    Mutant("result: last is the best epoch's", HEADLINE,
           edit(results, "result", '"last": scores(history["last"])', '"last": scores(history["best"])')),
    Mutant("result: best is the last epoch's", HEADLINE,
           edit(results, "result", '"best": scores(history["best"])', '"best": scores(history["last"])')),
    Mutant("result: top-5 is top-1", HEADLINE, edit(results, "scores", 'row["test_top5"]', 'row["test_top1"]')),
    Mutant("result: the training accuracy is the headline", HEADLINE,
           edit(results, "scores", 'row["test_top1"]', 'row["train_top1"]')),
    Mutant("result: times of training alone", HEADLINE,
           edit(results, "result", 'round(history["seconds"], 3)', 'round(history["speed_seconds"], 3)')),
    Mutant("table: best before last", HEADLINE, edit(
        results, "summary", """f"{entry['last']['top1']:.2f}", f"{entry['best']['top1']:.2f}\"""",
        """f"{entry['best']['top1']:.2f}", f"{entry['last']['top1']:.2f}\"""")),
    Mutant("table: the gain is that of the best epochs", HEADLINE,
           edit(results, "summary", "done['alone']['last']['top1']", "done['alone']['best']['top1']")),
    Mutant("finished: a run of another length", HEADLINE,
           edit(results, "finished", 'done.get("epochs") == config.train.epochs and ', "")),
    Mutant("best: the latest of equals", HEADLINE, edit(
        StageLoop, "remember", 'row["test_top1"] > history', 'row["test_top1"] >= history')),
    Mutant("best: chosen by training accuracy", HEADLINE, edit(
        StageLoop, "remember", 'row["test_top1"] > history["best"]["test_top1"]',
        'row["train_top1"] > history["best"]["train_top1"]')),
    Mutant("best: never replaced", HEADLINE, edit(
        StageLoop, "remember", 'or row["test_top1"] > history["best"]["test_top1"]', "")),
    Mutant("last: only where it is better", HEADLINE, edit(
        StageLoop, "remember", 'history["last"] = row\n', 'history["last"] = history["best"] or row\n')),
    Mutant("skipped steps: only the last epoch's", HEADLINE, edit(
        StageLoop, "remember", 'history["skipped"] += row', 'history["skipped"] = row')),
]

EVALUATIONS = [
    Mutant("ties: the last of equal logits wins", COUNTERS, edit(
        metrics, "tally", "jnp.arange(logits.shape[1]) < labels", "jnp.arange(logits.shape[1]) > labels")),
    Mutant("ties: all of equal logits win", COUNTERS, edit(
        metrics, "tally", "(logits > own) | tied_before", "logits > own")),
    Mutant("NaN: isfinite removed", COUNTERS, edit(metrics, "tally", " * jnp.isfinite(own[:, 0])", "")),
    Mutant("top-1 counts two", COUNTERS, edit(metrics, "tally", '"top1": hit(1)', '"top1": hit(2)')),
    Mutant("padding: counted", COUNTERS, edit(metrics, "tally", "weights.sum()", "1.0 * len(labels)")),
    Mutant("padding: hits", EVALUATION, edit(
        metrics, "tally", "jnp.sum(weights * (rank < k)", "jnp.sum(1.0 * (rank < k)")),
    Mutant("padding: in the loss", COUNTERS, edit(metrics, "tally", "weights * cross_entropy", "cross_entropy")),
    Mutant("padding: weighs one", EVALUATION, edit(order, "eval_batches", "real.astype(np.float32)",
                                                  "np.ones_like(real, np.float32)")),
    Mutant("evaluation: the last image left out", EVALUATION, edit(
        order, "eval_batches", "slots < n", "slots < n - 1")),
    Mutant("evaluation: only whole batches", EVALUATION, edit(order, "eval_batches", "-(-n // batch_size)",
                                                            "max(n // batch_size, 1)")),
    Mutant("evaluation: the last batch alone", EVALUATION, edit(
        accuracy, "score", "got if totals is None else jax.tree.map(jnp.add, totals, got)", "got")),
    Mutant("evaluation: a stop is never heard", EVALUATION, edit(accuracy, "score", "check()\n", "pass\n")),
    Mutant("evaluation: in train mode", EVALUATION, edit(accuracy, "evaluate", "train=False", "train=True")),
    Mutant("evaluation: not after the last epoch", EVALUATION, edit(
        Evaluations, "after", "last or epoch %", "epoch %")),
    Mutant("evaluation: every epoch", EVALUATION, edit(Evaluations, "after", "epoch % evaluation.every == 0", "True")),
    Mutant("a teacher by chance passes", EVALUATION, edit(Evaluations, "teacher", "200 / data", "100 / data")),
    Mutant("deployed: the student's logits though a method adds to them", STEP + ":test_what_is",
           edit(Distil, "predict", "return method.predict(ctx.of(name))", "return ctx.student.logits")),
]

COUNTING = [
    Mutant("epoch means: over all steps, NaN and all", COUNTERS, edit(
        metrics, "count", "jnp.where(good, jnp.asarray(value, sum_.dtype), 0)", "jnp.asarray(value, sum_.dtype)")),
    Mutant("epoch means: divided by all images", COUNTERS, edit(
        metrics, "means", 'metrics["weight"]', 'metrics["images"]')),
    Mutant("epoch means: a small batch counts like a full one", COUNTERS, edit(
        metrics, "count", 'metrics["sums"][n], v * images', 'metrics["sums"][n], v * 8')),
    Mutant("bad step: the last one is remembered", COUNTERS, edit(
        metrics, "count", '~good & (metrics["bad_step"] < 0)', "~good")),
    Mutant("bad step: only the terms are looked at", SKIP, edit(
        update, "apply_gradients", "jnp.isfinite(norm)", "jnp.asarray(True)")),
    Mutant("skip: a step that is partly good is taken", SKIP, edit(
        update, "apply_gradients", "jnp.all(jnp.stack", "jnp.any(jnp.stack")),
    Mutant("skip: the step does not count", SKIP, edit(update, "apply_gradients", "step=state.step + 1",
                                                      "step=jnp.where(good, state.step + 1, state.step) if "
                                                      "objective.skip_bad_steps else state.step + 1")),
    Mutant("divergence: the step counted from 0", "tests.run.test_stopping",
           edit(stopping, "diverged", 'int(metrics["bad_step"]) + 1', 'int(metrics["bad_step"])')),
    Mutant("divergence: advice that is taken already", "tests.run.test_stopping",
           edit(stopping, "advice", "if skips:", "if False:")),
    Mutant("saves: infinity is finite", "tests.run.test_stopping",
           edit(stopping, "check_state", "np.isfinite(value).all()", "not np.isnan(value).any()")),
    Mutant("counters of before: not converted", STATE, edit(metrics, "upgraded", "(value * size)", "(value * 1)")),
]

STEPS = [
    Mutant("weights: of methods not heard", WEIGHTS, edit(
        distil, "method_terms", "task.weights[name] * (", "(")),
    Mutant("weights: beta not heard", WEIGHTS, edit(
        distil, "method_terms", "task.loss.beta if", "1.0 if")),
    Mutant("weights: a method's own not heard", WEIGHTS, edit(
        distil, "method_terms", "scale * method.term_weights.get(term, 1.0)", "scale")),
    Mutant("weights: gamma and alpha exchanged", WEIGHTS, edit(Distil, "terms", '{"ce": self.loss.gamma}',
                                                           '{"ce": self.loss.alpha}')),
    Mutant("kl: the method's temperature", STEP + ":test_the_terms", edit(
        Distil, "terms", "temperature=self.loss.kd_temperature",
                                                     "temperature=4.0")),
    Mutant("teachers: averaged at temperature 1", TEACHERS, edit(
        context, "_mean", "jax.nn.log_softmax(o.logits / temperature)", "jax.nn.log_softmax(o.logits)")),
    Mutant("teachers: logits not scaled back", TEACHERS, edit(context, "_mean", "temperature * mean", "mean")),
    Mutant("teachers: the sum for the mean", TEACHERS, edit(context, "_mean", " - jnp.log(len(probs))", "")),
    Mutant("teachers: the last one's features", TEACHERS, edit(
        context, "_mean", "outs[0]._replace", "outs[-1]._replace")),
    Mutant("teachers: the first one alone", TEACHERS, edit(
        context.Passes, "__call__", "if len(outs) == 1 else _mean(outs, temperature)", "if outs else None")),
    Mutant("replicas: gradients of the first alone", REPLICAS, edit(
        update, "gradients", "grads, terms, weighted = jax.lax.pmean(", "_, terms, weighted = jax.lax.pmean(")),
    Mutant("replicas: gradients summed", REPLICAS, edit(
        update, "gradients", "jax.lax.pmean(", "jax.lax.psum(")),
    Mutant("replicas: statistics of the last", REPLICAS, edit(update, "gradients", "axis_index(axis) == 0",
                                                        "axis_index(axis) == 1")),
    Mutant("replicas: statistics averaged", REPLICAS, edit(
        update, "gradients", "jnp.where(first, x, jnp.zeros_like(x))", "x / jax.lax.psum(1.0, axis)")),
    Mutant("replicas: one draw for all", STEP + ":test_every_replica", edit(
        update, "replicated_gradients", "jax.random.split(key, replicas)", "jax.numpy.stack([key] * replicas)")),
    Mutant("stage: trains every adapter of its method", STAGE, edit(
        Objective, "trains", "path[1] == self.stage_method and path[2] in self.stage.adapters",
        "path[1] == self.stage_method")),
    Mutant("stage: trains other methods' adapters", OTHERS, edit(
        Objective, "trains", "path[1] == self.stage_method and path[2] in", "path[2] in")),
    Mutant("stage: trains the whole student", STAGE, edit(Objective, "trains", " and path[1] in net.trunk", "")),
    Mutant("stage: trains the trunk unasked", STAGE, edit(
        Objective, "trains", 'self.stage.student == "trunk" and ', "")),
    Mutant("stage: the student's norms follow unasked", STAGE, edit(
        Objective, "mode", "(self.stage.student or False) if net == self.task.learner else False", "True")),
    Mutant("stage: all adapters in train mode", STAGE, edit(
        Objective, "adapter_mode", "method == self.stage_method and adapter in self.stage.adapters", "True")),
    Mutant("main stage: frozen adapters trained", STAGE, edit(
        Task, "trains", "path[0] != ADAPTERS or path[2] not in self.methods[path[1]].frozen", "True")),
    Mutant("main stage: adapters in eval mode train", STAGE, edit(
        Objective, "adapter_mode", "adapter not in self.task.methods[method].eval_mode", "True")),
    Mutant("following: old and new exchanged", FOLLOW, edit(
        ema, "average", "decay * a + (1 - decay) * b", "(1 - decay) * a + decay * b")),
    Mutant("following: statistics always copied", FOLLOW, edit(ema, "_moved", "[net.followed]()", '["copy"]()')),
    Mutant("following: starts anew over weights that it has", FOLLOW, edit(
        ema, "start", 'and name not in state.ema', "")),
    Mutant("methods: the first one's weight for all", CHOICE, edit(
        methods, "chosen", "dict(zip(names, weights))", "dict.fromkeys(names, weights[0])")),
    Mutant("methods: weights the other way round", CHOICE, edit(
        methods, "chosen", "dict(zip(names, weights))", "dict(zip(names, weights[::-1]))")),
    Mutant("methods: one twice", CHOICE, edit(methods, "chosen", " or len(set(names)) != len(names)", "")),
    Mutant("step: takes the next row", DEVICE_STEP, edit(
        device_step, "at_row", "step % steps_per_epoch", "(step + 1) % steps_per_epoch")),
    Mutant("step: the rate of the epoch's first batch", DEVICE_STEP, edit(
        device_step, "make", "given.rates[at_row(state.step, steps_per_epoch, order)]", "given.rates[0]")),
    Mutant("step: told weights, of which nobody hears", DEVICE_STEP, edit(
        device_step, "pick", ", given.weights), method_key", "), method_key")),
    Mutant("step: the epoch from 0", DEVICE_STEP, edit(
        device_step, "pick", "(step // steps_per_epoch + 1)", "(step // steps_per_epoch)")),
    Mutant("step: labels of other images", DEVICE_STEP, edit(
        device_step, "pick", 'data["labels"][index]', 'data["labels"][order[0]]')),
    Mutant("step: two views see the same", DEVICE_STEP, edit(
        device_step, "view_draws", "key if number == 0 else jax.random.fold_in(key, number)", "key")),
    Mutant("step: every stage draws as the main one", DEVICE_STEP, edit(
        device_step, "view_draws", "stream(seed, purpose, step)", 'stream(seed, "main", step)')),
    Mutant("step: hits of one class", DEVICE_STEP, edit(
        device_step, "make", "jnp.argmax(seen.logits, -1)", "jnp.argmin(seen.logits, -1)")),
    Mutant("step: nobody is heard", DEVICE_STEP, edit(device_step, "make", "jnp.any(wishes)", "jnp.all(wishes)")),
    Mutant("warm-up: a step late", "tests.step.test_optimizer", edit(
        schedules, "learning_rate", "(step + 1) / warm", "step / warm")),
    Mutant("cosine: without its offset", "tests.step.test_optimizer", edit(
        schedules, "learning_rate", "(epoch + schedule.offset)", "epoch")),
]

LOSSES = [
    Mutant("wsld: without 1e-7", EPS, edit(response, "wsld", "(1e-7 - jnp.sum", "(0.0 - jnp.sum")),
    Mutant("wsld: 1e-6", EPS, edit(response, "wsld", "(1e-7 - jnp.sum", "(1e-6 - jnp.sum")),
    Mutant("pkt: no eps in the norm", EPS, edit(information, "_affinities", "norm + eps", "norm")),
    Mutant("pkt: no eps of the student in the logarithm", EPS, edit(
        information, "pkt", "jnp.log((t + eps) / (s + eps))",
                                                                       "jnp.log((t + eps) / s)")),
    Mutant("pkt: no eps of the teacher in the logarithm", EPS, edit(
        information, "pkt", "jnp.log((t + eps) / (s + eps))",
                                                                       "jnp.log(t / (s + eps))")),
    Mutant("crd: no eps of positives", EPS, edit(contrastive, "nce_from_scores", "jnp.asarray(noise + eps,",
                                                "jnp.asarray(noise,")),
    Mutant("crd: no eps of negatives", EPS, edit(
        contrastive, "nce_from_scores", "jnp.log1p(jnp.asarray(eps, scores.dtype) / noise)", "0.0")),
    Mutant("crd: eps 1e-6", EPS, edit(contrastive, "nce_from_scores", "eps: float = 1e-7", "eps: float = 1e-6")),
    Mutant("vid: no least variance", EPS, edit(information, "vid", "jax.nn.softplus(log_scale) + eps",
                                              "jax.nn.softplus(log_scale) + 1e-20")),
    Mutant("vid: least variance 1e-4", EPS, edit(information, "vid", "eps: float = 1e-5", "eps: float = 1e-4")),
    Mutant("unit vectors: eps added, not a floor", EPS, edit(
        ops, "l2_normalize", "jnp.where(large, square, 1.0)), eps)", "jnp.where(large, square, 1.0)) + eps, eps)")),
    Mutant("unit vectors: eps 1e-8", EPS, edit(ops, "l2_normalize", "eps: float = 1e-12", "eps: float = 1e-8")),
    Mutant("rkd: clamp 1e-8", EPS, edit(
        relation, "_relative_distances", "jnp.where(square >= 1e-12, square, 1e-12)",
        "jnp.where(square >= 1e-8, square, 1e-8)")),
    Mutant("itrd: no floor of the trace", EPS, edit(
        information, "_information_potential", "jnp.maximum(jnp.trace(gram), 1e-12)", "jnp.trace(gram)")),
]

BEGINNINGS = [
    Mutant("initialisers: fan out is fan in", START, patch(
        layers, "KAIMING_FAN_OUT", lambda old: layers.KAIMING_FAN_IN)),
    Mutant("initialisers: Xavier's gain", START, patch(layers, "KAIMING_FAN_IN", lambda old: old._replace(
        kernel=lambda key, shape: old.kernel(key, shape) / 2 ** 0.5))),
    Mutant("initialisers: uniform in 0 .. 1 / sqrt(fan)", START, patch(layers, "TORCH", lambda old: old._replace(
        kernel=lambda key, shape: abs(old.kernel(key, shape))))),
    Mutant("initialisers: normal for uniform", START, patch(layers, "TORCH_TRANSPOSED", lambda old: old._replace(
        kernel=lambda key, shape: layers.NORMAL_001.kernel(key, shape) * 100 * 3 ** -0.5 * 864 ** -0.5))),
    Mutant("initialisers: a bias by its fan out", START, patch(layers, "TORCH", lambda old: old._replace(
        bias=layers.TORCH_TRANSPOSED.bias))),
    Mutant("initialisers: 0.02 for 0.01", START, patch(layers, "NORMAL_001", lambda old: old._replace(
        kernel=lambda key, shape: 2 * old.kernel(key, shape)))),
    Mutant("plan: the main stage counts from 0", PLAN, edit(plan, "plan", "offset += steps", "offset += 0")),
    Mutant("plan: a pre-stage as long as the main one", PLAN, edit(
        plan, "plan", "config.train.init_epochs * per_epoch", "config.train.epochs * per_epoch")),
    Mutant("plan: the tail is no step", PLAN, edit(plan, "steps_per_epoch", "full + bool(tail)", "full")),
    Mutant("plan: a pre-stage at the base rate", PLAN, edit(
        plan, "stage_lr", "base_lr(config) if stage.lr is None else stage.lr", "base_lr(config)")),
    Mutant("plan: on_nan=skip not heard", PLAN, edit(plan, "plan", 'config.train.on_nan == "skip"', "False")),
]

KEEPING = [
    Mutant("fingerprints: of the training images alone", "tests.run.test_fingerprints",
           edit(fingerprints, "of_data", '("train", "test", "valid")', '("train",)')),
    Mutant("fingerprints: without classes", "tests.run.test_fingerprints",
           edit(fingerprints, "of_data", '{"classes": data.num_classes, ', "{")),
    Mutant("fingerprints: of shapes alone", "tests.run.test_fingerprints", edit(
        fingerprints, "of_network", "describe(np.asarray(leaf))", "leaf.shape")),
    Mutant("fingerprints: other sums are no difference", "tests.run.test_fingerprints",
           edit(fingerprints, "differences", "for name in silent if name not in told",
                "for name in silent if name in told")),
    Mutant("arrays of other shapes are restored", STATE, edit(
        state, "_specs", 'f"{leaf.dtype.name} {list(leaf.shape)}"', "leaf.dtype.name")),
    Mutant("arrays of other types are restored", STATE, edit(
        state, "_specs", 'f"{leaf.dtype.name} {list(leaf.shape)}"', "str(leaf.shape)")),
    Mutant("resume: a longer cosine", "tests.config.test_changes", patch(changes, "RULES", lambda rules: {
        **rules, "unless the rate depends on the length": lambda *configs: True})),
    Mutant("milestones: scaled by the wrong side", "tests.run.test_folder", edit(
        milestones, "scaled", "round(m * by)", "round(m / by)")),
    Mutant("own teacher: as long as the run says", "tests.run.test_folder", edit(
        companions, "teacher_of", "own.train.steps = 0", "pass")),
    Mutant("own teacher: milestones by the run's length", "tests.run.test_folder", edit(
        companions, "teacher_of", "own.optim.schedule.milestones = scaled(", "_ = (")),
    Mutant("own runs: their folders are not looked at", "tests.run.test_folder", edit(
        companions, "folders", "if config.experiment.compare", "if False")),
    Mutant("lost rows: only the last epoch's", "tests.run.test_log", edit(
        log, "missing", "range(1, last + 1)", "range(last, last + 1)")),
    Mutant("lost rows: those to come", "tests.run.test_log", edit(log, "missing", "range(1, last + 1)",
                                                                 "range(1, last + 2)")),
]

DATA = [
    Mutant("order: the same in every epoch", ORDER, edit(order, "_shuffled", "permutation(n, seed, ORDER, epoch)",
                                                       "permutation(n, seed, ORDER)")),
    Mutant("order: the tail is the head", ORDER, edit(order, "epoch_tail", "[n // batch_size * batch_size:]",
                                                    "[: n % batch_size]")),
    Mutant("order: the same for every seed", ORDER, edit(order, "permutation", "seed % 2**64", "0")),
    Mutant("statistics: of 256 levels", "tests.data.test_source", edit(stats, "measure", "/ 255", "/ 256")),
    Mutant("statistics: a constant channel is divided by 0", "tests.data.test_source", edit(
        stats, "measure", "s or 1.0", "s")),
    Mutant("views: nothing mirrored", "tests.data.test_views", edit(views, "how_many", "(2 if flip else 1)", "1")),
    Mutant("views: flip before crop under zero padding", "tests.data.test_views:test_views_equal", edit(
        views, "apply", 'flip_first=padding == "reflect"', "flip_first=True")),
    Mutant("placement: an evaluation's batch does not divide", DEVICES, edit(
        Placement, "eval_batch", "-(-min(wanted, images) // count) * count", "min(wanted, images)")),
    Mutant("placement: an evaluation pads up to what was wanted", DEVICES, edit(
        Placement, "eval_batch", "min(wanted, images)", "wanted")),
    Mutant("placement: replicas need not divide the batch", DEVICES, edit(
        Placement, "check", "replicas < 1 or batch % replicas", "replicas < 1")),
    Mutant("placement: devices need not divide the batch", DEVICES, edit(
        Placement, "check", "if batch % count:", "if False:")),
    Mutant("placement: memories in replicas", DEVICES, edit(
        Placement, "check_memories", "if count > 1 and owners:", "if False:")),
    Mutant("placement: the tail need not divide", DEVICES, edit(
        Placement, "put_order", "if order.shape[1] % self.divisor:", "if False:")),
    Mutant("checkpoints: best is the latest of equals", SAVES, edit(StepFolders, "best", '-m["step"]', 'm["step"]')),
    Mutant("checkpoints: the best one is not kept", SAVES, edit(
        StepFolders, "prune", "if (best := self.best()) is not None:", "if (best := None):")),
    Mutant("checkpoints: one fewer is kept", SAVES, edit(StepFolders, "prune", "[:keep]", "[:keep - 1]")),
    Mutant("checkpoints: a step saved again is older", SAVES, edit(StepFolders, "names", "key=order, ", "")),
    Mutant("checkpoints: a file in the way", "tests.run.test_folder", edit(
        StepFolders, "free_name", "self.folder.iterdir()", "map(self.folder.joinpath, self.names())")),
    Mutant("folder: a stranger's student is written over", "tests.run.test_folder", edit(
        folder, "check_contents", "if not is_free(path):", "if False:")),
    Mutant("folder: the exported file may be a folder", "tests.run.test_folder", edit(
        folder, "check_contents", '(*FILES, *(f"{name}.pth" for name in exports))', "FILES")),
    Mutant("checksums: of the first bytes alone", "tests.run.test_fingerprints", edit(
        checksums, "describe", "hashlib.sha256(raw)", "hashlib.sha256(raw[:8])")),
]

MUTANTS = [*NUMBERS, *EVALUATIONS, *COUNTING, *STEPS, *LOSSES, *BEGINNINGS, *KEEPING, *DATA]
CHECKS = {name: partial(own_tests.error, name) for name in sorted({mutant.check for mutant in MUTANTS})}
