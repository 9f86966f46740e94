from __future__ import annotations

from collections import Counter

import numpy as np

from ml.evaluation.metrics import frequent
from ml.evaluation.metrics.frequent import FrequentValues


def test_counts_are_exact_while_there_is_a_counter_for_each(monkeypatch):
    monkeypatch.setattr(frequent, "PENDING", 100)
    values = np.random.default_rng(0).integers(0, 50, 1000)
    found = FrequentValues(capacity=50)
    for start in range(0, 1000, 30):
        found.add(values[start : start + 30])
    expected = sorted(Counter(values.tolist()).items(), key=lambda pair: (-pair[1], pair[0]))
    assert found.most_common(20) == expected[:20]
    assert found.most_common(1000) == expected


def test_beyond_it_what_is_frequent_stays_and_counts_are_low_by_a_bounded_number(monkeypatch):
    monkeypatch.setattr(frequent, "PENDING", 64)
    generator = np.random.default_rng(1)
    values = np.concatenate([generator.integers(1000, 10**12, 4000), np.repeat([3, 4, 5], [400, 300, 200])])
    generator.shuffle(values)
    found = FrequentValues(capacity=100)
    for start in range(0, len(values), 7):
        found.add(values[start : start + 7])
    bound = len(values) / 101
    for value, (kept, count) in zip([3, 4, 5], found.most_common(3), strict=True):
        true = {3: 400, 4: 300, 5: 200}[value]
        assert kept == value
        assert true - bound <= count <= true
    assert len(found.most_common(1000)) <= 100


def test_a_batch_that_is_changed_later_was_counted_as_it_was():
    found, batch = FrequentValues(), np.array([1, 1, 2])
    found.add(batch)
    batch[:] = 9
    assert found.most_common(5) == [(1, 2), (2, 1)]
