"""Prints docs/reproduction.md from what `kdjax report --against` measured. `python docs/reproduction_table.py`."""
import csv
import pathlib

RESULTS = pathlib.Path(__file__).resolve().parents[1] / "benchmarks" / "results"
ORDER = ("vanilla", "kd", "at", "sp", "crd", "itrd")
HEAD = """# The original code beside kdjax

The original PyTorch programs (RepDistiller's and ITRD's models, losses and loops) were run over seeds on real images
under a protocol small enough for two CPU cores. kdjax ran under the same one: the same images (CIFAR-10, a JPEG copy),
the same teacher file (wrn_10_2, 63.73 % of protocol 2k's test images), student wrn_10_1, float32. Top-1 after the last
epoch: mean and standard deviation over the seeds (their number), and the difference of the means with its 95 % interval
(Welch). Draws are not shared, so means are compared. An interval that leaves out zero is a reason to look for a bug.
"""
TAIL = """
2k: 2,000 training and 1,500 test images, 5 epochs. 10k: 10,000 and 5,000, 6 epochs. Rate 0.05, times 0.1 twice, batch
64. The commands are in [sweeps](sweeps.md); `kdjax report --out` wrote the rows, docs/reproduction_table.py this page.
"""


def rows(path: pathlib.Path) -> list[str]:
    """The lines of one protocol's table."""
    with path.open(newline="") as file:
        cells = {row["method"]: row for row in csv.DictReader(file)}
    out = []
    for method in (name for name in ORDER if name in cells):
        cell = cells[method]
        mean, sd, by = (float(cell[key]) for key in ("mean", "sd", "against_difference"))
        low, high = (float(cell[f"against_difference_{end}"]) for end in ("low", "high"))
        out.append(f"| {path.stem.removeprefix('reproduction_')} | {method} | {mean:.2f} ± {sd:.2f} ({cell['n']}) | "
                   f"{mean - by:.2f} | {by:+.2f} [{low:+.2f}, {high:+.2f}] |")
    return out


def page() -> str:
    """The whole page."""
    lines = [line for path in sorted(RESULTS.glob("reproduction_*.csv"), reverse=True) for line in rows(path)]
    head = ["| protocol | method | kdjax | original | difference |", "|---|---|---|---|---|"]
    return "\n".join([HEAD, *head, *lines]) + "\n" + TAIL


if __name__ == "__main__":
    print(page(), end="")
