"""i-Mix on tables: covtype, HIGGS, scikit-learn's own (table_breast_cancer, ...), or a CSV file with the class last.

    python -m kdjax.main --config configs/ssl_tables.py:experiment=covtype_moco_imixup --config.data.dir=DATA
    python -m kdjax.main --config configs/ssl_tables.py:dataset=path/to/table.csv
    python -m kdjax.main --config configs/ssl_tables.py:demo

An MLP of width 64, batch 512, temperature 0.1, projection mlpbn, 500 epochs (spec/self_supervised.md, 1.2 and 4.2).
Where kdjax differs: the batch size counts (I10), statistics are of the training rows (I9), higgs1M has a
million rows (I8).
"""
from configs import ssl_common

COVTYPE = {("npair", "imixup"): 0.2}      # input_drop with mixing; 0.2 without, else 0
KNOWN = {f"covtype_{m}_{i}": {"dataset": "covtype", "method": m, "imix": i, "alpha": 2.0,
                              "drop": 0.2 if i == "none" else COVTYPE.get((m, i), 0.0)}
         for m in ("npair", "moco", "byol") for i in ("none", "imixup")}
KNOWN |= {f"{data}_moco_{i}": {"dataset": data, "method": "moco", "imix": i, "drop": 0.2}
          for data in ("higgs100Kall", "higgs1Mall") for i in ("none", "imixup")}
KNOWN |= {f"{data}_moco_{i}_noaug": {"dataset": data, "method": "moco", "imix": i, "drop": 0.0,
                                     "alpha": 2.0 if data == "covtype" else 1.0}
          for data in ("covtype", "higgs100Kall", "higgs1Mall") for i in ("none", "imixup")}


def get_config(arg=None):
    args = ssl_common.parse(arg, student="", dataset="covtype", epochs=500, drop=0.2, alpha=1.0)
    ssl_common.experiment(args, KNOWN)
    width = 64
    if args.demo:
        width, args.dataset = 2, args.dataset if "dataset" in args.given else "table_breast_cancer"
    args.student = args.student or f"imix_mlp5_w{width}_{'split' if args.dataset == 'covtype' else 'plain'}"
    config = ssl_common.pretext(args, args.epochs, 512)
    config.ssl.update({"proj": "mlpbn", "temperature": 0.1, "input_drop": args.drop, "imix_alpha": args.alpha})
    config.ssl.pred = "mlpbn" if args.method == "byol" else "none"
    config.data.update({"stats": "auto", "flip": False, "crop": 0})
    return ssl_common.demo(config, args.epochs if "epochs" in args.given else 20, 64) if args.demo else config
