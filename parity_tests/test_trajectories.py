"""Level (e): whole runs. The golden trajectories through kdjax, and 20 steps of every method beside the reference."""
import json

import numpy as np
import pytest

from parity_tests import cases, compared, golden_data, jax_replay, replay, trajectory
from parity_tests.ahead import Ahead
from parity_tests.reference import methods, networks, step
from parity_tests.reference import replay as reference_replay
from parity_tests.tolerances import check

FILES = {p.stem: p for p in golden_data.files("trajectories")}
REPLAYED = Ahead(FILES, lambda name: jax_replay.replay(golden_data.read(FILES[name])))


# Across families only methods with maps, stages or banks do what they do not within one; CI repeats all of them.
TELLING = {"hint", "vid", "abound", "factor", "crd", "ickd"}


@pytest.mark.parametrize("name", FILES)
def test_kdjax_repeats_the_original_run(name):
    method, _, pair = name.partition("__")
    if pair == "cross" and method not in TELLING and not compared.in_full():
        pytest.skip("the same arithmetic as in the run within a family; KDJAX_PARITY_FULL=1 repeats it too")
    golden = golden_data.read(FILES[name])
    run, unknown = REPLAYED[name]
    assert not unknown
    for aspect, err in trajectory.compare(golden, run).items():
        check("golden_trajectory", f"{name} kdjax", err, 0.0, scale=1.0, what=aspect)
    meta = golden["meta"]
    assert set(run.main.first_gradients) == set(meta["trainable"]) - set(meta["grad_none"])
    if run.pre:
        assert set(run.pre.first_gradients) == set(meta["pre_stage"]["trainable"])


@pytest.mark.parametrize("name", FILES)
def test_a_method_says_of_its_stages_what_the_original_did(name):
    """Rates and modes come out of the file in a replay; a run takes them from the method, so they must agree."""
    meta = golden_data.read(FILES[name])["meta"]
    config, _ = jax_replay.config_of(meta)
    config.train.init_lr = None
    method = jax_replay.Player(config, meta["student"], meta["teacher"], meta["num_classes"]).method
    for adapter, train in meta["adapter_train_mode"].items():
        if adapter.rstrip(".") in method.adapters:
            assert train == (adapter.rstrip(".") not in method.eval_mode)
    if "pre_stage" in meta:
        assert jax_replay.stage_lr(config, method.stages[0]) == meta["pre_stage"]["optimizer"]["lr"]


@pytest.mark.parametrize("name", cases.CASES)
def test_twenty_steps_of_both_stages_end_at_the_reference(name):
    ours, theirs = cases.run(name)
    for stage in ("pre", "main"):
        one, other = getattr(ours, stage), getattr(theirs, stage)
        assert (one is None) == (other is None)
        if one is None:
            continue
        for term, values in other.losses.items():
            assert len(values) == 20 and np.isfinite(values).all()
            check("trajectory", name, one.losses[term], values, what=f"{stage} {term}")
        for key, value in one.states[-1].items():
            check("trajectory", name, value, other.states[-1][key], what=f"{stage} {key}")
    for key, value in theirs.memory.items():
        check("trajectory", name, ours.memory[key], value, what=key)
    if theirs.deployed is not None:
        check("trajectory", name, ours.deployed, theirs.deployed, what="deployed logits")


@pytest.mark.parametrize("name", cases.CASES)
def test_the_terms_of_twenty_steps_move(name):
    """A trajectory in which nothing happens proves nothing."""
    _, theirs = cases.run(name)
    for stage in filter(None, (theirs.pre, theirs.main)):
        assert np.ptp(stage.losses["total"]) > 1e-3 * abs(np.mean(stage.losses["total"]))


def recorded(**changes) -> dict:
    """A file like the golden ones, of another method, pair, seed and size, made by the torch reference."""
    meta = golden_data.read(FILES["abound__same"])["meta"] | changes
    nets = {role: networks.build(meta[role], num_classes=meta["num_classes"]) for role in ("student", "teacher")}
    views = [methods.Shapes.of(meta[role], nets[role]) for role in ("student", "teacher")]
    method = methods.build(trajectory.method_name(meta), *views)
    tensors = {f"{role}:{key}": shape for role, module in (("student", nets["student"]), ("adapter", method.adapters))
               for key, shape in reference_replay.shapes(module).items()}
    meta |= {"names": list(tensors), "shapes": list(tensors.values()),
             "trainable": list(step.named(nets["student"], method))}
    if method.stages:
        meta["pre_stage"] |= {"trainable": list(step.named(nets["student"], method, method.stages[0]))}
    else:
        del meta["pre_stage"]
    run = reference_replay.replay({"meta": meta})
    first8 = lambda x: np.pad(x.ravel()[:8], (0, max(0, 8 - x.size)))
    summary = lambda state: {"norm": [np.linalg.norm(state[n]) for n in tensors],
                             "sum": [state[n].sum() for n in tensors], "first8": [first8(state[n]) for n in tensors]}
    norms = lambda stage, names: [np.linalg.norm(stage.first_gradients[n]) for n in names]
    out = {"meta": meta, "logits_s_first": run.logits_s, "logits_t_first": run.logits_t,
           "grad_norm_first": norms(run.main, meta["trainable"]),
           "step_norm": [summary(state)["norm"] for state in run.main.states],
           **{f"loss_{term}": run.main.losses[term] for term in meta["terms"]},
           **{f"init_{k}": v for k, v in summary(run.initial).items() if k != "first8"},
           **{f"final_{k}": v for k, v in summary(run.main.states[-1]).items()}}
    if run.pre:
        out |= {f"pre_{k}": v for k, v in summary(run.pre.states[-1]).items()}
        out |= {"pre_loss": run.pre.losses["total"],
                "pre_grad_norm_first": norms(run.pre, meta["pre_stage"]["trainable"])}
    return out


UNSEEN = {
    "simkd": {"method": "simkd", "teacher": "wrn_10_2", "student": "resnet8", "num_classes": 7, "batch_size": 6,
              "steps": 3, "seed": 99, "salt_adapter": "adapter:simkd:", "hparams": {"kd_T": 2, "factor": 2},
              "alpha": 0.5, "beta": 3.0},
    "abound": {"teacher": "resnet8x4", "student": "wrn_10_1", "num_classes": 5, "steps": 3, "seed": 5, "alpha": 0.3},
    "dkd_kd": {"method": "dkd_kd", "teacher": "vgg8", "student": "resnet8", "steps": 2, "batch_size": 4, "alpha": 0.9,
               "hparams": {"kd_T": 4, "alpha": 1.0, "beta": 8.0, "temperature": 4.0}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNSEEN)
def test_files_of_other_methods_pairs_and_sizes_are_replayed_from_what_they_say(name, tmp_path, capsys):
    golden = recorded(**UNSEEN[name])
    np.savez(tmp_path / "other.npz", **golden | {"meta": json.dumps(golden["meta"])})
    assert replay.main([str(tmp_path / "other.npz")]) == 0, capsys.readouterr().out


def test_the_replay_command_accepts_what_agrees(capsys):
    assert replay.main([str(FILES["kd__same"])]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ok   kd__same") and "1 of 1 files within 1e-08" in out


def test_the_replay_command_reports_a_deviation_and_what_it_cannot_read(tmp_path, capsys):
    golden = dict(np.load(FILES["kd__same"]))
    wrong = golden | {"final_norm": golden["final_norm"] * (1 + 1e-6)}
    meta = json.loads(str(golden["meta"]))
    np.savez(tmp_path / "wrong.npz", **wrong)
    np.savez(tmp_path / "method.npz", **golden | {"meta": json.dumps(meta | {"method": "telepathy"})})
    np.savez(tmp_path / "network.npz", **golden | {"meta": json.dumps(meta | {"student": "resnet9000z"})})
    np.savez(tmp_path / "short.npz", **{k: v for k, v in golden.items() if k != "meta"})
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    files = [tmp_path / f"{n}.npz" for n in ("wrong", "method", "network", "short", "broken", "absent")]
    assert replay.main([str(p) for p in files]) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in out[:6]] == ["FAIL"] * 6 and out[6].startswith("0 of 6")
    assert "in final" in out[0] and "telepathy" in out[1] and "resnet9000z" in out[2] and "meta" in out[3]
