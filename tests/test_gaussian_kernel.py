"""The Gaussian mixture kernel against long-double runs, 60-digit arithmetic and the textbook form.

Measured when written, as parts of the scale: reference log-likelihoods 2e-15, parameters 2e-14; hard cases:
log-likelihood 6e-13, moments 1e-13. The bounds below are what must hold, with room for other processors.
"""

import tracemalloc
import warnings

import numpy as np
import pytest

from emcore.models.gaussian_kernel import (
    GaussianData,
    expectation,
    prepare,
    responsibilities,
    weighted_moments,
)
from tests import textbook
from tests.reference import load

RUNS = [
    ("gmm_1d_k2", "full"),
    ("gmm_1d_k2", "tied"),
    *[(name, kind) for name in ("gmm_2d_k3", "gmm_2d_faithful_k2") for kind in ("full", "diag", "spherical", "tied")],
]
HARD_CASES = sorted(load("hard_cases_mpmath")["cases"])


def random_problem(seed, n_samples=200, n_features=2, n_components=3, spread=3.0):
    """Points from a random mixture, and another random mixture to start from."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.normal(size=(n_components, n_features))
    shapes = 0.4 * rng.normal(size=(n_components, n_features, n_features)) + np.eye(n_features)
    labels = rng.integers(n_components, size=n_samples)
    X = centres[labels] + np.einsum("nij,nj->ni", shapes[labels], rng.normal(size=(n_samples, n_features)))
    weights = rng.dirichlet(np.full(n_components, 3.0))
    means = X[rng.choice(n_samples, n_components, replace=False)] + 0.1 * rng.normal(size=(n_components, n_features))
    factors = rng.normal(size=(n_components, n_features, n_features))
    covariances = factors @ factors.transpose(0, 2, 1) + np.eye(n_features)  # scipy loses digits of thin ones
    return X, weights, means, covariances


def em(X, weights, means, covariances, n_iterations, covariance_type="full"):
    """Yields the log-likelihood and the parameters that it belongs to."""
    data = prepare(X)
    for _ in range(n_iterations):
        found = expectation(data, weights, means, covariances)
        yield found.log_likelihood, weights, means, covariances
        weights, means = found.counts / data.n_samples, found.means
        covariances = textbook.constrained(found.covariances, found.counts, covariance_type)


def assert_close_parameters(got, expected, tolerance):
    """Weights absolutely, means in sds, covariances in products of sds."""
    weights, means, covariances = (np.asarray(part) for part in expected)
    sds = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    assert np.abs(got[0] - weights).max() < tolerance
    assert (np.abs(got[1] - means) / sds).max() < tolerance
    assert (np.abs(got[2] - covariances) / (sds[:, :, None] * sds[:, None, :])).max() < tolerance


def scaled_difference(got, expected):
    return float(np.max(np.abs(np.asarray(got) - expected)) / np.max(np.abs(expected)))


# ---- accuracy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "covariance_type"), RUNS)
def test_reference_runs(name, covariance_type):
    reference = load(name)["models"][covariance_type]
    start = [np.array(reference["params"]["0"][key]) for key in ("weights", "means", "covariances")]
    tolerance = 1e-9 if (name, covariance_type) == ("gmm_2d_faithful_k2", "tied") else 1e-10
    compared = 0
    for t, (log_likelihood, *theta) in enumerate(em(load(name)["X"], *start, 101, covariance_type)):
        assert log_likelihood == pytest.approx(reference["ll_trace"][t], rel=1e-12, abs=0)
        if str(t) in reference["params"]:
            expected = reference["params"][str(t)]
            assert_close_parameters(theta, [expected[key] for key in ("weights", "means", "covariances")], tolerance)
            compared += 1
    assert compared == 6
    first = responsibilities(load(name)["X"], *start)[:5]
    np.testing.assert_allclose(first, reference["resp_first5_iter0"], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases(name):
    case = load("hard_cases_mpmath")["cases"][name]
    X = np.array(case["X"])
    theta = [np.array(case[key]) for key in ("weights", "means", "covariances")]
    expected = [np.array(case["mstep"][key]) for key in ("weights", "means", "covariances")]

    found = expectation(X, *theta)
    assert found.log_likelihood == pytest.approx(float(case["ll_str"]), rel=5e-12, abs=0)
    np.testing.assert_allclose(found.counts / len(X), expected[0], rtol=1e-11)
    assert_close_parameters((found.counts / len(X), found.means, found.covariances), expected, 1e-11)

    given = np.array(case["resp"])
    assert np.abs(responsibilities(X, *theta) - given).max() < 1e-13
    counts, means, covariances = weighted_moments(X, given)
    assert_close_parameters((counts / len(X), means, covariances), expected, 1e-13)


@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_components", [1, 2, 3, 7])
def test_agrees_with_the_textbook(n_features, n_components):
    for seed in range(5):
        X, *theta = random_problem(seed, 150, n_features, n_components)
        log_likelihood, r = textbook.e_step(X, *theta)
        found = expectation(X, *theta)
        assert found.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
        np.testing.assert_allclose(responsibilities(X, *theta), r, rtol=1e-8, atol=1e-13)
        counts, means, covariances = textbook.weighted_moments(X, r)
        np.testing.assert_allclose(found.counts, counts, rtol=1e-11)
        assert_close_parameters((counts, found.means, found.covariances), (counts, means, covariances), 1e-10)
        for given in (r, np.eye(n_components)[r.argmax(axis=1)], np.random.default_rng(seed).random(r.shape)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the textbook divides by empty counts
                expected = textbook.weighted_moments(X, given)
            for got, wanted in zip(weighted_moments(X, given), expected, strict=True):
                assert (np.isnan(got) == np.isnan(wanted)).all()
                np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-11 * np.nanmax(np.abs(wanted)))


def test_many_blocks_agree_with_the_textbook():
    X, *theta = random_problem(1, 100_003, 2, 4)
    X[:300] += 400.0  # a block that leaves the range of exp, beside blocks that do not
    log_likelihood, r = textbook.e_step(X, *theta)
    found = expectation(X, *theta)
    assert found.log_likelihood == pytest.approx(log_likelihood, rel=1e-13)
    np.testing.assert_allclose(responsibilities(X, *theta), r, rtol=1e-8, atol=1e-13)
    counts, means, covariances = textbook.weighted_moments(X, r)
    np.testing.assert_allclose(found.counts, counts, rtol=1e-12)
    assert_close_parameters((counts, found.means, found.covariances), (counts, means, covariances), 1e-11)
    np.testing.assert_allclose(weighted_moments(X, r).covariances, covariances, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("distance", [0.0, 1e1, 1e3, 1e6])
def test_narrow_components_far_from_the_centre(distance):
    """The monomial form alone would lose all digits of these covariances."""
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(size=(60, 2)), distance + 1e-5 * rng.normal(size=(40, 2))])
    theta = (
        np.array([0.6, 0.4]),
        np.array([[0.0, 0.0], [distance, distance]]),
        np.array([np.eye(2), 1e-10 * np.eye(2)]),
    )
    log_likelihood, r = textbook.e_step(X, *theta)
    found = expectation(X, *theta)
    assert found.log_likelihood == pytest.approx(log_likelihood, rel=1e-10)
    counts, means, covariances = textbook.weighted_moments(X, r)
    tolerance = 1e-9 + 10 * np.spacing(distance) / 1e-5  # the mean itself is rounded, in sds
    assert_close_parameters((counts, found.means, found.covariances), (counts, means, covariances), tolerance)


def test_collapse_within_one_step_keeps_its_digits():
    """A wide component takes a narrow and distant cluster: nothing in the old parameters warns of it."""
    rng = np.random.default_rng(4)
    X = np.concatenate([rng.normal(size=(200, 1)), 30 + 1e-6 * rng.normal(size=(50, 1))])
    theta = np.array([0.5, 0.5]), np.array([[0.0], [31.0]]), np.array([[[1.0]], [[1.0]]])
    found = expectation(X, *theta)
    assert found.counts[1] == pytest.approx(50, rel=1e-12)
    assert found.covariances[1, 0, 0] == pytest.approx(X[200:, 0].var(), rel=1e-9)


def test_variance_of_a_few_units_in_the_last_place():
    """Points on neighbouring doubles near 1e6: their mean is no double, their variance follows exactly."""
    steps = np.array([0, 1, 1, 3, 4, 4, 9])
    X = np.append(1e6 + steps * np.spacing(1e6), np.full(20, 999_000.0)).reshape(-1, 1)
    first = np.arange(27) < 7
    expected = steps.var() * np.spacing(1e6) ** 2
    found = weighted_moments(X, np.stack([first, ~first], axis=1))
    assert found.covariances[:, 0, 0].tolist() == pytest.approx([expected, 0], rel=1e-14, abs=0)


@pytest.mark.parametrize("n_samples", [999, 1000, 1001, 1007, 5003])
@pytest.mark.parametrize("distance", [1.0, 6.0, 15.0, 30.0, 60.0])
def test_first_component_may_be_far_worse_than_the_others(n_samples, distance):
    """Ratios to it of up to e^1800: products of totals, then the ratios themselves leave the range."""
    X = np.random.default_rng(n_samples).normal(size=(n_samples, 1))
    theta = np.array([0.5, 0.3, 0.2]), np.array([[distance], [0.0], [0.5]]), np.ones((3, 1, 1))
    log_likelihood, r = textbook.e_step(X, *theta)
    assert expectation(X, *theta).log_likelihood == pytest.approx(log_likelihood, rel=1e-13)
    np.testing.assert_allclose(responsibilities(X, *theta), r, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("correlation", [1 - 1e-6, 1 - 1e-9, 1 - 1e-13, -1 + 1e-13])
def test_correlation_near_one(correlation):
    """The log-density at the mean has the log-determinant (1 - rho) (1 + rho), to all digits."""
    covariance = np.array([[[1.0, correlation], [correlation, 1.0]]])
    found = expectation(np.zeros((1, 2)), np.ones(1), np.zeros((1, 2)), covariance)
    expected = -np.log(2 * np.pi) - 0.5 * (np.log1p(-correlation) + np.log1p(correlation))
    assert found.log_likelihood == pytest.approx(expected, rel=1e-14)


# ---- laws ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_log_likelihood_never_falls(n_features, covariance_type):
    for seed in range(8):
        X, weights, means, covariances = random_problem(seed, 120, n_features, 3, spread=2.0)
        covariances = textbook.constrained(covariances, weights, covariance_type)
        trace = [row[0] for row in em(X, weights, means, covariances, 60, covariance_type)]
        falls = -np.diff(trace) / np.abs(trace[1:])
        assert falls.max() < 1e-12
        assert trace[-1] > trace[0] + 1.0


def test_one_component_is_mean_and_covariance():
    for n_features in (1, 2, 6):
        X, *theta = random_problem(0, 90, n_features, 1)
        found = expectation(X, np.ones(1), *theta[1:])
        assert found.counts[0] == 90
        np.testing.assert_allclose(found.means[0], X.mean(axis=0), rtol=1e-12, atol=1e-13)
        expected = np.atleast_2d(np.cov(X, rowvar=False, bias=True))
        np.testing.assert_allclose(found.covariances[0], expected, rtol=1e-11, atol=1e-12)


def test_shift_changes_only_the_means():
    X, weights, means, covariances = random_problem(2)
    X = np.round(X * 2**20) / 2**20  # so that the shift itself is exact
    means = np.round(means * 2**20) / 2**20
    here = expectation(X, weights, means, covariances)
    there = expectation(X + 1e6, weights, means + 1e6, covariances)
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-13)
    np.testing.assert_allclose(there.counts, here.counts, rtol=1e-12)
    np.testing.assert_allclose(there.means - 1e6, here.means, atol=2e-10)  # one unit in the last place of 1e6
    np.testing.assert_allclose(there.covariances, here.covariances, rtol=1e-11)


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 3.0, 1e8])
def test_scale_changes_units_only(factor):
    X, weights, means, covariances = random_problem(5)
    here = expectation(X, weights, means, covariances)
    there = expectation(factor * X, weights, factor * means, factor**2 * covariances)
    expected = here.log_likelihood - X.size * np.log(factor)
    assert there.log_likelihood == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(there.counts, here.counts, rtol=1e-11)
    np.testing.assert_allclose(there.means / factor, here.means, rtol=1e-11)
    np.testing.assert_allclose(there.covariances / factor**2, here.covariances, rtol=1e-11)


def test_order_of_components_and_points_does_not_matter():
    X, *theta = random_problem(6, n_components=4)
    here = expectation(X, *theta)
    order = np.array([2, 0, 3, 1])
    there = expectation(X[::-1], *(part[order] for part in theta))
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-14)
    np.testing.assert_allclose(there.counts, here.counts[order], rtol=1e-12)
    np.testing.assert_allclose(there.means, here.means[order], rtol=1e-11)
    np.testing.assert_allclose(there.covariances, here.covariances[order], rtol=1e-11)


def test_results_are_consistent_symmetric_and_read_only():
    X, *theta = random_problem(7, 400, 4, 3)
    found = expectation(X, *theta)
    assert found.counts.sum() == pytest.approx(400, rel=1e-13)
    assert (found.covariances == found.covariances.transpose(0, 2, 1)).all()
    r = responsibilities(X, *theta)
    assert r.shape == (400, 3)
    np.testing.assert_allclose(r.sum(axis=1), 1.0, rtol=4e-15)
    for array in (found.counts, found.means, found.covariances, *weighted_moments(X, r), prepare(X).X):
        assert not array.flags.writeable


# ---- edges -----------------------------------------------------------------------------------------------


def test_a_component_too_far_for_any_point_is_empty():
    X = np.random.default_rng(0).normal(size=(50, 2))
    theta = np.array([0.5, 0.5]), np.array([[0.0, 0.0], [1e3, 1e3]]), np.array([np.eye(2), np.eye(2)])
    found = expectation(X, *theta)
    assert found.counts.tolist() == [50, 0]
    assert np.isnan(found.means[1]).all() and np.isnan(found.covariances[1]).all()
    assert np.isfinite(found.means[0]).all() and np.isfinite(found.covariances[0]).all()
    assert found.log_likelihood == pytest.approx(textbook.e_step(X, *theta)[0], rel=1e-13)


@pytest.mark.parametrize("empty", [[1], [0], [0, 1]])
def test_weight_zero_takes_nothing(empty):
    X, weights, means, covariances = random_problem(8)
    weights[empty] = 0.0
    weights /= weights.sum()
    left = [k for k in range(3) if k not in empty]
    found = expectation(X, weights, means, covariances)
    without = expectation(X, weights[left], means[left], covariances[left])
    assert (found.counts[empty] == 0).all()
    assert found.log_likelihood == pytest.approx(without.log_likelihood, rel=1e-13)
    np.testing.assert_allclose(found.covariances[left], without.covariances, rtol=1e-11)


def test_points_far_from_every_component():
    """Here every density underflows; their ratios still decide."""
    X = np.array([[1e5], [-1e5], [0.3]])
    theta = np.array([0.3, 0.7]), np.array([[0.0], [1.0]]), np.array([[[1.0]], [[1.0]]])
    np.testing.assert_allclose(responsibilities(X, *theta)[:2], [[0, 1], [1, 0]], atol=0)
    assert expectation(X, *theta).log_likelihood == pytest.approx(textbook.e_step(X, *theta)[0], rel=1e-14)


def test_points_whose_squared_distance_is_no_double():
    X = np.array([[1e10], [0.0], [-3e9]])
    narrow, wide = 1e-295, 1e18
    r = responsibilities(X, np.array([0.5, 0.5]), np.zeros((2, 1)), np.array([[[narrow]], [[wide]]]))
    np.testing.assert_allclose(r, [[0, 1], [1, 0], [0, 1]], rtol=0, atol=1e-150)
    alone = expectation(X, np.ones(1), np.zeros((1, 1)), np.array([[[narrow]]]))
    assert alone.counts.tolist() == [3] and np.isfinite(alone.log_likelihood)


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("n_samples", [3, 10, 20, 1003])
def test_identical_points(n_samples, n_features):
    X = np.full((n_samples, n_features), 0.1)
    data = prepare(X)
    assert (data.sds == 0).all()
    means = np.full((2, n_features), 0.1)
    means[1] += 1
    found = expectation(data, np.array([0.5, 0.5]), means, np.array([np.eye(n_features)] * 2))
    np.testing.assert_allclose(found.means, 0.1, rtol=1e-12)
    assert np.abs(found.covariances).max() < 1e-30


def test_memory_stays_near_that_of_the_data():
    X, *theta = random_problem(0, 300_000, 2, 5)
    tracemalloc.start()
    try:
        expectation(prepare(X), *theta)
        assert tracemalloc.get_traced_memory()[1] < 2 * X.nbytes
    finally:
        tracemalloc.stop()


def test_prepare_lays_out_once():
    X = [[0, 1], [2, 5], [4, 3]]
    data = prepare(X)
    assert isinstance(data, GaussianData) and prepare(data) is data
    assert (data.n_samples, data.n_features) == (3, 2)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_allclose(data.sds, np.std(X, axis=0))
    for order in "CF":  # neither layout is changed or misread
        points = np.array(X, dtype=float, order=order)
        np.testing.assert_array_equal(prepare(points).X, X)
        np.testing.assert_array_equal(points, X)
        assert points.flags.writeable
    column = np.array([[1.0], [2.0], [9.0]])
    prepare(column)
    np.testing.assert_array_equal(column, [[1.0], [2.0], [9.0]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"\(n_samples, n_features\), got \(2,\).*reshape"),
        (np.zeros((2, 2, 2)), r"got \(2, 2, 2\)"),
        (np.zeros((0, 2)), "at least one row"),
        (np.zeros((3, 0)), "at least one row and one column"),
        ([[1.0], [np.nan]], "finite.*row 1"),
        ([[np.inf, 0.0]], "finite.*row 0"),
        ([["a"]], "numbers"),
        ([[1.0], [2.0, 3.0]], "numbers"),
        ([[1e200]], "1e100"),
    ],
)
def test_prepare_says_what_is_wrong_with_x(X, message):
    with pytest.raises(ValueError, match=message):
        prepare(X)


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_covariances_must_be_positive_definite(n_features, value):
    X, weights, means, covariances = random_problem(0, n_features=n_features)
    covariances[1, -1, -1] = value
    with pytest.raises(ValueError, match="positive definite, covariance 2 "):
        expectation(X, weights, means, covariances)


def test_indefinite_covariance_with_positive_variances():
    X, weights, means, covariances = random_problem(0)
    for off_diagonal in (1.0, 2.0, -1.5):
        covariances[2] = [[1.0, off_diagonal], [off_diagonal, 1.0]]
        with pytest.raises(ValueError, match="covariance 3 "):
            responsibilities(X, weights, means, covariances)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_means_must_be_finite(value):
    X, weights, means, covariances = random_problem(0)
    means[1, 0] = value
    with pytest.raises(ValueError, match="mean 2 "):
        expectation(X, weights, means, covariances)


@pytest.mark.parametrize("weights", [[0.5, -0.5], [0.5, np.nan], [0.0, 0.0], [1.0, np.inf]])
def test_weights_must_be_legal(weights):
    X, _, means, covariances = random_problem(0, n_components=2)
    with pytest.raises(ValueError, match="weights"):
        expectation(X, np.array(weights), means, covariances)


def test_shapes_must_match():
    X, weights, means, covariances = random_problem(0)
    with pytest.raises(ValueError, match=r"means must have shape.*\(3, 2\)"):
        expectation(X, weights, means[:2], covariances)
    with pytest.raises(ValueError, match=r"covariances \(3, 2, 2\), got"):
        expectation(X, weights, means, covariances[:, 0])
    with pytest.raises(ValueError, match=r"\(200, n_components\), got \(199, 3\)"):
        weighted_moments(X, np.ones((199, 3)))


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_given_responsibilities_must_be_legal(value):
    X, *_ = random_problem(0)
    given = np.full((200, 2), 0.5)
    given[17, 1] = value
    with pytest.raises(ValueError, match="finite numbers and not negative"):
        weighted_moments(X, given)


def test_given_responsibilities_of_nothing():
    X, *_ = random_problem(0)
    counts, means, covariances = weighted_moments(X, np.eye(2)[np.zeros(200, dtype=int)])
    assert counts.tolist() == [200, 0]
    assert np.isnan(means[1]).all() and np.isnan(covariances[1]).all()


def test_a_spread_whose_square_underflows_is_refused():
    with pytest.raises(ValueError, match="multiply it by a constant"):
        prepare([[0.0], [1e-120]])
    prepare([[0.0, 1.0], [1e-90, 1.0]])
