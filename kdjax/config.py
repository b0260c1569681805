"""The config: every field with its default; docs/config.md maps the originals' flags to the names."""
from __future__ import annotations

from ml_collections import ConfigDict, config_dict

METHOD_DEFAULTS = dict(  # one block a method; the values of the papers' scripts
    hint=dict(layer=2),
    attention=dict(p=2),
    rkd=dict(distance_weight=25.0, angle_weight=50.0),
    kdsvd=dict(k=1),
    itrd=dict(corr_weight=2.0, mutual_weight=1.0, alpha=1.5),
    ega=dict(node_weight=1.0, edge_weight=0.3),
    factor=dict(rate=0.5, p1=2, p2=1),
    abound=dict(margin=1.0),
    vid=dict(regressor="relu", init_variance=5.0, init_rho=config_dict.placeholder(float), eps=1e-5),
    crd=dict(mode="exact", num_negatives=16384, temperature=0.07, momentum=0.5, memory="bank", queue_size=16384,
             enqueue="after"),
    rrd=dict(variant="seed", student_temperature=config_dict.placeholder(float),
             teacher_temperature=config_dict.placeholder(float), memory="queue", queue_size=16384,
             temperature=0.07, momentum=0.5, num_negatives=16384),
    dcd=dict(alpha=0.5, init_tau=1.0, max_tau=10.0),
    wsld=dict(temperature=2.0, alpha=2.5),
    dkd=dict(alpha=1.0, beta=8.0, temperature=4.0, warmup_epochs=20),
    semckd=dict(soft=1.0),
    simkd=dict(factor=2),
)


def default() -> ConfigDict:
    """The complete config with the common CIFAR protocol's values; a config file changes some of them."""
    return ConfigDict(dict(
        seed=0,
        experiment=dict(name="", workdir="", trial=0, compare=False),
        student=dict(name="resnet8", checkpoint=""),
        teacher=dict(name="", checkpoint="", min_accuracy=config_dict.placeholder(float), batch_stats="running",
                     train_epochs=0),
        method=dict(name="vanilla", names=(), weights=(), feat_dim=128, **METHOD_DEFAULTS),
        loss=dict(gamma=1.0, alpha=0.0, beta=1.0, kd_temperature=4.0),
        optim=dict(lr=config_dict.placeholder(float),
                   lr_override=dict(MobileNetV2=0.01, ShuffleV1=0.01, ShuffleV2=0.01),
                   momentum=0.9, weight_decay=5e-4, warmup_epochs=0,
                   schedule=dict(kind="step", milestones=(150, 180, 210), decay=0.1, offset=0)),
        data=dict(dataset="digits", dir="", download=False, verify=True, stats="auto",
                  image_size=config_dict.placeholder(int), batch_size=64, eval_batch_size=500, drop_last=True,
                  per_class=0, valid_size=0, crop=4, flip=True, padding="zero", cache_dir=""),
        train=dict(epochs=240, steps=0, init_epochs=30, init_lr=config_dict.placeholder(float), dtype="float32",
                   on_nan="stop", deterministic=False),
        log=dict(every_steps=100, tensorboard=True, plots=True),
        checkpoint=dict(every_epochs=1, keep=2),
        replicas=1,
        parallel="jit",
        devices=0,
        distributed=dict(coordinator="", num_processes=0, process_id=-1),
    ))
