"""One training step of kdjax and of PyTorch, each in a process of its own, in turn: `python benchmarks/step.py`.

--networks: KD of one network of each family from itself, kdjax and plain PyTorch alone.
Batch 64, 50,000 random uint8 images; crop, flip and normalising included on both sides: a torch DataLoader (with
workers) against kdjax's device-resident path. Medians over rounds. CPU or GPU, float32 with each framework's default
precision. "best": channels_last and memory that is not handed back. "given": the teacher's outputs are there already.
"""
import argparse
import json
import platform
import statistics

import talk

SIDES = {  # name: (program, its flags, its variables)
    "kdjax": ("side.py", [], {}),
    "torch": ("torch_side.py", [], {}),
    "torch best": ("torch_side.py", ["--best"], talk.MALLOC),
    "kdjax given": ("side.py", ["--given"], {}),
    "torch given": ("torch_side.py", ["--given"], {}),
    "torch best given": ("torch_side.py", ["--best", "--given"], talk.MALLOC),
}
FAMILIES = ("resnet20", "resnet8x4", "wrn_16_2", "vgg8", "MobileNetV2", "ShuffleV1", "ShuffleV2", "ResNet50")
GIVEN_IMAGES = 3_200  # a small cache is as quick to read from as a large one, and sooner filled


def measure(method: str, pair: str, names: list[str], rounds: int, steps: int, images: int) -> dict[str, float]:
    """{side: median milliseconds a step}; all sides are measured once in every round, in turn."""
    sides = {}
    for name in names:
        program, flags, env = SIDES[name]
        command = [f"benchmarks/{program}", *(["steps"] if "torch" in program else []), method, "--pair", pair,
                   "--images", str(min(images, GIVEN_IMAGES) if "given" in name else images), *flags]
        sides[name] = talk.Side(*command, **env)
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(side(steps))
    for side in sides.values():
        side.close()
    return {name: 1e3 * statistics.median(t) for name, t in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="kd,itrd")
    parser.add_argument("--pairs", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--json", help="also write the figures here")
    parser.add_argument("--networks", action="store_true")
    args = parser.parse_args()
    if args.networks:
        args.methods, args.pairs, args.sides = "kd", ",".join(f"{n}/{n}" for n in FAMILIES), "kdjax,torch"
    rows = []
    for pair in args.pairs.split(","):
        for method in args.methods.split(","):
            got = measure(method, pair, args.sides.split(","), args.rounds, args.steps, args.images)
            rows.append({"pair": pair, "method": method, "ms": got})
            print(f"{pair} {method}: " + "  ".join(f"{name} {ms:.1f} ms" for name, ms in got.items()), flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": platform.processor() or platform.machine(), "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
