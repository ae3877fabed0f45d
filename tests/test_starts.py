"""Every start is legal for every model, also on hostile data; and each is what its description says."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import run
from emcore.models import GaussianMixture, GaussianMixtureParameters, KMeans
from emcore.starts import STARTS, ByHand, start

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
CHOSEN = [name for name in STARTS if name != "by-hand"]
RANDOM = [name for name in CHOSEN if STARTS[name].random]


def points(n_samples=90, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])[:, :n_features]
    return centres[rng.integers(3, size=n_samples)] + rng.standard_normal((n_samples, n_features))


HOSTILE = {
    "identical points": np.full((12, 2), 3.7),
    "one point": np.array([[1.0, 2.0]]),
    "fewer points than components": np.array([[0.0, 0.0], [1.0, 3.0]]),
    "constant column": np.column_stack([np.arange(20.0), np.full(20, 0.1)]),
    "on a line": np.column_stack([np.arange(20.0), 2 * np.arange(20.0) + 1]),
    "two values": np.repeat([[0.0], [1.0]], 10, axis=0),
    "far off the origin": 1e8 + points(),
    "huge": 1e80 * points(),
    "tiny": 1e-80 * points(),
    "unlike units": points() * (1e-6, 1e6),
    "one outlier": np.concatenate([points(), [[1e6, -1e6]]]),
    "all zero": np.zeros((5, 1)),
    "almost on a line": np.column_stack([np.arange(20.0), np.arange(20.0) + 1e-7 * np.sin(np.arange(20.0))]),
    "far off on one axis": points() + np.array([1e12, 0.0]),
    "far apart": np.array([[1e100, -1e100], [-1e100, 1e100], [0.0, 0.0]]),
    "whole numbers": np.round(points()).astype(int),
    "more axes than points": np.random.default_rng(0).standard_normal((3, 5)),
    "sums of other columns": np.column_stack([points(), points().sum(axis=1)]),
}
MODELS = [*(GaussianMixture(3, kind) for kind in COVARIANCE_TYPES), KMeans(3)]


def same(first, second):
    return np.array_equal(first.means, second.means)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("data", HOSTILE)
def test_every_start_is_legal_on_hostile_data(model, name, data):
    """No warning (they are errors here), no traceback: legal parameters, and a run that says how it ended."""
    X = HOSTILE[data]
    parameters = start(name, model, X, 0)
    assert parameters.means.shape == (3, X.shape[1])
    assert np.isfinite(parameters.means).all()
    if isinstance(model, GaussianMixture):
        GaussianMixtureParameters(parameters.weights, parameters.means, parameters.covariances)  # checks them all
        assert parameters.covariance_type == model.covariance_type
    history = run(model, X, parameters, max_iter=5)
    assert np.isfinite(history.objective).all()
    assert history.reason


@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_every_start_leads_somewhere_on_good_data(name, n_features, n_components):
    X = points(n_features=n_features)
    model = GaussianMixture(n_components)
    history = run(model, X, start(name, model, X, 1), max_iter=3)
    assert history.n_iterations >= 1
    assert (np.diff(history.objective) >= -1e-9).all()


@pytest.mark.parametrize("name", CHOSEN)
def test_the_seed_decides_a_random_start_and_no_other(name):
    X, model = points(), GaussianMixture(3)
    first = start(name, model, X, 0)
    assert same(first, start(name, model, X, 0))
    others = [same(first, start(name, model, X, seed)) for seed in range(1, 6)]
    assert all(others) is not STARTS[name].random


def test_random_points_are_points_with_the_covariance_of_all():
    X, model = points(), GaussianMixture(4)
    parameters = start("random-points", model, X, 2)
    assert all(tuple(mean) in set(map(tuple, X)) for mean in parameters.means)
    assert len(np.unique(parameters.means, axis=0)) == 4
    np.testing.assert_array_equal(parameters.weights, 0.25)
    np.testing.assert_allclose(parameters.covariances, np.tile(np.cov(X.T, bias=True), (4, 1, 1)))


def test_random_responsibilities_bring_all_means_close_to_the_grand_mean():
    X = points(2000)
    parameters = start("random-responsibilities", GaussianMixture(3), X, 0)
    assert np.abs(parameters.means - X.mean(axis=0)).max() < 0.3
    assert len(np.unique(parameters.means, axis=0)) == 3


def test_k_means_plus_plus_spreads_its_points():
    """On three groups far apart it almost always takes one point of each; random points seldom do."""
    X = np.concatenate([centre + 0.01 * points(30) for centre in (0, 100, 200)])
    spread = [start("k-means-plus-plus", KMeans(3), X, seed).means for seed in range(20)]
    assert sum(len(np.unique(means.round(-2)[:, 0])) == 3 for means in spread) == 20


def test_k_means_gives_the_moments_of_its_clusters():
    X = points()
    parameters = start("k-means", GaussianMixture(3), X, 0)
    centres = start("k-means", KMeans(3), X, 0).means
    nearest = ((X[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    for k in range(3):
        cluster = X[nearest == k]
        assert parameters.weights[k] == pytest.approx(len(cluster) / len(X))
        np.testing.assert_allclose(parameters.means[k], cluster.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(parameters.covariances[k], np.cov(cluster.T, bias=True), atol=1e-9)
    # Lloyd's algorithm has nothing left to do
    assert run(KMeans(3), X, start("k-means", KMeans(3), X, 0)).n_iterations == 1


def test_k_means_with_a_cluster_of_one_point_starts_from_its_centres():
    X = np.concatenate([points(40), [[50.0, 50.0]]])
    parameters = start("k-means", GaussianMixture(2), X, 0)
    assert (parameters.means == 50).any()
    np.testing.assert_allclose(parameters.covariances[0], np.cov(X.T, bias=True))


def test_farthest_points_take_the_centre_and_then_the_corners():
    X = np.array([[0.0, 0.0], [10.0, 0.0], [0.1, 9.0], [-8.0, 0.0], [3.0, 3.0], [0.0, -3.0]])
    means = start("farthest-points", GaussianMixture(4), X, 0).means
    np.testing.assert_array_equal(means, [(0, 0), (10, 0), (0.1, 9), (-8, 0)])


def test_the_grand_mean_is_a_saddle_that_em_does_not_leave():
    X, model = points(), GaussianMixture(3)
    history = run(model, X, start("grand-mean", model, X, 0), max_iter=10, tol=0)
    for parameters in history.parameters:
        np.testing.assert_allclose(parameters.means, np.tile(X.mean(axis=0), (3, 1)), atol=1e-9)
    np.testing.assert_allclose(history.objective, history.objective[0], rtol=1e-12)


def test_the_poor_start_crowds_one_end_of_the_longest_direction():
    X = points() * (10, 1)
    means = start("poor", GaussianMixture(3), X, 0).means
    np.testing.assert_array_equal(np.sort(means[:, 0]), np.sort(X[:, 0])[:3])
    mirrored = start("poor", GaussianMixture(3), X * (1, -1), 0).means
    np.testing.assert_array_equal(np.sort(mirrored[:, 0]), np.sort(X[:, 0])[:3])


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("name", CHOSEN)
def test_a_start_takes_lists_arrays_and_prepared_data(name, model):
    X = points()
    wanted = start(name, model, X, 3)
    for given in (X, X.tolist(), model.prepare(X)):
        got = STARTS[name](model, given, np.random.default_rng([3, 1]))
        np.testing.assert_array_equal(got.to_vector(), wanted.to_vector())
    with pytest.raises(ValueError, match="X must have shape"):
        STARTS[name](model, X[0], np.random.default_rng(0))


# By hand

BY_HAND = ByHand((0.3, 0.7), ((-3.0, 0.5), (4.0, 1.0)), (((2.0, 0.3), (0.3, 1.0)), ((3.0, -0.5), (-0.5, 0.7))))


def test_a_start_by_hand_is_taken_as_it_is():
    parameters = start("by-hand", GaussianMixture(2), points(), 0, BY_HAND)
    assert ByHand.of(parameters) == BY_HAND
    assert hash(ByHand.of(parameters)) == hash(BY_HAND)
    np.testing.assert_array_equal(start("by-hand", KMeans(2), points(), 0, BY_HAND).means, BY_HAND.means)


def test_numbers_by_hand_may_come_in_lists_and_arrays():
    listed = ByHand([0.3, 0.7], np.array(BY_HAND.means), [np.array(matrix) for matrix in BY_HAND.covariances])
    assert listed == BY_HAND and hash(listed) == hash(BY_HAND)
    assert type(listed.means[0][0]) is float


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_a_start_by_hand_is_brought_into_the_family_so_that_em_climbs(kind):
    X, model = points(), GaussianMixture(2, kind)
    parameters = start("by-hand", model, X, 0, BY_HAND)
    again = parameters.from_vector(parameters.to_vector())  # the coordinates know the family
    np.testing.assert_allclose(again.covariances, parameters.covariances, rtol=1e-12, atol=1e-15)
    objective = run(model, X, parameters, max_iter=20, tol=0).objective
    assert (np.diff(objective) >= -1e-9).all()
    expected = {"tied": 0.3 * 2.0 + 0.7 * 3.0, "spherical": 1.5}.get(kind, 2.0)
    assert parameters.covariances[0, 0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("by_hand", "words"),
    [
        (None, "needs weights, means and covariances"),
        (ByHand((1.0,), BY_HAND.means[:1], BY_HAND.covariances[:1]), "a row for every component"),
        (ByHand((0.5, 0.6), BY_HAND.means, BY_HAND.covariances), "sum to 1"),
        (ByHand((0.5, 0.5), BY_HAND.means, (((1.0, 2.0), (2.0, 1.0)),) * 2), "positive definite"),
        (ByHand((0.5, 0.5), ((np.nan, 0.0), (1.0, 1.0)), BY_HAND.covariances), "finite"),
        (ByHand((0.5, 0.5), ((1.0, 0.0), (1.0,)), BY_HAND.covariances), "means by hand .* must be numbers"),
        (ByHand((0.5, 0.5), (("a", 0.0), (1.0, 1.0)), BY_HAND.covariances), "means by hand .* must be numbers"),
        (ByHand((0.2, 0.3, 0.5), BY_HAND.means, BY_HAND.covariances), "means must have shape"),
    ],
)
def test_impossible_numbers_by_hand_are_refused(by_hand, words):
    with pytest.raises(ValueError, match=words):
        start("by-hand", GaussianMixture(2), points(), 0, by_hand)


def test_an_unknown_start_or_seed_is_refused():
    with pytest.raises(ValueError, match="must be one of random-points"):
        start("lucky", GaussianMixture(2), points(), 0)
    for seed in (-1, 0.5, None):
        with pytest.raises(ValueError, match="seed must be a whole number"):
            start("random-points", GaussianMixture(2), points(), seed)


def test_starts_describe_themselves():
    for name, described in STARTS.items():
        assert name == name.lower() and name.replace("-", "").isalnum()
        assert described.title and described.description.endswith(".")
