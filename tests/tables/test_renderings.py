"""The formats: what is in them, that nothing of a name can break out of them, and how the page looks."""
import base64
import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kdjax import report
from kdjax.errors import UserError

NASTY = "my_nets:A&B%<script>$x|y"


def written(folder, tmp_path, name) -> str:
    """What --out NAME writes."""
    report.main([str(folder), "--out", str(tmp_path / name)])
    return (tmp_path / name).read_text()


class Structure(HTMLParser):
    """Open tags must close; collects the tags and the text of the tables' fields."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.fields, self.sources = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag in ("td", "th"):
            self.fields.append("")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if set(self.open) & {"td", "th"}:
            self.fields[-1] += data


def test_every_format_shows_the_same_mean_deviation_and_count(seven, tmp_path):
    for name in ("t.txt", "t.md", "t.html"):
        assert "70.47 ± 0.40 (3); best 71.10" in written(seven, tmp_path, name)
    assert r"70.47 $\pm$ 0.40 (3); best 71.10" in written(seven, tmp_path, "t.tex")
    (row,) = [r for r in csv.DictReader(io.StringIO(written(seven, tmp_path, "t.csv"))) if r["method"] == "kd"]
    assert float(row["mean"]) == pytest.approx(70.4666666667)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(seven, tmp_path):
    page = Structure()
    page.feed(written(seven, tmp_path, "t.html"))
    assert page.open == [] and page.tags.count("table") == 2 and page.tags.count("img") == 3
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert {"teacher", "vanilla", "kd", "crd"} <= set(page.fields)


def test_the_figures_are_svg_without_scripts(seven, tmp_path):
    images = re.findall(r"base64,([^']+)'", written(seven, tmp_path, "t.html"))
    for image in images:
        text = base64.b64decode(image).decode()
        assert text.lstrip().startswith("<?xml") and "<svg" in text and "<script" not in text


def test_a_name_cannot_break_out_of_a_format(make_run, tmp_path):
    make_run("strange", method="kd", student=NASTY)
    (tmp_path / "runs" / "strange" / "config.json").unlink()
    html = written(tmp_path / "runs", tmp_path, "t.html")
    assert "<script>" not in html and "A&amp;B%&lt;script&gt;" in html
    tex = written(tmp_path / "runs", tmp_path, "t.tex")
    assert r"my\_nets:A\&B\%$<$script$>$\$x|y" in tex
    assert r"my\_nets:A&B%\<script\>$x\|y" in written(tmp_path / "runs", tmp_path, "t.md")


def test_a_spreadsheet_finds_no_formula(make_run, tmp_path):
    make_run("strange", student="=1+1")
    (tmp_path / "runs" / "strange" / "config.json").unlink()
    (row,) = csv.DictReader(io.StringIO(written(tmp_path / "runs", tmp_path, "t.csv")))
    assert row["student"] == "'=1+1"


def test_latex_is_a_booktabs_table_with_as_many_fields_in_every_row(seven, tmp_path):
    text = written(seven, tmp_path, "t.tex")
    body = text[text.index(r"\toprule"):text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1])
    assert len(rows) > 4 and {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {columns}


def test_markdown_rows_have_as_many_fields_as_their_head(seven, tmp_path):
    text = written(seven, tmp_path, "t.md")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_an_unknown_ending_is_one_sentence(seven, tmp_path):
    with pytest.raises(UserError, match="give one of .txt, .md"):
        written(seven, tmp_path, "t.docx")


def test_the_best_of_a_column_is_bold(seven, tmp_path):
    assert "**71.30 (1); best 71.30**" in written(seven, tmp_path, "t.md")


@pytest.mark.slow
def test_a_browser_shows_the_page_with_its_figures(seven, tmp_path):
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("no headless browser here; the page's structure is tested above")
    written(seven, tmp_path, "t.html")
    shot = tmp_path / "page.png"
    subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1240,2400", f"--screenshot={shot}",
                    f"file://{tmp_path / 't.html'}"], capture_output=True, timeout=60, check=True)
    picture = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    assert picture.shape == (2400, 1240, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)):  # vanilla's, kd's and crd's lines
        near = np.abs(picture - colour).sum(-1) < 12
        assert near.sum() > 300, "the figures are not drawn"
    ink = (picture.sum(-1) < 600).any(1)
    assert ink[:400].any() and ink[1000:1600].any()
    assert (picture[:, -20:].sum(-1) > 740).all(), "the page is wider than the window"
