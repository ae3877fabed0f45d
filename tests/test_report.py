"""What a run says in words and tables: every number in a sentence is the history's own."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import report, run
from emcore.matching import match, squared_distances
from emcore.models import GaussianMixture, GaussianMixtureParameters, KMeans, KMeansParameters


@pytest.fixture(scope="module")
def history():
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal((0, 0), 1, (80, 2)), rng.normal((4, 3), 1, (40, 2))])
    model = GaussianMixture(2)
    return run(model, X, model.initialize(X, rng), max_iter=30)


def in_text(value: float, digits: int = 2) -> str:
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def test_an_m_step_names_the_mean_that_moved_most_and_the_gain(history):
    for iteration in range(1, history.n_iterations + 1):
        before, after = (history.parameters[t].means for t in (iteration - 1, iteration))
        distances = np.hypot(*(after - before).T)
        k = int(distances.argmax())
        sentence = report.caption(history, 2 * iteration)
        assert sentence.startswith(f"M-step {iteration}: mean {k + 1} moved ")
        gain = history.objective[iteration] - history.objective[iteration - 1]
        said = in_text(gain) if gain >= 0.005 else report.significant(gain)
        assert sentence.endswith(f"log-likelihood +{said} to {in_text(history.objective[iteration])}.")
        whole = report.caption(history, 2 * iteration + 1, whole=True)
        assert whole == sentence.replace("M-step", "Iteration")


def test_rounding_is_not_reported_as_movement_or_as_a_fall():
    """On the saddle nothing moves; sums of thousands of doubles do, in the 16th digit."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2)) * [1, 50] + [1e3, -7]
    model = GaussianMixture(3)
    history = run(model, X, model.from_means(X, np.tile(X.mean(axis=0), (3, 1))), max_iter=30, tol=0)
    for iteration in range(2, history.n_iterations + 1):
        sentence = report.caption(history, 2 * iteration)
        assert (
            sentence
            == f"M-step {iteration}: no mean moved; log-likelihood unchanged at {in_text(history.objective[-1])}."
        )
        assert all(row.change == 0 for row in report.parameter_table(history, 2 * iteration))
    said = report.outcome(history)
    assert "nothing changed any more" in said.why and "saddle" in said.advice
    alone = GaussianMixture(1)
    said = report.outcome(run(alone, X, alone.initialize(X, rng)))
    assert said.advice == "One component has one maximum, and this is it."


def test_an_e_step_says_how_many_points_each_component_takes(history):
    for iteration in (0, 3, history.n_iterations):
        taken = history.posterior(iteration).responsibilities.sum(axis=0)
        sentence = report.caption(history, 2 * iteration + 1)
        assert f"components 1 and 2 take {taken[0]:.1f} and {taken[1]:.1f} of 120 points;" in sentence
        assert in_text(history.objective[iteration]) in sentence


def test_there_is_a_caption_a_label_and_a_name_for_each_position(history):
    texts = report.captions(history)
    for column in (texts.half_steps, texts.labels, report.step_names(history)):
        assert len(column) == history.n_positions
    assert len(texts.iterations) == history.n_iterations + 1
    assert report.step_names(history)[:4] == ("Start", "E-step", "M-step", "E-step")
    assert texts.labels[-1].startswith(f"Iteration {history.n_iterations}, log-likelihood ")


def test_changes_are_the_differences_of_the_parameters(history):
    for iteration in (1, history.n_iterations):
        before, after = (history.parameters[t].columns() for t in (iteration - 1, iteration))
        changed = report.changes(history, iteration)
        assert list(changed) == list(after)
        for name in after:
            np.testing.assert_array_equal(changed[name], after[name] - before[name])


def test_outcome_says_why_and_shows_the_change_beside_the_gain(history):
    said = report.outcome(history)
    last = history.n_iterations
    assert said.stopped == "converged"
    assert said.why.startswith(f"After {last} iterations, at log-likelihood {in_text(history.objective[-1])}: ")
    largest = max((abs(amount), amount) for values in report.changes(history, last).values() for amount in values)[1]
    assert f"The largest change of a parameter in it was {report.significant(largest)} (" in said.why
    limited = run(history.model, history.X, history.parameters[0], max_iter=2, tol=0)
    assert "the last one still gained" in report.outcome(limited).why
    assert report.outcome(run(history.model, history.X, history.parameters[0], max_iter=0)).stopped == "max_iter"
    X = np.concatenate([history.X, [[50.0, 50.0]]])
    alone = GaussianMixtureParameters([0.5, 0.5], [[1, 1], [50, 50]], [np.eye(2), np.eye(2)])
    collapsed = report.outcome(run(GaussianMixture(2), X, alone))
    assert collapsed.stopped == "degenerate"
    assert "Component 2 collapsed" in collapsed.why and "fewer components" in collapsed.advice


def test_two_ends_are_compared(history):
    end = history.objective[-1]
    assert "the same log-likelihood" in report.comparison(history, end + 0.001)
    assert report.comparison(history, end + 21.36).endswith("this one is 21.36 lower.")
    assert report.comparison(history, end - 3).endswith("this one is 3.00 higher.")


def test_table_shows_now_change_and_matched_truth(history):
    now = history.parameters[-1]
    order = np.argsort(-now.means[:, 0])
    truth = GaussianMixtureParameters([0.33, 0.67], [[4, 3], [0, 0]], [np.eye(2), np.eye(2)])
    rows = report.parameter_table(history, history.n_positions - 1, truth)
    by_name = {(row.component, row.name): row for row in rows}
    for k in range(2):
        row = by_name[k, "mean x"]
        assert row.value == now.means[k, 0]
        assert row.change == now.means[k, 0] - history.parameters[-2].means[k, 0]
        assert row.truth == truth.means[list(order).index(k), 0]
    assert {row.name for row in rows} == {"weight", "mean x", "mean y", "sd x", "sd y", "correlation"}
    start = report.parameter_table(history, 0)
    assert all(row.change is None and row.truth is None for row in start)


def test_one_point_s_responsibilities_are_those_of_the_whole(history):
    assert report.responsibilities_of(history, 0, 7) is None
    for position in (1, 2, 3, 8):
        whole = history.snapshot(position).posterior.responsibilities[7]
        np.testing.assert_allclose(report.responsibilities_of(history, position, 7), whole, rtol=1e-9)


def test_k_means_is_described_too():
    X = np.array([[0.0], [1.0], [9.0], [10.0]])
    history = run(KMeans(2), X, KMeansParameters([[0.0], [1.0]]))
    assert "mean 2 moved" in report.caption(history, 2)
    assert "minus distortion" in report.caption(history, 2)
    assert "components 1 and 2 take 1.0 and 3.0 of 4 points" in report.caption(history, 1)
    limited = report.outcome(run(KMeans(2), X, KMeansParameters([[0.0], [1.0]]), max_iter=1, tol=0))
    assert "squared distance per point" in limited.why and "nats" not in limited.why


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 2, "0.00"),
        (-812.444, 2, "\N{MINUS SIGN}812.44"),
        (1234567.891, 1, "1,234,567.9"),
        (3.2e-7, 2, "3.2e\N{MINUS SIGN}7"),
        (-2e9, 2, "\N{MINUS SIGN}2,000,000,000.00"),
        (-0.0, 2, "0.00"),
        (1.2345678e-9, 2, "1.2e\N{MINUS SIGN}9"),
        (4e18, 0, "4e18"),
        (float("nan"), 2, "undefined"),
    ],
)
def test_numbers_never_round_to_a_false_nothing(value, digits, text):
    assert report.number(value, digits) == text


def test_wasserstein_distance_of_one_dimensional_gaussians():
    """In 1D it is (m - m')^2 + (s - s')^2."""
    first = GaussianMixtureParameters([0.5, 0.5], [[0.0], [3.0]], [[[1.0]], [[4.0]]])
    second = GaussianMixtureParameters([1.0], [[1.0]], [[[9.0]]])
    np.testing.assert_allclose(squared_distances(first, second), [[1 + 4], [4 + 1]])


def test_match_undoes_a_relabelling_and_knows_crossing_ellipses():
    crossed = [np.array([[4, 3.6], [3.6, 4]]), np.array([[4, -3.6], [-3.6, 4]])]
    truth = GaussianMixtureParameters([0.5, 0.5], [[0, 0], [0, 0]], crossed)
    found = GaussianMixtureParameters([0.4, 0.6], [[0.1, 0], [0, 0.1]], crossed[::-1])
    assert match(found, truth).tolist() == [1, 0]


def test_match_leaves_over_what_has_no_partner():
    truth = GaussianMixtureParameters([1.0], [[0.0]], [[[1.0]]])
    found = GaussianMixtureParameters([0.5, 0.5], [[5.0], [0.1]], [[[1.0]], [[1.0]]])
    assert match(found, truth).tolist() == [-1, 0]
    with pytest.raises(ValueError, match="same number of features"):
        match(found, GaussianMixtureParameters([1.0], [[0, 0]], [np.eye(2)]))


@pytest.mark.parametrize(
    ("sds", "digits"), [((1, 2), 2), ((20, 30), 2), ((0.05, 0.05), 3), ((500, 900), 1), ((1e6, 1e6), 0), ((1e-9, 1), 4)]
)
def test_decimals_follow_the_spread(sds, digits):
    covariances = [[[sd**2]] for sd in sds]
    assert report.decimals(GaussianMixtureParameters([0.5, 0.5], [[0.0], [1.0]], covariances)) == digits


def test_a_handful_of_points_is_told_to_four_decimals():
    start = GaussianMixtureParameters([0.5, 0.5], [[1.0], [3.0]], [[[1.0]], [[1.0]]])
    history = run(GaussianMixture(2), [[1.0], [2.0], [3.0]], start, max_iter=4, tol=0)
    said = [report.caption(history, 2 * t + 1, whole=True) for t in range(5)]
    for sentence, value in zip(said, ["4.3893", "3.5492", "3.4868", "3.4183", "3.3862"], strict=True):
        assert sentence.endswith(f"\N{MINUS SIGN}{value}.")
