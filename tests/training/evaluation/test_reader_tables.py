"""A reader study of two assessors and twelve recordings, every figure by hand.

Truth: r0 to r5 at risk, r6 to r11 normal. Ann (beginner) without help misses r0 to r3 and finds r6 at risk; with help
she misses none of the risk and finds r6 and r7. Ben (expert) is always right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from fidgety.training.evaluation.reader_tables import build_reader_report, evaluate_readers
from fidgety.training.evaluation.readers import read_readings
from fidgety.training.evaluation.tables import NOT_RUN, format_cell

WRONG = {("ann", "none"): {0, 1, 2, 3, 6}, ("ann", "mam"): {6, 7}, ("ben", "none"): set(), ("ben", "mam"): set()}


def write_study(maker: Any, words: tuple[str, str] = ("normal", "risk")) -> tuple[Path, Path]:
    rows = []
    for place, ((assessor, aid), wrong) in enumerate(WRONG.items()):
        for i in range(12):
            label = words[(i < 6) != (i in wrong)]
            level, seconds = ("beginner", 90 - 30 * (aid == "mam")) if assessor == "ann" else ("expert", "")
            rows.append(
                (assessor, f"r{i}", aid, label, level, seconds, 100 * (place % 2) + i if assessor == "ann" else "")
            )
    columns = ("assessor", "recording", "aid", "label", "level", "seconds", "order")
    labels = maker.write(maker.root / "labels.csv", columns, rows)
    truth = [(f"r{i}", words[i < 6]) for i in range(12)]
    return labels, maker.write(maker.root / "truth.csv", ("recording", "label"), truth)


@pytest.fixture
def tables(maker: Any, figures: Any) -> dict[str, Any]:
    return {one.name: figures(one) for one in build_reader_report(read_readings(*write_study(maker))).tables}


def test_assessors_against_the_truth(tables: dict[str, Any]) -> None:
    without, with_help = (tables["assessors"][("ann", "beginner", word)] for word in ("without", "with MAM"))
    assert (without["sensitivity"].value, without["specificity"].value) == (2 / 6, 5 / 6)
    assert format_cell(without["accuracy"]) == ".583 (.320-.807)"  # Wilson, 7 of 12
    # 7 of 12 agree; 3 are called at risk, 6 are: by chance (3 x 6 + 9 x 6) / 144 = .5.
    assert without["kappa"] == pytest.approx((7 / 12 - 0.5) / 0.5)
    assert (with_help["sensitivity"].value, with_help["specificity"].value) == (1.0, 4 / 6)
    assert (without["seconds"].median, with_help["seconds"].median) == (90.0, 60.0)
    assert tables["assessors"][("ben", "expert", "without")]["seconds"] == "not told"
    assert without["kappa, categories"] == "no categories"


def test_paired_is_mcnemars_test(tables: dict[str, Any]) -> None:
    ann = tables["paired"]["ann"]
    assert (ann["recordings"], ann["without"], ann["with MAM"]) == (12, 7 / 12, 10 / 12)
    assert (ann["right only with"], ann["right only without"]) == (4, 1)
    assert ann["p (Holm)"].value == pytest.approx(2 * stats.binomtest(1, 5, 0.5).pvalue)  # Ben's p is 1
    assert tables["paired"]["ben"]["p (Holm)"].value == 1.0


def test_pooled_gain_and_its_interval(tables: dict[str, Any]) -> None:
    row = tables["pooled"]["all"]
    assert (row["pairs"], row["recordings"]) == (24, 12)
    assert row["gain in accuracy"].value == pytest.approx(3 / 24)
    assert row["gain in sensitivity"].value == pytest.approx(4 / 12)
    assert row["gain in specificity"].value == pytest.approx(-1 / 12)
    assert row["gain in accuracy"].low < 3 / 24 < row["gain in accuracy"].high
    beginners = tables["pooled"]["beginners"]["gain in accuracy"]
    assert beginners.value == pytest.approx(3 / 12)
    # 4 recordings gain 1, one loses 1, 7 stay: SD of their mean sqrt((4 + 1) / 12 - (3 / 12)^2) / sqrt(12) = .172.
    assert beginners.high - beginners.low == pytest.approx(2 * 1.96 * 0.172, rel=0.15)
    assert tables["pooled"]["experts"]["gain in accuracy"].value == 0.0


def test_pooled_interval_knows_that_assessors_read_the_same_recordings(maker: Any, figures: Any) -> None:
    labels, truth = write_study(maker)
    rows = [list(row.values()) for row in maker.read(labels) if row["assessor"] == "ann"]
    twins = [[name, *row[1:]] for name in ("ann", "cat", "eve", "ida") for row in rows]
    maker.write(labels, list(maker.read(labels)[0]), twins)
    pooled = figures(build_reader_report(read_readings(labels, truth)).tables[3])["all"]["gain in accuracy"]
    # As wide as Ann's own, see above: four who say the same are one.
    assert pooled.high - pooled.low == pytest.approx(2 * 1.96 * 0.172, rel=0.15)


def test_levels_are_means_over_assessors(tables: dict[str, Any]) -> None:
    row = tables["levels"][("all", "without")]
    assert (row["n"], row["accuracy"].mean) == (2, pytest.approx((7 / 12 + 1) / 2))
    assert tables["levels"][("experts", "with MAM")]["kappa"].mean == 1.0


def test_order_tells_whether_help_came_second(tables: dict[str, Any]) -> None:
    assert tables["order"]["ann"]["help second"] == 12 and tables["order"]["ann"]["help first"] == 0
    assert tables["order"]["ben"]["help second"] == "not told"


def test_between_assessors_without_and_with_help(tables: dict[str, Any]) -> None:
    without = tables["between_assessors"][("ann - ben", "without")]
    assert (without["recordings"], without["kappa"]) == (12, pytest.approx(1 / 6))  # Ben is the truth
    assert tables["between_assessors"][("ann - ben", "with MAM")]["kappa"] == pytest.approx(4 / 6)


def test_four_categories_have_a_kappa_of_their_own(maker: Any, figures: Any) -> None:
    labels, truth = write_study(maker, ("continual", "absent"))
    maker.edit(truth, 2, label="sporadic")  # r0: Ben says absent, which is the right class
    (table,) = [one for one in build_reader_report(read_readings(labels, truth)).tables if one.name == "assessors"]
    row = figures(table)[("ben", "expert", "without")]
    assert row["kappa"] == 1.0
    # 11 of 12 agree; absent 6 and 5, continual 6 and 6, sporadic 0 and 1: by chance 66 / 144.
    assert row["kappa, categories"] == pytest.approx((11 / 12 - 66 / 144) / (1 - 66 / 144))


def test_one_assessor_who_read_one_way_only(maker: Any, figures: Any) -> None:
    _, truth = write_study(maker)
    rows = [("eve", f"r{i}", "none", "risk") for i in range(12)]
    labels = maker.write(maker.root / "labels.csv", ("assessor", "recording", "aid", "label"), rows)
    tables = {one.name: figures(one) for one in build_reader_report(read_readings(labels, truth)).tables}
    assert tables["paired"].names == ["nobody read a recording both ways"]
    assert tables["between_assessors"].names == ["two assessors or more are needed"]
    assert tables["pooled"]["all"]["gain in accuracy"] == "too few recordings"
    assert tables["levels"][("all", "with MAM")]["accuracy"] == NOT_RUN
    assert tables["order"]["eve"]["help first"] == "not told"


def test_evaluate_readers_writes_text_page_and_tables(maker: Any) -> None:
    (maker.root / "tables").mkdir()
    report = evaluate_readers(*write_study(maker), maker.root)
    page = (maker.root / "agreement.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "") and page.count("<svg") == 1
    for file in ("agreement.md", "agreement.html"):
        assert ".583 (.320-.807)" in (maker.root / file).read_text(encoding="utf-8")
    assert {path.stem for path in (maker.root / "tables").iterdir()} == {table.name for table in report.tables}
