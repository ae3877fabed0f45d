"""One half-step taken apart: every number against the textbook, and against what can be done on paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from emcore import run, worked
from emcore.datasets import DATASETS, Group, generate
from emcore.em import DegenerateFit
from emcore.experiment import Experiment, OwnData, PresetData
from emcore.models import GaussianMixture, GaussianMixtureParameters
from tests import textbook

TYPES = ("full", "tied", "diag", "spherical")
STAIRCASE = [-4.3893, -3.5492, -3.4868, -3.4183, -3.3862]
HALVES = GaussianMixtureParameters(np.array([0.5, 0.5]), np.array([[1.0], [3.0]]), np.ones((2, 1, 1)))
POINTS = np.array([[1.0], [2.0], [3.0]])


def line(weights, means, sds):
    variances = np.square(sds).reshape(-1, 1, 1)
    return GaussianMixtureParameters(np.array(weights), np.array(means, dtype=float)[:, None], variances)


def experiment(preset: str = "three-blobs", **changes) -> Experiment:
    chosen = DATASETS[preset]
    made = Experiment(
        PresetData(preset),
        GaussianMixture(chosen.n_components, chosen.covariance_type),
        start=chosen.start,
        start_seed=chosen.start_seed if chosen.start != "by-hand" else 0,
        by_hand=chosen.by_hand,
        max_iter=chosen.max_iter,
        tol=chosen.tol,
    )
    return replace(made, **changes)


BLOBS = experiment().history()
LINE = experiment("three-peaks").history()


# ---- The E-step ----


@pytest.mark.parametrize("history", [BLOBS, LINE], ids=["2D", "1D"])
@pytest.mark.parametrize("row", [0, 17, 123])
def test_every_number_of_bayes_rule_is_the_textbook_s(history, row):
    theta = history.parameters[3]
    x = history.X[row]
    made = worked.bayes(theta, x)
    densities = [multivariate_normal(m, c).pdf(x) for m, c in zip(theta.means, theta.covariances, strict=True)]
    np.testing.assert_allclose(made.densities, densities, rtol=1e-10)
    np.testing.assert_allclose(made.log_densities, np.log(densities), rtol=1e-9)
    offsets = x - theta.means
    squared = [offset @ np.linalg.inv(c) @ offset for offset, c in zip(offsets, theta.covariances, strict=True)]
    np.testing.assert_allclose(made.squared_distances, squared, rtol=1e-9)
    np.testing.assert_allclose(made.spreads, np.sqrt(np.linalg.det(theta.covariances)), rtol=1e-10)
    np.testing.assert_allclose(
        np.exp(-made.squared_distances / 2 - worked.log_constant(len(x))) / made.spreads, densities, rtol=1e-9
    )
    np.testing.assert_allclose(made.products, theta.weights * densities, rtol=1e-10)
    assert made.density == pytest.approx(np.dot(theta.weights, densities), rel=1e-10)
    np.testing.assert_allclose(made.responsibilities, made.products / made.density, rtol=1e-10)
    log_likelihood, shares = textbook.e_step(x[None], theta.weights, theta.means, theta.covariances)
    np.testing.assert_allclose(made.responsibilities, shares[0], rtol=1e-10)
    assert made.log_density == pytest.approx(log_likelihood, rel=1e-10)
    assert made.largest + np.log(made.scaled.sum()) == pytest.approx(made.log_density, rel=1e-10)
    assert made.scaled.max() == 1 and not made.underflows


def test_far_out_only_the_logarithms_are_left():
    made = worked.bayes(HALVES, [80.0])
    assert made.underflows and not made.products.any()
    assert np.isfinite(made.log_products).all()
    assert made.responsibilities.sum() == pytest.approx(1)
    expected = np.log(0.5) + norm([1, 3], 1).logpdf(80.0)
    np.testing.assert_allclose(made.log_products, expected, rtol=1e-12)
    assert made.responsibilities[1] == pytest.approx(1 / (1 + np.exp(expected[0] - expected[1])))


def test_a_place_that_is_none_is_refused():
    for x in ([1.0, 2.0], [np.nan], 1.0):
        with pytest.raises(ValueError, match="x must be 1 finite"):
            worked.bayes(HALVES, x)


def test_a_density_above_1_and_a_log_likelihood_above_0_are_explained_with_their_unit():
    narrow = line([0.5, 0.5], [0, 1], [0.01, 1])
    densities = worked.bayes(narrow, [0.0]).densities
    text = worked.about_densities(densities[0], "The density of component 1", ("Waiting time (min)",))
    assert "39.894" in text and "1/min" in text and "component 1" in text
    assert worked.about_densities(1.0, "The density", ("x",)) == ""
    assert "1/(min × cm)" in worked.about_log_likelihood(3.0, ("a (min)", "b (cm)"))
    assert worked.about_log_likelihood(-3.0, ("x",)) == ""


# ---- Where responsibilities cross ----


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        (line([0.5, 0.5], [1, 3], [1, 1]), [2.0]),
        (line([0.8, 0.2], [1, 3], [1, 1]), [2 + np.log(4) / 2]),
        (line([0.5, 0.5], [0, 0], [1, 2]), [-np.sqrt(8 / 3 * np.log(2)), np.sqrt(8 / 3 * np.log(2))]),
        (line([0.1, 0.9], [0, 0], [1, 1.5]), []),  # the narrow one is nowhere the likelier
        (line([0.5, 0.5], [1, 1], [1, 1]), []),
        (line([1.0], [1], [1]), []),
    ],
    ids=["half-way", "weights", "two", "none", "equal", "one component"],
)
def test_crossings_by_hand(theta, expected):
    np.testing.assert_allclose([one.x for one in worked.crossings(theta)], expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_crossings_are_where_a_fine_grid_changes_its_mind(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 5))
    theta = line(rng.dirichlet(np.ones(k)), rng.normal(0, 3, k), rng.uniform(0.5, 2, k))
    x = np.linspace(-30, 30, 60_001)
    winner = textbook.log_joint(x[:, None], theta.weights, theta.means, theta.covariances).argmax(axis=1)
    changed = np.flatnonzero(np.diff(winner))
    found = [one for one in worked.crossings(theta) if abs(one.x) < 30]
    np.testing.assert_allclose([one.x for one in found], x[changed] + 0.0005, atol=0.00051)
    for one in found:
        j, k = one.components
        shares = textbook.e_step(np.array([[one.x]]), theta.weights, theta.means, theta.covariances)[1][0]
        assert shares[j] == pytest.approx(shares[k], rel=1e-6) == one.share
        assert one.product == pytest.approx(theta.weights[j] * norm(theta.means[j, 0], theta.sds[j, 0]).pdf(one.x))


def test_crossings_are_said_and_need_one_axis():
    text = worked.about_crossings(line([0.5, 0.5], [1, 3], [1, 1]), ("x",), 2)
    assert "x = 2.00 (components 1 and 2: weight × density is 0.12 for both, the responsibility 0.500)" in text
    assert "same component everywhere" in worked.about_crossings(line([0.1, 0.9], [0, 0], [1, 1.5]), ("x",), 2)
    with pytest.raises(ValueError, match="1 feature"):
        worked.crossings(BLOBS.parameters[0])


def test_curves_are_e_steps_along_the_axis():
    x = np.linspace(-8, 8, 9)
    curves = worked.responsibility_curves(LINE, x)
    assert curves.shape == (LINE.n_iterations + 1, 2, 9)
    theta = LINE.parameters[2]
    np.testing.assert_allclose(
        curves[2].T, textbook.e_step(x[:, None], theta.weights, theta.means, theta.covariances)[1], atol=1e-12
    )


def inside(outline, places):
    """How often closed lines go around each place, against the clock."""
    turns = np.zeros(len(places))
    for i in range(len(outline) - 1):
        one, other = outline[i] - places, outline[i + 1] - places
        turns += np.arctan2(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0], (one * other).sum(axis=1))
    return np.rint(turns / (2 * np.pi))


@pytest.mark.parametrize("preset", ["three-blobs", "ring", "outlier"])
def test_a_region_is_where_its_component_is_the_most_likely(preset):
    history = experiment(preset, max_iter=6).history()
    made = worked.regions(history)
    frame = made.outlines[0][0]
    rng = np.random.default_rng(0)
    low, high = (limit(np.concatenate([one[0] for one in made.outlines]), axis=0) for limit in (np.nanmin, np.nanmax))
    places = rng.uniform(low, high, (400, 2))
    for t in (0, history.n_iterations):
        theta = history.parameters[t]
        joint = textbook.log_joint(places, theta.weights, theta.means, theta.covariances)
        ordered = np.sort(joint, axis=1)
        clear = ordered[:, -1] - ordered[:, -2] > 0.1  # not on the line itself
        for k, outlines in enumerate(made.outlines):
            lines = np.split(outlines[t], np.flatnonzero(np.isnan(outlines[t, :, 0])))
            turns = sum(inside(line[~np.isnan(line[:, 0])], places) for line in lines)
            np.testing.assert_array_equal(turns[clear], joint[clear].argmax(axis=1) == k)
        borders = made.borders[t][~np.isnan(made.borders[t, :, 0])]
        shares = np.sort(textbook.e_step(borders, theta.weights, theta.means, theta.covariances)[1], axis=1)
        assert np.quantile(shares[:, -1] - shares[:, -2], 0.95) < 0.1
    assert np.isfinite(frame).any()


def test_one_component_has_the_whole_plane_and_no_border():
    made = worked.regions(experiment(model=GaussianMixture(1)).history())
    assert len(made.outlines) == 1 and np.isnan(made.borders).all()


# ---- The M-step ----


@pytest.mark.parametrize("covariance_type", TYPES)
def test_the_averages_of_a_component_are_the_textbook_s(covariance_type):
    model = GaussianMixture(3, covariance_type)
    posterior = model.e_step(BLOBS.X, BLOBS.parameters[2])
    shares = posterior.responsibilities
    counts, means, covariances = textbook.weighted_moments(BLOBS.X, shares)
    for k in range(3):
        made = worked.average(model, BLOBS.X, posterior, k)
        assert made.count == pytest.approx(shares[:, k].sum(), rel=1e-10)
        assert made.weight == pytest.approx(counts[k] / len(BLOBS.X), rel=1e-10)
        np.testing.assert_allclose(made.mean_sums, shares[:, k] @ BLOBS.X, rtol=1e-9)
        np.testing.assert_allclose(made.mean, means[k], rtol=1e-9)
        np.testing.assert_allclose(made.own_covariance, covariances[k], rtol=1e-9)
        np.testing.assert_allclose(made.scatter, covariances[k] * counts[k], rtol=1e-9)
        *terms, (_, _, count, mean_sums, squares) = made.rows()
        assert count == pytest.approx(made.count, rel=1e-10) == pytest.approx(sum(row[2] for row in terms), rel=1e-10)
        np.testing.assert_allclose(mean_sums, made.mean_sums, rtol=1e-9)
        np.testing.assert_allclose(squares, made.scatter[np.triu_indices(2)], rtol=1e-9)
        np.testing.assert_allclose(sum(row[4] for row in terms), squares, rtol=1e-9)
        np.testing.assert_allclose(
            made.covariance, textbook.constrained(covariances, counts, covariance_type)[k], rtol=1e-9, atol=1e-12
        )


def test_a_long_sum_in_short_loses_nothing():
    terms = np.array([0.1, -3.0, 0.5, 2.0, 0.2, 0.3])
    made = worked.shortened(terms, 2)
    assert made.rows == (1, 3) and made.terms == (-3.0, 2.0) and made.n_others == 4
    assert sum(made.terms) + made.others == pytest.approx(made.total) == pytest.approx(terms.sum())
    whole = worked.shortened(terms[:3], 2)
    assert whole.rows == (0, 1, 2) and whole.n_others == 0 and whole.others == 0


def test_one_more_m_step_follows_the_last_e_step():
    longer = worked.with_next(BLOBS)
    assert longer.n_iterations == BLOBS.n_iterations + 1 and longer.parameters[:-1] == BLOBS.parameters
    again = run(BLOBS.model, BLOBS.X, BLOBS.parameters[-1], max_iter=1, tol=0)
    np.testing.assert_array_equal(longer.parameters[-1].means, again.parameters[-1].means)
    assert longer.objective[-1] == again.objective[-1]
    collapsed = experiment("duplicates").history()
    assert collapsed.stopped == "degenerate" and worked.with_next(collapsed) is collapsed


# ---- Known labels ----


def test_with_labels_the_fit_is_counts_and_averages():
    X, labels = BLOBS.X, experiment().dataset().labels
    made = worked.from_labels(BLOBS.model, X, labels)
    assert made.counts.tolist() == [120, 100, 80]
    total = 0.0
    for k in range(3):
        own = X[labels == k]
        np.testing.assert_allclose(made.parameters.means[k], own.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(made.parameters.covariances[k], np.cov(own.T, bias=True), rtol=1e-9)
        assert made.parameters.weights[k] == pytest.approx(len(own) / 300)
        fitted = multivariate_normal(own.mean(axis=0), np.cov(own.T, bias=True))
        total += fitted.logpdf(own).sum() + len(own) * np.log(len(own) / 300)
    assert made.log_likelihood == pytest.approx(total, rel=1e-10)


def test_labels_come_with_the_data_and_match_their_groups():
    groups = (Group(30, (-50.0,), ((1.0,),)), Group(20, (50.0,), ((1.0,),)))
    made = generate(groups, 4)
    np.testing.assert_array_equal(made.labels, (made.X[:, 0] > 0).astype(int))
    for name in ("three-blobs", "outlier", "mirror", "duplicates"):
        preset = DATASETS[name](0)
        for k, mean in enumerate(preset.truth.means):
            own = preset.X[preset.labels == k]
            np.testing.assert_allclose(own.mean(axis=0), mean, atol=0.5)
            assert len(own) == pytest.approx(preset.truth.weights[k] * (preset.labels >= 0).sum())
    assert (DATASETS["outlier"](0).labels == -1).sum() == 1
    assert DATASETS["ring"](0).labels is None and DATASETS["tiny"](0).labels is None


def test_the_lesson_s_labels_are_numbered_like_the_run():
    labels = experiment().dataset().labels
    made = worked.labelled(BLOBS, labels)
    assert made.known and sorted(made.counts.tolist()) == [80, 100, 120]
    end = BLOBS.parameters[-1]
    nearest = np.linalg.norm(made.parameters.means[:, None] - end.means[None], axis=-1).argmin(axis=1)
    assert nearest.tolist() == [0, 1, 2]
    outlier = experiment("outlier", start="random-points")
    assert worked.labelled(outlier.history(), outlier.dataset().labels).counts.sum() == 161


def test_where_nobody_knows_labels_the_most_likely_component_stands_in():
    made = worked.labelled(LINE, None)
    assert not made.known
    theta = LINE.parameters[-1]
    shares = textbook.e_step(LINE.X, theta.weights, theta.means, theta.covariances)[1]
    np.testing.assert_array_equal(made.labels, shares.argmax(axis=1))
    assert not worked.labelled(LINE, np.zeros(300, dtype=int)).known  # as many groups as components, or none


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels must be"):
        worked.from_labels(GaussianMixture(2), POINTS, [0, 1, 2])
    with pytest.raises(DegenerateFit):
        worked.from_labels(GaussianMixture(2), POINTS, [0, 0, 1])


def test_the_handover_goes_from_labels_to_the_end():
    made = worked.handover(BLOBS, worked.labelled(BLOBS, experiment().dataset().labels))
    assert set(np.unique(made.responsibilities[0])) == {0.0, 1.0}
    assert made.parameters[1] is made.responsibilities[1] is made.counts[1] is None
    assert made.parameters[2] is BLOBS.parameters[0]
    np.testing.assert_allclose(made.parameters[3].means, BLOBS.parameters[1].means, rtol=1e-12)
    np.testing.assert_array_equal(made.counts[3], made.counts[2])
    assert len(made.captions) == len(made.labels) == 5 and "120" in made.captions[0]
    assert made.labels[0] == "Labels known"
    assert worked.handover(LINE, worked.labelled(LINE, None)).labels[0] == "Labels supposed"


# ---- Few points ----


def test_a_page_works_with_few_points_and_says_which():
    large = experiment("twenty-forty")
    small, rows = worked.few(large)
    assert len(rows) == worked.MOST_POINTS == len(small.dataset().X)
    np.testing.assert_array_equal(small.dataset().X, large.dataset().X[rows])
    assert worked.few(experiment())[0] == experiment()


def test_the_same_start_on_other_points():
    own = experiment()
    moved = worked.on_points(own, own.dataset().X[:12] + 1)
    assert isinstance(moved.source, OwnData) and len(moved.dataset().X) == 12
    np.testing.assert_array_equal(moved.history().parameters[0].means, own.history().parameters[0].means)


# ---- The sheet ----


def test_three_points_by_hand_show_the_staircase():
    theta, shown = HALVES, []
    for _ in STAIRCASE:
        made = worked.sheet(GaussianMixture(2), POINTS, theta)
        shown.append(made.log_likelihood)
        np.testing.assert_allclose(made.responsibilities.sum(axis=1), 1)
        np.testing.assert_allclose(made.counts, made.responsibilities.sum(axis=0))
        assert made.log_likelihood == pytest.approx(made.log_densities.sum())
        theta = made.fitted
    np.testing.assert_allclose(shown, STAIRCASE, atol=5e-5)
    np.testing.assert_allclose(experiment("tiny").history().objective, STAIRCASE, atol=5e-5)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_every_cell_of_a_sheet_is_the_textbook_s(covariance_type):
    model, X = GaussianMixture(3, covariance_type), BLOBS.X[:12]
    theta = model.constrain(BLOBS.parameters[2])
    made = worked.sheet(model, X, theta)
    joint = textbook.log_joint(X, theta.weights, theta.means, theta.covariances)
    np.testing.assert_allclose(made.products, np.exp(joint), rtol=1e-9)
    counts, means, covariances = textbook.weighted_moments(X, made.responsibilities)
    np.testing.assert_allclose(made.fitted.weights, counts / 12, rtol=1e-9)
    np.testing.assert_allclose(made.fitted.means, means, rtol=1e-8)
    expected = textbook.constrained(covariances, counts, covariance_type)
    np.testing.assert_allclose(made.fitted.covariances, expected, rtol=1e-7, atol=1e-10)
    after = textbook.e_step(X, made.fitted.weights, made.fitted.means, made.fitted.covariances)[0]
    assert made.log_likelihood_after == pytest.approx(after, rel=1e-9)
    assert made.log_likelihood_after > made.log_likelihood


def test_a_cell_follows_from_its_inputs_and_from_nothing_else():
    """Move one point: exactly the cells that depend on it change."""
    model = GaussianMixture(2)
    before = worked.sheet(model, POINTS, HALVES)
    moved = POINTS.copy()
    moved[1] += 0.3
    after = worked.sheet(model, moved, HALVES)
    for n in range(3):
        for k in range(2):
            for kind, array in (("p", "products"), ("r", "responsibilities")):
                changed = getattr(before, array)[n, k] != getattr(after, array)[n, k]
                assert changed == (1 in before.points_of(f"{kind} {n} {k}"))
    assert before.points_of("s 2") == before.points_of("l 2") == (2,)
    assert before.points_of("m 0") == before.points_of("N 1") == before.points_of("L") == (0, 1, 2)
    assert before.points_of("t 0") == ()
    assert set(before.inputs["r 1 0"]) == {"p 1 0", "s 1"}
    assert set(before.inputs["p 1 0"]) == {"x 1", "t 0"}
    tied = worked.sheet(GaussianMixture(2, "tied"), POINTS, HALVES)
    assert "r 0 1" in tied.inputs["v 0"] and "r 0 1" not in before.inputs["v 0"]


def test_an_edited_responsibility_goes_on_into_the_m_step():
    model = GaussianMixture(2)
    made = worked.sheet(model, POINTS, HALVES, {(1, 0): 0.9})
    np.testing.assert_allclose(made.responsibilities[1], [0.9, 0.1])
    assert made.edited.tolist() == [False, True, False]
    counts, means, covariances = textbook.weighted_moments(POINTS, made.responsibilities)
    np.testing.assert_allclose(made.counts, counts)
    np.testing.assert_allclose(made.fitted.means, means)
    np.testing.assert_allclose(made.fitted.covariances, covariances)
    assert made.inputs["r 1 0"] == ()
    assert made.log_likelihood == pytest.approx(worked.sheet(model, POINTS, HALVES).log_likelihood)
    assert "Row 2 edited" in worked.about_sheet(made)


def test_an_edit_leaves_rows_that_sum_to_1():
    table = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(worked.with_responsibility(table, 0, 0, 0.0)[0], [0, 0.6, 0.4])
    np.testing.assert_allclose(worked.with_responsibility(table, 1, 0, 0.4)[1], [0.4, 0.3, 0.3])
    assert table[0, 0] == 0.5
    for cell, value in (((0, 0), 1.2), ((0, 0), -0.1), ((2, 0), 0.5), ((0, 3), 0.5), ((0, 0), np.nan)):
        with pytest.raises(ValueError, match="must"):
            worked.with_responsibility(table, *cell, value)
    with pytest.raises(ValueError, match="one component"):
        worked.with_responsibility(np.ones((2, 1)), 0, 0, 0.5)


def test_a_sheet_whose_m_step_has_no_result_says_why():
    made = worked.sheet(GaussianMixture(2), POINTS, HALVES, {(0, 0): 1.0, (1, 0): 0.0, (2, 0): 0.0})
    assert made.fitted is None and made.log_likelihood_after is None
    assert "collapsed" in made.trouble and made.trouble in worked.about_sheet(made)
    with pytest.raises(ValueError, match="1 to 12"):
        worked.sheet(GaussianMixture(2), np.zeros((13, 1)), HALVES)
