"""Contrastive representation distillation (Tian, Krishnan, Isola, ICLR 2020).

    python -m kdjax.main --config configs/crd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/crd.py:demo

`kd` adds the KL term (CRD+KD). `--config.method.crd.memory=queue` is what the newest `distillers` calls crd.

Published top-1 on CIFAR-100, last epoch (RepDistiller README; CRD+KD: distillers README):

    teacher    student            CRD   CRD+KD
    wrn_40_2   wrn_16_2         75.48    75.64
    wrn_40_2   wrn_40_1         74.14    74.38
    resnet56   resnet20         71.16    71.63
    resnet110  resnet20         71.46    71.56
    resnet110  resnet32         73.48    73.75
    resnet32x4 resnet8x4        75.51    75.46
    vgg13      vgg8             73.94    74.29
    vgg13      MobileNetV2      69.73    69.94
    ResNet50   MobileNetV2      69.11    69.54
    ResNet50   vgg8             74.30    74.58
    resnet32x4 ShuffleV1        75.11    75.12
    resnet32x4 ShuffleV2        75.65    76.05
    wrn_40_2   ShuffleV1        76.05    76.27
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",))
    config = common.distil(args, "crd")
    config.loss.beta = 0.8  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.feat_dim = 128
    config.method.crd.update({"mode": "exact", "num_negatives": 16384, "temperature": 0.07, "momentum": 0.5})  # --nce_*
    if args.demo:
        config.method.crd.update({"num_negatives": 256, "queue_size": 1024})  # of 1,438 images
    if args.kd:
        config.loss.alpha = 1.0
    return config
