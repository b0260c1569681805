"""DS-SRD, self-supervised: a strong student, its running average as the teacher, a weak student, trained together.

    python -m kdjax.main --config configs/ssl_dssrd.py                        # the seed's: resnet34 and resnet18
    python -m kdjax.main --config configs/ssl_dssrd.py:strong=resnet50,student=resnet18,method=moco,dataset=cifar100
    python -m kdjax.main --config configs/ssl_dssrd.py:teacher=runs/NAME/teacher,student=resnet18    # a frozen one
    python -m kdjax.main --config configs/ssl_dssrd.py:demo
    python -m kdjax.transfer runs/NAME --network weak --dataset cifar10

The released command is `main_pretext.py data --dataset cifar10 -a resnet34 -aa resnet18 --epochs 2000 --trial 2`: BYOL
with i-mixup, CRD between the weak student's features and the teacher's. Where kdjax differs (spec/self_supervised.md,
5.1): features and indices belong together (D1), CRD's embeddings are trained (D2, `ssl.crd.train_embed=False`),
negatives are uniform (D3, `ssl.crd.negatives=other_class`). method=moco is the branch with InfoNCE, without a bank.

CRD's term starts near 2 (log(K + 1) + 1), where no image is told from another, K negatives; it rises while the banks,
random at first, fill with embeddings that all point the same way, and is back there once these have come apart: some
hundreds of steps, in which the features get worse rather than better if `ssl.beta` or the rate is large. The demo is
that short, so its beta is 0.1.
"""
from configs import ssl_common


def get_config(arg=None):
    args = ssl_common.parse(arg, student="resnet18", strong="resnet34", teacher="", dataset="cifar10", epochs=2000)
    if args.demo:
        args.dataset = "digits"
        small = {"student": ssl_common.TINY, "strong": "imix_basic_1_1_1_1_w16", "epochs": 10}
        args.__dict__.update({k: v for k, v in small.items() if k not in args.given})
    args.student = ssl_common.encoder(args.student)
    config = ssl_common.pretext(args, args.epochs)
    if args.teacher:
        config.teacher.checkpoint = args.teacher
        config.ssl.pred = "none"
    else:
        config.ssl.strong = ssl_common.encoder(args.strong)
    if not args.demo:
        return config
    config.ssl.beta = 0.1
    return ssl_common.demo(config, args.epochs)
