"""Mixed images x' inside a step: drawn, made, picked from a pool, and the loss terms that look at them."""
from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.data import mixes, mixing, picking
from kdjax.errors import UserError
from kdjax.step import schedules
from kdjax.step.metrics import cross_entropy

PICKING = {"cutmix_pick": "cutmix", "DA_pick": None}  # the modes that pick -> what fills their pool (None: mix.base)


class Rows(NamedTuple):
    """Where the mixed images come from: rows of the batch, their partners [M], and the share [M] of the former."""

    source: jax.Array
    partner: jax.Array
    share: jax.Array


class Mixer:
    """config.mix for one data set; refuses what cannot be made."""

    def __init__(self, config, data):
        self.options, self.temperature = config.mix, config.loss.kd_temperature
        o = self.options
        self.picks, self.damages = o.mode in PICKING, bool(o.student_input)
        size, side = data.image_size, o.cutout_side or mixes.default_cutout(data.name, data.image_size)
        self.look = mixes.Look(tuple(data.mean), tuple(data.std), side, "cifar10" if size <= 32 else "imagenet")
        name = (PICKING[o.mode] or o.base) if self.picks else o.mode or "identity"
        if name not in mixes.MODES:
            raise UserError(f"config.mix.{'base' if o.mode == 'DA_pick' else 'mode'}={name!r} is not a mixing mode; "
                            f"use one of {', '.join([*mixes.MODES, *PICKING])}")
        self.name, self.mode, self.runs = name, mixes.MODES[name], o.runs if self.picks else 1
        self.floor, self.ceiling = schedules.bounded(o.floor, 0.0), schedules.bounded(o.ceiling, 1.0)
        self.check(size, config.data.batch_size)

    def check(self, image_size: int, batch: int) -> None:
        """Weights and modes that do not fit each other."""
        o = self.options
        if len(o.weights) != 3:
            raise UserError(f"config.mix.weights={tuple(o.weights)} needs three numbers: of KD(x), of the mixed "
                            f"cross-entropy and of KD(x')")
        if self.picks and o.runs < 2:
            raise UserError(f"config.mix.runs={o.runs} leaves nothing to pick from; use 2 or more")
        if self.picks and o.n_pick > o.runs * batch:
            raise UserError(f"config.mix.n_pick={o.n_pick} is more than the pool's {o.runs} x {batch} images; lower it")
        if self.picks and o.criterion not in picking.CRITERIA:
            raise UserError(f"config.mix.criterion={o.criterion!r} is unknown; use one of "
                            f"{', '.join(picking.CRITERIA)}")
        if o.weights[1] and self.mode.kept is None:
            raise UserError(f"config.mix.weights gives the mixed cross-entropy a weight, but {self.name} mixes no "
                            f"labels; use cutmix or mixup, or weight 0")
        if not o.fresh_teacher and self.mode.kept is None:
            raise UserError(f"config.mix.fresh_teacher=False needs mixed teacher logits, and {self.name} mixes none; "
                            f"use cutmix or mixup, or a fresh teacher")
        if self.name == "manifold_mixup" and (self.picks or o.weights[1]):
            raise UserError("manifold_mixup has no mixed images to pick or to label; use it without picking, with "
                            "config.mix.weights such as (1,0,1)")
        if o.student_input == "masking" and image_size % o.mask_cells:
            raise UserError(f"config.mix.mask_cells={o.mask_cells} does not divide images of {image_size} pixels; use "
                            f"4, for instance")
        if self.name == "patchmix" and image_size % 4:
            raise UserError(f"patchmix exchanges cells of 4 x 4 pixels; images of {image_size} do not divide")

    def draw(self, key: jax.Array, batch) -> dict:
        """Every random quantity of a step's mixing, stacked over the runs."""
        o = self.options
        ask = mixes.Ask(len(batch.labels), *batch.inputs["x"].shape[1:3], o.granularity == "sample",
                        self.floor(batch.epoch), self.ceiling(batch.epoch), o.box == "corners")
        key, damage = jax.random.split(key)
        runs = [self.mode.draw(k, ask) for k in jax.random.split(key, self.runs)] if o.mode else [{}]
        stacked = jax.tree.map(lambda *each: jnp.stack(each), *runs)
        return stacked | ({"damage": mixes.draw_damage(damage, ask, o.student_input, o.mask_cells)}
                          if self.damages else {})

    def damage(self, ctx) -> None:
        """Shows the student's own damaged view of x to the passes, where there is one."""
        if self.damages:
            o, x = self.options, ctx.batch.inputs["x"]
            ctx.forward.show("damaged", mixes.damaged(x, ctx.batch.draws["mix"]["damage"], o.student_input,
                                                      self.look.cutout_side, o.mask_cells, o.mask_share))

    def make(self, ctx, draws: dict) -> tuple[Rows, dict]:
        """Shows x' to the passes as the view "mixed", and says where its images come from, and what was seen of a pool.
        """
        x = ctx.batch.inputs["x"]
        if self.name == "manifold_mixup":
            return self.hidden(ctx, x, jax.tree.map(lambda d: d[0], draws))
        runs = [jax.tree.map(lambda d, r=r: d[r], draws) for r in range(self.runs)]
        pool = jnp.concatenate([self.mode.apply(x, run, self.look) for run in runs])
        rows = jax.tree.map(lambda *each: jnp.concatenate(each), *[self.rows(run, x) for run in runs])
        seen = {}
        if self.picks:
            picked, seen = self.pick(ctx, pool)
            pool, rows = pool[picked], jax.tree.map(lambda each: each[picked], rows)
        ctx.forward.show("mixed", jax.lax.stop_gradient(pool))
        return rows, seen

    def rows(self, run: dict, x) -> Rows:
        """The origin of one run's images."""
        own = jnp.arange(len(x))
        if self.mode.kept is None:
            return Rows(own, own, jnp.ones(len(x), x.dtype))
        share = self.mode.kept(run, *x.shape[1:3])
        return Rows(own, run["perm"], jnp.broadcast_to(share, (len(x),)).astype(x.dtype))

    def pick(self, ctx, pool) -> tuple[jax.Array, dict]:
        """Rows of the pool [M], the best last; and the mean scores that mix.log_scores asks for."""
        o = self.options
        ctx.forward.show("pool", pool)
        logits = {}
        if "student" in picking.needs(o.criterion):
            mode = False if o.pick_bn == "eval" else None
            logits["logits_s"] = jax.lax.stop_gradient(ctx.forward("student", "pool", mode).logits)
        if "teacher" in picking.needs(o.criterion):
            logits["logits_t"] = ctx.forward("teacher", "pool").logits
            logits["logits_t_ref"] = ctx.teacher.logits
        score = picking.scores(o.criterion, **logits, temperature=self.temperature)
        picked = picking.top(score, o.n_pick or len(pool) // self.runs)
        if not o.log_scores:
            return picked, {}
        own = picking.scores(o.criterion, logits_s=ctx.student.logits, logits_t=ctx.teacher.logits,
                             logits_t_ref=ctx.teacher.logits, temperature=self.temperature)
        means = {"score_pool": score, "score_picked": score[picked], "score_own": own}
        return picked, {name: jax.lax.stop_gradient(jnp.mean(each)) for name, each in means.items()}

    def hidden(self, ctx, x, run: dict) -> tuple[Rows, dict]:
        """Manifold mixup: the view "mixed" is x, seen with its hidden maps mixed at the depth drawn (0: the images)."""
        mixed = lambda depth, h: jnp.where(run["depth"] == depth, mixing.mixup(h, run["perm"], run["lam"]), h)
        ctx.forward.show("mixed", mixed(0, x), between=mixed)
        return self.rows(run, x), {}

    def terms(self, ctx) -> tuple[dict, dict]:
        """(terms, weights inside alpha) of x': the mixed cross-entropy and KD, and of weight 0 what is logged only."""
        o = self.options
        if not o.mode or not (o.weights[1] or o.weights[2]):
            return {}, {}
        rows, terms = self.make(ctx, {k: v for k, v in ctx.batch.draws["mix"].items() if k != "damage"})
        student = ctx.forward("student", "mixed").logits
        on = 1.0 if not o.until_epoch else (ctx.epoch <= o.until_epoch)
        weights = dict.fromkeys(terms, 0.0)
        if o.weights[1]:
            both = [cross_entropy(student, ctx.labels[who]) for who in (rows.source, rows.partner)]
            terms["mix_ce"] = on * jnp.mean(rows.share * both[0] + (1 - rows.share) * both[1])
            weights["mix_ce"] = o.weights[1]
        if o.weights[2]:
            target = self.target(ctx, rows)
            terms["mix_kd"] = on * losses.kl_divergence(student, target, temperature=self.temperature)
            weights["mix_kd"] = o.weights[2]
        return terms, weights

    def target(self, ctx, rows: Rows):
        """The teacher's logits for x': a fresh look at it, or its logits of x mixed as x was."""
        if self.options.fresh_teacher and self.name != "manifold_mixup":
            return ctx.forward("teacher", "mixed").logits
        logits, share = ctx.teacher.logits, rows.share[:, None]
        return share * logits[rows.source] + (1 - share) * logits[rows.partner]
