"""i-Mix on speech: log-mel spectrograms of Speech Commands, FSDD, or folders of WAV files by word.

    python -m kdjax.main --config configs/ssl_speech.py:experiment=speech_commands_moco_imixup --config.data.dir=DATA
    python -m kdjax.main --config configs/ssl_speech.py:dataset=path/to/recordings --config.data.sample_rate=8000
    python -m kdjax.main --config configs/ssl_speech.py:demo                     # a few synthetic words, no files

ResNet-50 with one input channel, temperature 0.5, projection mlpbn, 500 epochs, rate x 0.1 at 300 and 400
(spec/self_supervised.md, 1.2 and 4.1). Recordings are augmented beforehand, `data.versions` times each; the release
does it anew in every epoch.
"""
from configs import ssl_common

KNOWN = {f"speech_commands_{method}_{imix}": {"dataset": "speech_commands", "method": method, "imix": imix}
         for method in ("npair", "moco", "byol") for imix in ("none", "imixup")}
KNOWN |= {f"speech_commands_moco_{imix}_noaug": {"dataset": "speech_commands", "method": "moco", "imix": imix,
                                                 "noaug": 1, "temperature": 0.2} for imix in ("none", "imixup")}


def get_config(arg=None):
    args = ssl_common.parse(arg, student="resnet50", dataset="speech_commands", epochs=500, noaug=0, temperature=0.5)
    ssl_common.experiment(args, KNOWN)
    if args.demo:
        small = {"dataset": "synthetic_words", "student": "imix_basic_1_1_1_1_w8_1ch", "epochs": 10}
        args.__dict__.update({k: v for k, v in small.items() if k not in args.given})
    args.student = ssl_common.encoder(args.student, channels=1)
    config = ssl_common.pretext(args, args.epochs)
    config.optim.schedule.update({"kind": "pretext_step", "milestones": tuple(
        round(args.epochs * share) for share in (0.6, 0.8))})
    config.ssl.update({"proj": "mlpbn", "temperature": args.temperature})
    config.data.update({"stats": "auto", "flip": False, "crop": 0, "versions": 0 if args.noaug else 8})
    return ssl_common.demo(config, args.epochs, 64) if args.demo else config
