"""What a person sees of a run: in terminals of three widths, and in a file."""
import io
import re

import pytest
from rich.console import Console

from kdjax.run.screen import Plain, Progress, Silent, Terminal
from kdjax.run.text import told

ROW = {"stage": "main", "epoch": 2, "train_total": 3.25, "train_ce": 1.5, "train_kd": 1.0, "train_crd": 4.0,
       "train_top1": 51.25, "train_weighted_kd": 0.9, "train_gradient_norm": 7.0, "skipped": 0, "test_top1": 48.5,
       "test_top5": 90.25, "test_loss": 1.4, "seconds": 75.0, "images_per_second": 812.0, "lr": 0.05}
AT = Progress("main", 2, 20, 40, 400, {"total": 3.25, "ce": 1.5, "kd": 1.0, "crd": 4.0}, 51.25, 812.4, 3725.0)


def shown(width: int) -> list[str]:
    """The lines of two epochs and the live line between them."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    terminal = Terminal(console)
    terminal.epoch(ROW, 20)
    terminal.progress(AT, logged=False)
    terminal.epoch({**ROW, "epoch": 3, "test_top1": None, "test_top5": None}, 20)
    terminal.close()
    return [part for line in console.file.getvalue().split("\n") for part in line.split("\r")]


@pytest.mark.parametrize(("width", "has", "lacks"), [
    (60, ("main", "total", "train", "test", "time"), ("crd", "test loss")),
    (100, ("ce", "kd", "crd", "top-5"), ()), (160, ("ce", "kd", "crd", "top-5", "test loss"), ("norm", "weighted"))])
def test_a_table_grows_within_the_terminal_s_width(width, has, lacks):
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in shown(width)]
    assert max(map(len, lines)) <= width
    head = next(line for line in lines if "total" in line)
    assert all(word in head for word in has) and not any(word in head for word in lacks)
    assert head.split()[0] == "main" and sum("2/20" in line and "48.50" in line for line in lines) == 1
    assert sum("total" in line and "time" in line for line in lines) == 1  # the head stands once
    assert any("3/20" in line and "48.50" not in line and "0:01:15" in line for line in lines)
    assert any("1:02:05 left" in line for line in lines)


@pytest.mark.parametrize("width", [40, 60, 100, 160])
def test_the_live_line_fits_and_drops_terms_first(width):
    head, bar, tail = AT.live(width)
    assert len(head) + bar + len(tail) + 4 <= width and head == "main 2/20" and tail.endswith("1:02:05 left")
    assert ("crd 4.000" in tail) == (width == 160) and ("812 images/s" in tail) == (width > 40)


def test_a_file_gets_plain_lines_at_the_log_s_cadence(capsys):
    plain = Plain()
    plain.progress(AT, logged=False)
    plain.progress(AT, logged=True)
    plain.epoch(ROW, 20)
    Silent().epoch(ROW, 20)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("main epoch 2/20 step 40/400  total 3.250") and "\x1b" not in first + second
    assert second.startswith("main epoch 2/20  train_total 3.250") and "weighted" not in second


@pytest.mark.parametrize(("classes", "there"), [(5, False), (6, True)])
def test_top5_is_hidden_where_it_says_nothing(classes, there):
    assert ("test_top5" in told(ROW, classes)) == there and "test_top1" in told(ROW, classes)
