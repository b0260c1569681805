"""Numbers as a person reads them."""
from __future__ import annotations


def named(values: dict, digits: int = 3) -> str:
    """`ce 1.234  kl 0.567`: the entries of a dict on one line."""
    return "  ".join(f"{k} {v:.{digits}f}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    s = int(seconds)
    return f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}"


def table(rows: list[list[str]]) -> str:
    """Rows as aligned columns, the first row underlined."""
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(rows[0]))]
    line = lambda r: "  ".join(str(c).ljust(w) for c, w in zip(r, widths)).rstrip()
    return "\n".join([line(rows[0]), "  ".join("-" * w for w in widths), *map(line, rows[1:])])


def tells_top5(classes: int) -> bool:
    """Whether top-5 is worth a look: among five classes every network has it right."""
    return classes > 5


def told(numbers: dict, classes: int) -> dict:
    """Without top-5 where it tells nothing."""
    return {k: v for k, v in numbers.items() if tells_top5(classes) or not k.endswith("top5")}


def accuracies(numbers: dict, classes: int) -> str:
    """`top-1 97.77  top-5 100.00`, of {"top1", "top5" in percent, ...}."""
    shown = told({k: numbers[k] for k in ("top1", "top5")}, classes)
    return "  ".join(f"top-{k[3:]} {v:.2f}" for k, v in shown.items())
