"""A golden trajectory replayed with the torch reference: the file's weights and batches, a trajectory.Run."""
import torch

from parity_tests import golden_data
from parity_tests.reference import methods, networks, step
from parity_tests.trajectory import Run, Stage, method_name

TERMS = {"correlation": "corr"}  # ours -> the files'


def options(meta) -> dict:
    """A method's constructor arguments out of the file's hyper-parameters."""
    h, name = meta["hparams"], method_name(meta)
    return {
        "crd": lambda: {"n_data": h["n_data"], "dim": h["feat_dim"], "momentum": h["nce_m"], "temperature": h["nce_t"]},
        "rrd": lambda: {"dim": h["feat_dim"], "enqueue": h["enqueue"], "temperature_s": h["temperature_s"],
                        "temperature_t": h["temperature_t"]},
        "itrd": lambda: {"alpha": h["alpha_it"], "corr": h["lambda_corr"], "mutual": h["lambda_mutual"]},
        "dcd": lambda: {"dim": h["feat_dim"], "alpha": h["alpha"], "max_tau": h["max_tau"]},
        "cc": lambda: {"dim": h["feat_dim"]},
        "ft": lambda: {"k": h["k"]},
        "fitnet": lambda: {"layer": h["hint_layer"]},
    }.get(name, dict)()


def load(module, state):
    """Overwrite every tensor but the counters with the given numpy values."""
    state = {key: torch.from_numpy(value) for key, value in state.items()}
    counters = {key: value for key, value in module.state_dict().items() if key.endswith("num_batches_tracked")}
    module.load_state_dict(state | counters)


def shapes(module) -> dict:
    items = module.state_dict().items()
    return {key: tuple(value.shape) for key, value in items if not key.endswith("num_batches_tracked")}


def players(meta):
    """Student, teacher and method with the file's initial weights."""
    nets = {role: networks.build(meta[role], num_classes=meta["num_classes"]) for role in ("student", "teacher")}
    views = {role: methods.Shapes.of(meta[role], net) for role, net in nets.items()}
    method = methods.build(method_name(meta), views["student"], views["teacher"], **options(meta))
    load(nets["teacher"], golden_data.role_state(meta, "teacher", shapes(nets["teacher"])))
    load(nets["student"], golden_data.role_state(meta, "student"))
    load(method.adapters, golden_data.role_state(meta, "adapter"))
    return nets["student"], nets["teacher"], method


def initial_memory(meta) -> dict:
    """Banks and queue as the file defines them."""
    drawn = {name: torch.from_numpy(golden_data.tensor(key, shape, meta["salt_adapter"]))
             for name, (key, shape) in meta.get("state_keys", {}).items()}
    if "queue" in drawn:
        return {**drawn, "ptr": 0}
    return {**drawn, "norm_s": None, "norm_t": None} if drawn else {}


def snapshot(student, method) -> dict:
    """All tensors of the student and the adapters by golden name, copied to numpy."""
    parts = (("student", student), ("adapter", method.adapters))
    return {f"{role}:{key}": value.detach().numpy().copy() for role, module in parts
            for key, value in module.state_dict().items()}


def run_stage(student, teacher, method, batches, memory, **kwargs):
    states = []
    results, memory = step.train(student, teacher, method, batches, memory,
                                 after=lambda: states.append(snapshot(student, method)), **kwargs)
    terms = {TERMS.get(name, name): [float(r.terms[name]) for r in results] for name in results[0].terms}
    gradients = {name: None if g is None else g.numpy() for name, g in results[0].gradients.items()}
    return Stage(terms, gradients, states), results, memory


def replay(golden: dict) -> Run:
    """The pre-stage (if the file has one) and the main stage, each with a fresh optimizer."""
    meta = golden["meta"]
    student, teacher, method = players(meta)
    batches = [{key: torch.from_numpy(value) for key, value in b.items()} for b in golden_data.batches(meta)]
    everyone, initial, pre = (student, teacher, method), snapshot(student, method), None
    sgd = {key: meta["optimizer"][key] for key in ("lr", "momentum", "weight_decay")}
    if method.stages:
        stage, count = method.stages[0], meta["pre_stage"]["steps"]
        pre, _, _ = run_stage(*everyone, batches[:count], {}, stage=stage, **sgd | {"lr": stage.lr or sgd["lr"]})
    weights = step.Weights(meta["gamma"], meta["alpha"], meta["beta"], meta["hparams"].get("kd_T", 4.0))
    main, results, memory = run_stage(*everyone, batches, initial_memory(meta), weights=weights, **sgd)
    return Run(initial, pre, main, results[0].logits_s.numpy(), results[0].logits_t.numpy(), memory)
