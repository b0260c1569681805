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


def told(numbers: dict, classes: int) -> dict:
    """Without top-5 where a network of so few classes nearly always has it right."""
    return {k: v for k, v in numbers.items() if classes > 5 or not k.endswith("top5")}
