"""docs/speed.md from the figures of the other programs, and the check that nothing fell: see `make bench`.

    python benchmarks/page.py            benchmarks/results/*.json -> the tables in docs/speed.md, between its marks,
                                         and the costs in docs/methods.md
    python benchmarks/page.py --check    fails when a ratio is more than a tenth below benchmarks/results/accepted.json
    python benchmarks/page.py --accept   today's ratios become the accepted ones
"""
import argparse
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
RESULTS, PAGE, METHODS_PAGE = HERE / "results", DOCS / "speed.md", DOCS / "methods.md"
ACCEPTED, TENTH = "accepted.json", 0.9


def read(name: str) -> dict | None:
    """A program's figures, None where it has not run."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def grid(head: list[str], rows: list[list]) -> str:
    """A table of Markdown; numbers with one decimal, of ratios two."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def step_table(found: dict) -> str:
    """Milliseconds a step by side."""
    sides = list(found["rows"][0]["ms"])
    rows = [[r["pair"].replace("/", " -> "), r["method"], *(f"{r['ms'][s]:.1f}" for s in sides),
             f"{r['ms']['torch'] / r['ms']['kdjax']:.2f}"] for r in found["rows"]]
    return grid(["pair", "method", *(f"{s}, ms" for s in sides), "torch / kdjax"], rows)


def run_table(found: dict) -> str:
    """Seconds of whole runs by side."""
    sides = list(found["total"])
    ours = [side for side in sides if side.startswith("kdjax")]
    rows = [[name, *(f"{row[s]:.1f}" for s in sides), *(f"{row['torch'] / row[s]:.2f}" for s in ours)]
            for name, row in (*found["rows"].items(), ("all", found["total"]))]
    of = f"{found['per_class']} images of every class" if found.get("per_class") else "all images"
    note = f"{found['pair'].replace('/', ' -> ')}, {found['dataset']}, {of}, {found['epochs']} epochs, seconds.\n\n"
    return note + grid(["run", *sides, *(f"torch / {side}" for side in ours)], rows)


def methods_table(found: dict) -> str:
    """Every method beside KD."""
    rows = [[r["method"], f"{r['ms']:.1f}", f"{r['times_kd']:.2f}", f"{r['megabytes']:.0f}",
             f"{r['memory_times_kd']:.2f}", r["passes"]] for r in found["rows"]]
    return grid(["method", "ms", "time / KD", "MB", "memory / KD", "batches shown to"], rows)


def growth_table(found: dict) -> str:
    """Time and memory as one thing grows."""
    rows = [[what, *(f"{r['size']}: {r['ms']:.0f} ms, {r['megabytes']:.0f} MB" for r in sizes)]
            for what, sizes in found["rows"].items()]
    return grid(["what grows", "first", "second", "third"], rows)


def start_table(found: dict) -> str:
    """Seconds to the first step."""
    starts = list(found["rows"][0]["seconds"])
    rows = [[r["pair"].replace("/", " -> "), r["method"], *(f"{r['seconds'][s]['step']:.1f}" for s in starts),
             f"{r['seconds']['second']['line']:.1f}"] for r in found["rows"]]
    return grid(["pair", "method", *(f"{s}, s" for s in starts), "first line of the second, s"], rows)


def limit_table(found: dict) -> str:
    """What the convolutions of a step take by themselves."""
    columns = {"convolutions alone, ms": "convolutions_ms", "GFLOP": "gflop", "GFLOP/s": "convolutions_gflops",
               "a matrix product's GFLOP/s": "matrix_product_gflops"}
    row = [found["pair"].replace("/", " -> "), found["images"], *(f"{found[key]:.1f}" for key in columns.values())]
    return grid(["pair", "images a core", *columns], [row])


TABLES = {"step": step_table, "limit": limit_table, "networks": step_table, "start": start_table, "run": run_table,
          "methods": methods_table, "programs": methods_table, "growth": growth_table}


def ratios() -> dict[str, float]:
    """{what: how many times as fast as PyTorch}, of everything that was measured."""
    found = {}
    for row in [row for name in ("step", "networks") for row in (read(name) or {"rows": []})["rows"]]:
        for ours, theirs in (("kdjax", "torch"), ("kdjax given", "torch"), ("kdjax given", "torch best given")):
            if {ours, theirs} <= row["ms"].keys():
                found[f"step {row['pair']} {row['method']}: {theirs} / {ours}"] = row["ms"][theirs] / row["ms"][ours]
    if runs := read("run"):
        what, total = f"{runs['pair']} {runs['dataset']} {runs['epochs']} epochs", runs["total"]
        found |= {f"run {what}: torch / {side}": total["torch"] / total[side] for side in ("kdjax", "kdjax cached")
                  if side in total}
    return {name: round(value, 3) for name, value in found.items()}


def write(text: str) -> str:
    """The page with every table that has figures made anew."""
    for name, table in TABLES.items():
        if figures := read(name):
            before, mark, rest = text.partition(f"<!-- {name} -->\n")
            text = before + mark + table(figures) + "\n" + rest[rest.index("<!-- end -->"):] if mark else text
    return text


def costs(text: str) -> str:
    """The page of the methods with their measured costs as its fourth column; "-" where none was measured."""
    rows = (read("methods") or {"rows": []})["rows"]
    found = {"kd": "1, 1", **{r["method"]: f"{r['times_kd']:.2f}, {r['memory_times_kd']:.2f}" for r in rows}}
    def row(line: str) -> str:
        name, cells = re.match(r"\| `(\w+)`", line), line.split(" | ")
        return " | ".join([*cells[:3], found.get(name[1], "-"), *cells[4:]]) if name and len(cells) == 6 else line
    return "\n".join(map(row, text.split("\n")))


def fallen(accepted: dict[str, float], now: dict[str, float]) -> list[str]:
    """A line for every accepted ratio that fell by more than a tenth."""
    return [f"{name}: {now[name]:.2f}, accepted {value:.2f}" for name, value in accepted.items()
            if name in now and now[name] < TENTH * value]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--accept", action="store_true")
    args = parser.parse_args()
    if args.accept:
        (RESULTS / ACCEPTED).write_text(json.dumps(ratios(), indent=1) + "\n")
    if args.check:
        bad = fallen(json.loads((RESULTS / ACCEPTED).read_text()) if (RESULTS / ACCEPTED).is_file() else {}, ratios())
        print("\n".join(bad) or "no ratio fell by more than a tenth")
        return bool(bad)
    PAGE.write_text(write(PAGE.read_text()))
    METHODS_PAGE.write_text(costs(METHODS_PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
