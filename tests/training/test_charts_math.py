"""What the charts' script computes, run by Node.js, against slow references."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from setup import ROOT

NODE = Path(sys.executable).with_name("node")
RANDOM = random.Random(4)
NOISY = [math.exp(-step / 90) + RANDOM.gauss(0, 0.1) for step in range(400)]


def computed(expression: str, **values: Any) -> Any:
    """The value of a JavaScript expression over `values` and what the modules export."""
    script = (
        f"import * as math from {json.dumps(str(ROOT / 'static/js/curve-math.js'))};\n"
        f"import * as data from {json.dumps(str(ROOT / 'static/js/curve-data.js'))};\n"
        f"const {{ {', '.join(values)} }} = {json.dumps(values)};\n"
        f"console.log(JSON.stringify({expression}));"
    )
    command = [str(NODE), "--no-warnings", "--input-type=module", "--eval", script]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("weight", [0.6, 0.99])
def test_smoothing_is_the_debiased_moving_average(weight: float):
    smoothed = computed("math.smooth(values, weight)", values=NOISY, weight=weight)
    for n in (1, 2, 3, 50, 400):
        shares = [(1 - weight) * weight ** (n - 1 - index) for index in range(n)]
        expected = sum(share * value for share, value in zip(shares, NOISY, strict=False)) / (1 - weight**n)
        assert smoothed[n - 1] == pytest.approx(expected, rel=1e-9)


def test_smoothing_by_nothing_or_of_what_never_changes_changes_nothing():
    assert computed("math.smooth(values, 0)", values=NOISY) == NOISY
    assert computed("math.smooth([0.3, 0.3, 0.3], 0.9)") == [0.3, 0.3, 0.3]
    assert computed("math.smooth([], 0.9)") == []


def largest_triangles(x: list[float], y: list[float], most: int) -> list[int]:
    """LTTB as the thesis tells it: buckets of equal length, the point with the largest triangle of each."""
    size = (len(x) - 2) / (most - 2)
    edges = [min(math.floor(bucket * size) + 1, len(x) - 1) for bucket in range(most - 1)]
    buckets = [[0], *(list(range(a, b)) for a, b in pairwise(edges)), [len(x) - 1]]
    chosen = [0]
    for bucket, after in pairwise(buckets[1:]):
        a, c = chosen[-1], (sum(x[i] for i in after) / len(after), sum(y[i] for i in after) / len(after))
        areas = [abs((x[a] - c[0]) * (y[i] - y[a]) - (x[a] - x[i]) * (c[1] - y[a])) for i in bucket]
        chosen.append(bucket[areas.index(max(areas))])
    return [*chosen, len(x) - 1]


@pytest.mark.parametrize("most", [3, 17, 100, 399])
def test_decimation_keeps_the_largest_triangles(most: int):
    x = [float(step) for step in range(len(NOISY))]
    kept = computed("math.decimate(x, y, most)", x=x, y=NOISY, most=most)
    assert kept == largest_triangles(x, NOISY, most)
    assert len(kept) == most


def test_few_points_are_all_drawn():
    assert computed("math.decimate([1, 2, 3], [4, 5, 6], 3)") == [0, 1, 2]
    assert computed("math.decimate([], [], 100)") == []


def test_outliers_are_what_is_below_the_5th_or_above_the_95th_percentile():
    values = [*range(1, 100), 10_000]
    assert computed("math.withoutOutliers([values.slice(0, 40), values.slice(40)])", values=values) == [6, 95]
    assert computed("math.withoutOutliers([[3, 1]])") == [1, 3]
    assert computed("math.withoutOutliers([[], []])") is None


def test_nearest_is_found_from_either_side():
    found = computed("[-5, 0, 4, 5, 6, 99].map((value) => math.nearest([0, 10, 20], value))")
    assert found == [0, 0, 0, 0, 1, 2]
    assert computed("math.nearest([], 3)") == -1


def test_filter_is_a_regular_expression_and_a_broken_one_is_said_in_plain_words():
    said = "[math.filterOf(pattern).problem, texts.filter(math.filterOf(pattern).test)]"
    texts = ["trainer/loss", "student:small/Loss", "student:small/accuracy"]
    assert computed(said, pattern="small/.*LOSS|^trainer", texts=texts) == ["", texts[:2]]
    assert computed(said, pattern="", texts=texts) == ["", texts]
    problem, shown = computed(said, pattern="(loss", texts=texts)
    assert problem == "This is no regular expression: unterminated group. All lines are shown."
    assert shown == texts


@pytest.mark.parametrize(
    ("order", "expected"),
    [("default", "abc"), ("ascending", "cab"), ("descending", "bac"), ("nearest", "bca"), ("nonsense", "abc")],
)
def test_rows_at_the_pointer_come_in_the_chosen_order(order: str, expected: str):
    rows = [
        {"name": "a", "value": 2, "distance": 9},
        {"name": "b", "value": 3, "distance": 1},
        {"name": "c", "value": 1, "distance": 4},
    ]
    assert "".join(row["name"] for row in computed("math.sorted(rows, order)", rows=rows, order=order)) == expected


def test_ticks_of_time_are_round():
    assert computed("math.timeTicks(0, 3_600_000, 4)") == [minute * 60_000 for minute in (0, 15, 30, 45, 60)]
    assert computed("math.timeTicks(90_000, 200_000, 3)") == [120_000, 180_000]
    # A zone half an hour off has its round times half an hour off.
    assert computed("math.timeTicks(0, 7_200_000, 2, 1_800_000)") == [1_800_000, 5_400_000]


def test_what_a_resumed_run_measures_again_replaces_what_was_there():
    events = [
        {
            "kind": "metrics",
            "created_at": f"2026-01-01T00:00:0{second}Z",
            "data": {"step": step, "values": {"loss": second}},
        }
        for second, step in enumerate([10, 20, 30, 15, 25])
    ]
    series = computed(
        "events.reduce((run, one) => (run.add(one), run), new data.RunSeries({})).series.get('loss')", events=events
    )
    assert (series["steps"], series["values"]) == ([10, 15, 25], [0, 3, 4])


def test_a_series_has_a_final_and_a_best_value():
    series = {"steps": [1, 2, 3, 4], "values": [0.5, 0.9, 0.1, 0.4]}
    final = {"value": 0.4, "step": 4}
    assert computed("data.summaryOf(series, true)", series=series) == {
        "final": final,
        "best": {"value": 0.9, "step": 2},
    }
    assert computed("data.summaryOf(series, false)", series=series) == {
        "final": final,
        "best": {"value": 0.1, "step": 3},
    }
    assert computed("data.summaryOf({ steps: [], values: [] }, false)") is None
