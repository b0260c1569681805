"""i-Mix on images (Lee et al., ICLR 2021): npair (SimCLR), moco, byol, each without mixing, with i-mixup or i-cutmix.

    python -m kdjax.main --config configs/ssl_images.py:experiment=cifar10_byol_imixup
    python -m kdjax.main --config configs/ssl_images.py:dataset=cifar100,method=moco,imix=none,student=resnet18
    python -m kdjax.main --config configs/ssl_images.py:demo
    python -m kdjax.transfer runs/NAME --dataset cifar10            # linear evaluation

Experiments: DATASET_METHOD_MIXING[_noaug] of the release's run script (spec/self_supervised.md, 1.2), ResNet-50, SGD
0.125 per 256 images, batch 256, EMA 0.999, temperature 0.2; ImageNet: lr 0.03, batch 512, 65,536 keys, read as class
folders that must fit the device (the streamed source is not part of this). `_10` keeps a tenth of its classes.
"""
from configs import ssl_common

EPOCHS = {  # (dataset, method): without mixing, with i-mixup
    ("cifar10", "npair"): (2000, 4000), ("cifar10", "moco"): (1000, 4000), ("cifar10", "byol"): (1000, 2000),
    ("cifar100", "npair"): (4000, 2000), ("cifar100", "moco"): (1000, 2000), ("cifar100", "byol"): (1000, 4000),
}
NO_AUG = {"cifar10": (500, 1000), "cifar100": (1000, 500)}
KNOWN = {f"{data}_{method}_{imix}": {"dataset": data, "method": method, "imix": imix, "epochs": epochs}
         for (data, method), both in EPOCHS.items() for imix, epochs in zip(ssl_common.IMIX, both)}
KNOWN |= {f"{data}_moco_{imix}_noaug": {"dataset": data, "method": "moco", "imix": imix, "epochs": epochs,
                                        "noaug": 1, "inputmix": 2 * (imix == "imixup")}
          for data, both in NO_AUG.items() for imix, epochs in zip(ssl_common.IMIX, both)}
KNOWN |= {f"imagenet_moco_{imix}{part}": {"dataset": "imagenet", "method": "moco", "imix": imix, "epochs": 800,
                                          "class_ratio": 0.1 if part else 1.0}
          for imix in ("none", "icutmix") for part in ("", "_10")}


def get_config(arg=None):
    args = ssl_common.parse(arg, student="resnet50", dataset="cifar10", epochs=0, noaug=0, inputmix=0, class_ratio=1.0)
    ssl_common.experiment(args, KNOWN)
    large = args.dataset == "imagenet"
    if args.demo:
        args.dataset, args.student = "digits", ssl_common.TINY if "student" not in args.given else args.student
    args.student = ssl_common.encoder(args.student, large_stem=large)
    epochs = args.epochs or EPOCHS.get((args.dataset, args.method), (1000, 1000))[args.imix != "none"]
    config = ssl_common.pretext(args, epochs, 512 if large else 256, 0.03 if large else 0.125)
    config.ssl.proj = {"npair": "mlpbn"}.get(args.method, "mlp" if large else "mlpbn1")
    config.ssl.update({"augment": not args.noaug, "inputmix": args.inputmix, "temperature": 0.2})
    config.data.class_ratio = args.class_ratio
    if large:
        config.ssl.queue_size = 65536
        config.data.update({"image_size": 224, "stats": "imagenet"})
    return ssl_common.demo(config, args.epochs or 10) if args.demo else config
