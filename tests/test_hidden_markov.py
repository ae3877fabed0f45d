"""Hidden Markov models: against stored runs of trusted libraries, and against the sum over every path there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from emcore import DegenerateFit, lower_bound, run
from emcore.models import (
    CategoricalHiddenMarkov,
    CategoricalHiddenMarkovParameters,
    GaussianHiddenMarkov,
    GaussianHiddenMarkovParameters,
    GaussianMixture,
    GaussianMixtureParameters,
    viterbi,
)
from emcore.models.forward_backward import _in_logs, _scaled
from tests.reference import load


def gaussian(stored) -> GaussianHiddenMarkovParameters:
    means, variances = np.array(stored["means"]), np.array(stored["variances"])
    return GaussianHiddenMarkovParameters(
        stored["startprob"], stored["transmat"], means[:, None], variances[:, None, None]
    )


def categorical(stored) -> CategoricalHiddenMarkovParameters:
    return CategoricalHiddenMarkovParameters(stored["startprob"], stored["transmat"], stored["emission"])


# ---- Runs of trusted libraries ----------------------------------------------------------------------------


def test_a_hundred_iterations_with_gaussians():
    reference = load("hmm")
    X = np.array(reference["x"])[:, None]
    history = run(GaussianHiddenMarkov(2), X, gaussian(reference["init"]), max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, reference["ll_trace"], rtol=1e-12)
    for t, stored in reference["params"].items():
        expected, got = gaussian(stored), history.parameters[int(t)]
        np.testing.assert_allclose(got.initial, expected.initial, atol=1e-10)
        np.testing.assert_allclose(got.transitions, expected.transitions, atol=1e-10)
        np.testing.assert_allclose((got.means - expected.means) / expected.sds, 0, atol=1e-10)
        np.testing.assert_allclose(got.covariances, expected.covariances, rtol=1e-10)
    first = history.posterior(0).responsibilities[:5]
    np.testing.assert_allclose(first, reference["posterior_first5_iter0"], atol=1e-12)


def test_a_hundred_iterations_with_symbols():
    reference = load("hmm")["categorical"]
    Y = np.array(reference["y"])[:, None]
    history = run(CategoricalHiddenMarkov(2, 3), Y, categorical(reference["init"]), max_iter=100, tol=0)
    np.testing.assert_allclose(history.objective, reference["ll_trace"], rtol=1e-12)
    for t, stored in reference["params"].items():
        expected, got = categorical(stored), history.parameters[int(t)]
        for name in ("initial", "transitions", "probabilities"):
            np.testing.assert_allclose(getattr(got, name), getattr(expected, name), atol=1e-10)


def test_the_most_probable_path_of_the_reference():
    reference = load("hmm")
    X = np.array(reference["x"])[:, None]
    path = viterbi(GaussianHiddenMarkov(2), X, gaussian(reference["init"]))
    assert path.log_probability == pytest.approx(reference["viterbi_initial"]["logprob"], rel=1e-12)
    assert path.states.tolist() == reference["viterbi_initial"]["path"]


# ---- Every path there is ----------------------------------------------------------------------------------


def chain(n_components: int, seed: int, zeros: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    initial, transitions = rng.dirichlet(np.ones(n_components)), rng.dirichlet(np.ones(n_components), n_components)
    if zeros:  # from left to right, from the first state on
        initial, transitions = np.eye(n_components)[0], np.triu(transitions)
    return initial, transitions / transitions.sum(axis=1, keepdims=True)


def all_paths(densities, initial, transitions):
    """Every path through one sequence, and its p(X, Z)."""
    n_samples, n_components = densities.shape
    paths = np.array(list(product(range(n_components), repeat=n_samples)))
    joint = initial[paths[:, 0]] * densities[0, paths[:, 0]]
    for t in range(1, n_samples):
        joint = joint * transitions[paths[:, t - 1], paths[:, t]] * densities[t, paths[:, t]]
    return paths, joint


BRUTE = [
    pytest.param(n_components, zeros, lengths, id=f"k={n_components} zeros={zeros} lengths={lengths}")
    for n_components in (1, 2, 3)
    for zeros in (False, True)
    for lengths in ((7,), (4, 1, 2))
]


@pytest.mark.parametrize(("n_components", "zeros", "lengths"), BRUTE)
def test_everything_equals_the_sum_over_all_paths(n_components, zeros, lengths):
    rng = np.random.default_rng(3)
    initial, transitions = chain(n_components, 2, zeros)
    means, sds = rng.normal(0, 2, (n_components, 1)), rng.uniform(0.5, 2, n_components)
    parameters = GaussianHiddenMarkovParameters(initial, transitions, means, (sds**2)[:, None, None])
    X = rng.normal(0, 2, (7, 1))
    model = GaussianHiddenMarkov(n_components, lengths=lengths)
    posterior = model.e_step(X, parameters)
    path = viterbi(model, X, parameters)

    densities = norm.pdf(X, means.T, sds)
    objective = entropy = best = 0.0
    states, filtered, transition_counts = [], [], np.zeros((n_components, n_components))
    for rows in np.split(np.arange(7), np.cumsum(lengths)[:-1]):
        paths, joint = all_paths(densities[rows], initial, transitions)
        shares = joint / joint.sum()
        objective += np.log(joint.sum())
        entropy -= (shares[shares > 0] * np.log(shares[shares > 0])).sum()
        best += np.log(joint.max())
        assert path.states[rows].tolist() == paths[joint.argmax()].tolist()
        states += [[shares[column == k].sum() for k in range(n_components)] for column in paths.T]
        for before, after in zip(paths.T, paths.T[1:], strict=False):
            np.add.at(transition_counts, (before, after), shares)
        for end in range(1, len(rows) + 1):
            short, joint = all_paths(densities[rows[:end]], initial, transitions)
            filtered.append([joint[short[:, -1] == k].sum() / joint.sum() for k in range(n_components)])

    assert posterior.objective == pytest.approx(objective, rel=1e-12)
    assert posterior.entropy == pytest.approx(entropy, rel=1e-9, abs=1e-12)
    assert path.log_probability == pytest.approx(best, rel=1e-12)
    np.testing.assert_allclose(posterior.responsibilities, states, atol=1e-13)
    np.testing.assert_allclose(posterior.filtered, filtered, atol=1e-13)
    np.testing.assert_allclose(posterior.transition_counts, transition_counts, atol=1e-12)
    begins = np.cumsum((0, *lengths[:-1]))
    np.testing.assert_allclose(posterior.initial_counts, np.array(states)[begins].sum(axis=0), atol=1e-12)
    assert lower_bound(model, X, posterior, parameters) == pytest.approx(objective, rel=1e-12)


# ---- What forward-backward must survive --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_samples", "n_components"),
    [(1, 2), (2, 2), (3, 1), (50, 4), (333, 2), (1000, 3)],
    ids=lambda value: str(value),
)
def test_blocks_and_logarithms_agree(n_samples, n_components):
    """Two ways that share little: blocks of scaled products, and one row after the other in logarithms."""
    rng = np.random.default_rng(n_samples)
    initial, transitions = chain(n_components, n_samples, zeros=False)
    log_densities = rng.normal(0, 4, (n_samples, n_components)) + rng.normal(0, 300, (n_samples, 1))
    first = rng.random(n_samples) < 0.05
    first[0] = True
    scaled = _scaled(log_densities, initial, transitions, first)
    in_logs = _in_logs(log_densities, initial, transitions, first)
    assert scaled is not None
    assert scaled.log_likelihood == pytest.approx(in_logs.log_likelihood, rel=1e-13)
    assert scaled.entropy == pytest.approx(in_logs.entropy, rel=1e-10, abs=1e-12)
    for name in ("filtered", "backward", "states", "transitions"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(in_logs, name), rtol=1e-9, atol=1e-13)


def test_what_only_an_improbable_state_can_reach():
    """The state that alone may be in at an observation gives it a density of exp(-5000) of the other's."""
    X = np.array([[0.0], [0.1], [100.0], [100.0], [0.2]])
    parameters = GaussianHiddenMarkovParameters([1, 0], np.eye(2), [[0.0], [100.0]], np.ones((2, 1, 1)))
    posterior = GaussianHiddenMarkov(2).e_step(X, parameters)
    assert posterior.objective == pytest.approx(norm.logpdf(X, 0, 1).sum(), rel=1e-13)
    assert np.array_equal(posterior.responsibilities, [[1, 0]] * 5)
    assert posterior.entropy == 0


def test_an_outlier_far_out_leaves_nothing_undefined():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 1)), [[1e6]], rng.normal(5, 1, (60, 1))])
    model = GaussianHiddenMarkov(2)
    start = GaussianHiddenMarkovParameters([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]], [[0.0], [5.0]], np.ones((2, 1, 1)))
    history = run(model, X, start, max_iter=30, tol=0)
    assert np.isfinite(history.objective).all() and (np.diff(history.objective) >= -1e-9).all()


def test_a_sequence_of_ten_thousand():
    """Far below the smallest double if it were multiplied out; the posterior still sums to 1."""
    rng = np.random.default_rng(0)
    X = rng.normal(0, 3, (10_000, 1))
    parameters = GaussianHiddenMarkovParameters(
        [0.5, 0.5], [[0.99, 0.01], [0.02, 0.98]], [[-1.0], [1.0]], np.full((2, 1, 1), 4.0)
    )
    posterior = GaussianHiddenMarkov(2).e_step(X, parameters)
    np.testing.assert_allclose(posterior.responsibilities.sum(axis=1), 1, rtol=1e-13)
    assert posterior.transition_counts.sum() == pytest.approx(9_999, rel=1e-12)
    np.testing.assert_allclose(
        posterior.transition_counts.sum(axis=0), posterior.responsibilities[1:].sum(axis=0), rtol=1e-12
    )


def test_what_cannot_happen_stays_so():
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(mean, 1, (20, 1)) for mean in (0, 4, 8)])
    start = GaussianHiddenMarkovParameters(
        [1, 0, 0], [[0.9, 0.1, 0], [0, 0.9, 0.1], [0, 0, 1]], [[0.0], [4.0], [8.0]], np.ones((3, 1, 1))
    )
    history = run(GaussianHiddenMarkov(3), X, start, max_iter=50, tol=0)
    last = history.parameters[-1]
    assert np.array_equal(last.initial, [1, 0, 0])
    assert np.array_equal(last.transitions == 0, start.transitions == 0)
    assert np.array_equal(last.from_vector(last.to_vector()).transitions == 0, start.transitions == 0)
    assert history.n_iterations == 50


def test_a_state_that_only_ends_sequences_keeps_its_transitions():
    start = CategoricalHiddenMarkovParameters([1, 0], [[0.5, 0.5], [0.3, 0.7]], [[1, 0], [0, 1]])
    model = CategoricalHiddenMarkov(2, 2, lengths=(2, 3))
    Y = [0, 1, 0, 0, 1]
    after = model.m_step(Y, model.e_step(Y, start))
    np.testing.assert_allclose(after.transitions, [[1 / 3, 2 / 3], [0.3, 0.7]])


# ---- Special cases ------------------------------------------------------------------------------------------


def test_with_equal_rows_of_transitions_it_is_a_mixture():
    X = np.array(load("gmm_2d_k3")["X"])
    stored = load("gmm_2d_k3")["models"]["full"]["params"]["1"]
    mixture = GaussianMixtureParameters(stored["weights"], stored["means"], stored["covariances"])
    hidden = GaussianHiddenMarkovParameters(mixture.weights, [mixture.weights] * 3, mixture.means, mixture.covariances)
    expected = GaussianMixture(3).e_step(X, mixture)
    posterior = GaussianHiddenMarkov(3).e_step(X, hidden)
    assert posterior.objective == pytest.approx(expected.objective, rel=1e-13)
    assert posterior.entropy == pytest.approx(expected.entropy, rel=1e-11)
    np.testing.assert_allclose(posterior.responsibilities, expected.responsibilities, atol=1e-13)


def test_one_state_is_one_gaussian():
    X = np.array(load("gmm_2d_k3")["X"])
    model = GaussianHiddenMarkov(1)
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=1, tol=0)
    expected = multivariate_normal(X.mean(axis=0), np.cov(X.T, bias=True)).logpdf(X).sum()
    assert history.objective[-1] == pytest.approx(expected, rel=1e-13)


def test_sequences_are_independent():
    """Several at once give the sum of each alone, whatever stands before and after."""
    rng = np.random.default_rng(1)
    X = rng.normal(0, 2, (30, 1))
    parameters = GaussianHiddenMarkovParameters(
        [0.9, 0.1], [[0.8, 0.2], [0.3, 0.7]], [[-1.0], [1.0]], np.ones((2, 1, 1))
    )
    together = GaussianHiddenMarkov(2, lengths=(11, 4, 15)).e_step(X, parameters)
    alone = [GaussianHiddenMarkov(2).e_step(rows, parameters) for rows in np.split(X, [11, 15])]
    assert together.objective == pytest.approx(sum(one.objective for one in alone), rel=1e-13)
    assert together.entropy == pytest.approx(sum(one.entropy for one in alone), rel=1e-12)
    np.testing.assert_allclose(together.responsibilities, np.concatenate([one.responsibilities for one in alone]))
    np.testing.assert_allclose(together.transition_counts, sum(one.transition_counts for one in alone))


# ---- What is refused, and what ends in a collapse -----------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        pytest.param([[0.5], [1.0]], "whole numbers from 0 to 2, got 0.5 in row 0", id="half"),
        pytest.param([0, 1, 3], "got 3 in row 2", id="too large"),
        pytest.param([0, -1, 2], "got -1 in row 1", id="negative"),
        pytest.param([0, np.nan, 2], "got nan in row 1", id="missing"),
        pytest.param([[0, 1], [1, 2]], r"shape \(n_samples, 1\)", id="two columns"),
        pytest.param([], "at least one row", id="nothing"),
        pytest.param([1], "at least 2 rows", id="one row"),
        pytest.param(["a", "b"], "must consist of numbers", id="text"),
    ],
)
def test_symbols_are_checked(X, message):
    with pytest.raises(ValueError, match=message):
        CategoricalHiddenMarkov(2, 3).prepare(X)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        pytest.param((3, 3), "sum to the 7 rows of X, got .* with sum 6", id="short"),
        pytest.param((1,) * 7, "at least 2 rows, got sequences of 1", id="all ones"),
    ],
)
def test_lengths_must_fit_the_data(lengths, message):
    with pytest.raises(ValueError, match=message):
        GaussianHiddenMarkov(2, lengths=lengths).prepare(np.arange(7.0)[:, None])


@pytest.mark.parametrize("lengths", [(0, 2), (1.5,), 7, (True,)], ids=str)
def test_lengths_are_whole_numbers(lengths):
    with pytest.raises(ValueError, match="lengths"):
        CategoricalHiddenMarkov(2, 2, lengths=lengths)


def test_data_prepared_for_other_lengths_are_refused():
    prepared = GaussianHiddenMarkov(2, lengths=(3, 4)).prepare(np.arange(7.0)[:, None])
    with pytest.raises(ValueError, match="prepared for lengths"):
        GaussianHiddenMarkov(2).prepare(prepared)
    with pytest.raises(ValueError, match="prepared for 3 symbols"):
        CategoricalHiddenMarkov(2, 2).prepare(CategoricalHiddenMarkov(2, 3).prepare([0, 1]))


@pytest.mark.parametrize(
    ("initial", "transitions", "message"),
    [
        pytest.param([0.5, 0.6], np.eye(2), "initial must sum to 1", id="sum"),
        pytest.param([1.5, -0.5], np.eye(2), "initial must not be negative", id="negative"),
        pytest.param([1, 0], [[0.5, 0.4], [0, 1]], "the rows of transitions must sum to 1", id="rows"),
        pytest.param([1, 0], np.eye(3), r"transitions must have shape \(2, 2\)", id="shape"),
        pytest.param([], np.eye(0), "at least one entry", id="nothing"),
    ],
)
def test_chains_are_checked(initial, transitions, message):
    with pytest.raises(ValueError, match=message):
        CategoricalHiddenMarkovParameters(initial, transitions, np.full((2, 2), 0.5))


def test_parameters_of_another_shape_are_refused():
    parameters = CategoricalHiddenMarkovParameters([1], [[1]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"probabilities must have shape .* = \(1, 3\)"):
        CategoricalHiddenMarkov(1, 3).e_step([0, 1, 2], parameters)


def test_what_the_parameters_rule_out_is_said():
    parameters = CategoricalHiddenMarkovParameters([1, 0], np.eye(2), [[1, 0], [0, 1]])
    model = CategoricalHiddenMarkov(2, 2)
    for Y in ([0, 1], [1, 1], [0, 0, 0, 1, 0]):
        with pytest.raises(ValueError, match="probability above 0"):
            model.e_step(Y, parameters)
        with pytest.raises(ValueError, match="probability above 0"):
            viterbi(model, Y, parameters)


def test_a_state_without_steps_is_a_collapse():
    parameters = CategoricalHiddenMarkovParameters([1, 0], np.eye(2), np.full((2, 2), 0.5))
    model = CategoricalHiddenMarkov(2, 2)
    with pytest.raises(DegenerateFit, match="State 2 is empty"):
        model.m_step([0, 1, 0], model.e_step([0, 1, 0], parameters))


def test_a_state_on_one_point_is_a_collapse():
    """A lone far point: the state that takes it alone shrinks on it, and the run ends with that as its reason."""
    X = np.array([[0.0], [0.4], [-0.3], [50.0], [0.2], [-0.6], [0.1]])
    start = GaussianHiddenMarkovParameters([0.5, 0.5], np.full((2, 2), 0.5), [[0.0], [50.0]], np.ones((2, 1, 1)))
    history = run(GaussianHiddenMarkov(2), X, start, max_iter=50, tol=0)
    assert history.stopped == "degenerate"
    assert history.reason.startswith("State 2 collapsed onto the value 50")
    assert "fewer states" in history.advice
