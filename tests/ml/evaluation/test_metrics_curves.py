from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from ml.evaluation.metrics.curves import RankedScores, rank_classes
from ml.evaluation.metrics.sample import ScoreSample


def drawn(count: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, as int8 models give, and truths."""
    generator = np.random.default_rng(0)
    is_positive = generator.random(count) < 0.3
    return (np.round(generator.normal(is_positive, 0.8) * 8) / 8).astype(np.float32), is_positive


def test_area_below_roc_is_the_chance_of_the_right_order():
    scores, is_positive = drawn(120)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[is_positive].tolist()
        for low in scores[~is_positive].tolist()
    ]
    assert RankedScores(scores, is_positive).roc_auc == pytest.approx(sum(pairs) / len(pairs))


def test_areas_equal_those_of_scikit_learn_with_ties():
    scores, is_positive = drawn()
    ranked = RankedScores(scores, is_positive)
    assert ranked.roc_auc == pytest.approx(roc_auc_score(is_positive, scores))
    assert ranked.average_precision == pytest.approx(average_precision_score(is_positive, scores))


def test_all_points_are_those_of_scikit_learn():
    scores, is_positive = drawn()
    ranked = RankedScores(scores, is_positive)
    false, true, _ = roc_curve(is_positive, scores, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(is_positive, scores)
    assert np.allclose(ranked.roc(limit=10_000), np.transpose([false, true]), atol=1e-4)
    # Of the points with equal recall the best is drawn, and instead of [0, 1], which no threshold gives, the first one.
    expected = [[0.0, precision[-2]]]
    expected += [[value, precision[recall == value].max()] for value in np.unique(recall[recall > 0])]
    assert np.allclose(ranked.precision_recall(limit=10_000), expected, atol=1e-4)


def test_thinned_curves_keep_their_ends_and_their_area():
    generator = np.random.default_rng(1)
    is_positive = generator.random(5000) < 0.2
    ranked = RankedScores(generator.normal(1.5 * is_positive).astype(np.float32), is_positive)
    roc, pr = ranked.roc(), ranked.precision_recall()
    assert 40 < len(roc) <= 50
    assert 40 < len(pr) <= 50
    assert (roc[0], roc[-1]) == ([0.0, 0.0], [1.0, 1.0])
    assert (pr[0][0], pr[-1][0]) == (0.0, 1.0)
    for curve in (roc, pr):
        assert [x for x, _ in curve] == sorted(x for x, _ in curve)
    false, true = np.transpose(roc)
    assert np.trapezoid(true, false) == pytest.approx(ranked.roc_auc, abs=0.002)
    recall, precision = np.transpose(pr)
    assert np.trapezoid(precision, recall) == pytest.approx(ranked.average_precision, abs=0.02)


@pytest.mark.parametrize(("truth", "precision"), [([True, True], 1.0), ([False, False], None)])
def test_without_positives_or_negatives_there_is_no_curve(truth, precision):
    ranked = RankedScores(np.array([0.2, 0.7], np.float32), np.array(truth))
    assert ranked.roc_auc is None
    assert ranked.roc() == []
    assert ranked.average_precision == precision


def test_scores_that_say_nothing_have_an_area_of_one_half():
    ranked = RankedScores(np.full(10, 0.5, np.float32), np.arange(10) < 3)
    assert ranked.roc_auc == 0.5
    assert ranked.average_precision == pytest.approx(0.3)
    assert ranked.roc() == [[0.0, 0.0], [1.0, 1.0]]
    assert ranked.precision_recall() == [[0.0, 0.3], [1.0, 0.3]]


def test_an_empty_sample_has_no_areas():
    for is_multi_label in (False, True):
        areas, curves = rank_classes(ScoreSample(2, is_multi_label=is_multi_label), ["a", "b"])
        assert areas == [{"roc_auc": None, "average_precision": None}] * 2
        assert curves == []


def test_a_sample_keeps_every_example_up_to_its_size():
    sample = ScoreSample(2, max_examples=5)
    scores = np.arange(10, dtype=np.float32).reshape(5, 2)
    sample.add(scores[:2], np.array([0, 1]))
    sample.add(scores[2:], np.array([1, 0, 0]))
    assert sample.scores(1).tolist() == [1, 3, 5, 7, 9]
    assert sample.is_positive(1).tolist() == [False, True, True, False, False]


def test_a_sample_is_bounded_by_examples_and_by_scores():
    for max_examples, max_scores, size in [(30, 1000, 30), (30, 80, 20), (30, 3, 1)]:
        sample = ScoreSample(4, max_examples=max_examples, max_scores=max_scores)
        for _ in range(10):
            sample.add(np.zeros((10, 4), np.float32), np.zeros(10, np.int64))
        assert len(sample) == len(sample.scores(0)) == size


def test_a_sample_of_a_sorted_split_holds_all_classes_evenly():
    sample = ScoreSample(4, max_examples=400)
    labels = np.repeat(np.arange(4), 1000)
    for start in range(0, 4000, 250):
        part = labels[start : start + 250]
        sample.add(np.eye(4, dtype=np.float32)[part], part)
    for index in range(4):
        # Hypergeometric: 100 expected, standard deviation 8.2.
        assert 70 < sample.is_positive(index).sum() < 130
        assert np.array_equal(sample.scores(index) == 1, sample.is_positive(index))


def test_a_sample_does_not_depend_on_the_batches():
    generator = np.random.default_rng(0)
    scores, labels = generator.random((500, 3)).astype(np.float32), generator.integers(0, 3, 500)
    samples = []
    for batch in (1, 17, 500):
        sample = ScoreSample(3, max_examples=50)
        for start in range(0, 500, batch):
            sample.add(scores[start : start + batch], labels[start : start + batch])
        samples.append(sample)
    for sample in samples[1:]:
        assert np.array_equal(sample.scores(0), samples[0].scores(0))
        assert np.array_equal(sample.is_positive(0), samples[0].is_positive(0))
