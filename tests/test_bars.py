"""Charts over days and classes: what is drawn is what was given, however much of it, and no text becomes markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from jangin import bars

DAYS = ["2026-11-01", "2026-11-02", "2026-11-03"]


def rectangles(svg: str) -> list[dict[str, str]]:
    return [each.attrib for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("rect")]


def test_parts_of_a_day_stand_on_each_other_in_proportion() -> None:
    found = rectangles(bars.stacked(DAYS, [("here", [30, 60, 0]), ("there", [30, 0, 0])], "told"))
    assert [each["class"] for each in found] == ["s0", "s1", "s0"]  # nothing is drawn of nothing
    first, above, second = found
    assert float(first["height"]) == float(above["height"]) == pytest.approx(float(second["height"]) / 2, abs=0.2)
    assert float(above["y"]) + float(above["height"]) == pytest.approx(float(first["y"]), abs=0.2)


def test_an_axis_ends_at_a_short_figure_and_days_without_anything_are_drawn_too() -> None:
    texts = re.findall(r">([^<>]+)</text>", bars.stacked(DAYS, [("here", [211, 5, 7])], "told"))
    assert texts[:3] == ["0", "150", "300"] and texts[3:] == ["11-01", "11-02", "11-03"]
    assert "<rect" not in bars.stacked(DAYS, [("here", [0, 0, 0])], "told")
    assert bars.stacked([], [], "told") == bars.lines([], [], "told") == bars.classes([], "told") == ""


def test_a_line_has_one_point_a_day() -> None:
    drawn = bars.lines(DAYS, [("a", [1.0, 2.0, 4.0]), ("b", [0.0, 0.0, 0.0])], "told", "$")
    assert drawn.count("<polyline") == 2 and drawn.count("<circle") == 6
    assert "2026-11-03, a: $4" in drawn


def test_a_chart_of_77_classes_grows_and_clips_long_names() -> None:
    rows = [(f"한국어로 쓴 아주 긴 분류 이름이 여기에 들어갑니다 {n} <b>", n / 76, f"{n} / 76") for n in range(77)]
    drawn = bars.classes(rows, "told <of> it")
    height = float(re.search(r'viewBox="0 0 720 (\d+)"', drawn)[1])  # type: ignore[index]
    found = rectangles(drawn)
    assert len(found) == 77 and max(float(each["y"]) for each in found) + 14 < height
    assert "<b>" not in drawn and "&lt;b&gt;</title>" in drawn and "…<title>" in drawn
    assert [float(each["width"]) for each in found] == sorted(float(each["width"]) for each in found)
