"""A prior as ghost points and as a density; a floor as the exact maximum; and neither where nobody asked for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emcore import em, landscape, lower_bound, run, worked
from emcore.experiment import Experiment, PresetData
from emcore.models import GaussianMixture, GaussianMixtureParameters, GaussianPrior, GhostPoints
from emcore.models.gaussian_prior import least_spread_count
from emcore.report import points_taken
from emcore.restarts import distinct, run_many
from emcore.variants import Variant
from tests.cases import log_prior

TYPES = ("full", "tied", "diag", "spherical")
every_type = pytest.mark.parametrize("covariance_type", TYPES)


def points(n_features: int = 2, n_samples: int = 30, seed: int = 0):
    rng = np.random.default_rng(seed)
    X = rng.normal(0, 1, (n_samples, n_features)) @ (np.eye(n_features) + 0.4 * np.tri(n_features))
    X[: n_samples // 3] += 3
    return X


def prior_of(n_features: int = 2, **changes) -> GaussianPrior:
    root = np.tri(n_features) / 2
    given = {"degrees_of_freedom": n_features + 1.5, "mean_strength": 1.7, "weight_concentration": 2.5}
    return GaussianPrior(np.arange(1.0, n_features + 1), root @ root.T + np.eye(n_features), **(given | changes))


def random_posterior(model: GaussianMixture, X, seed: int = 1):
    rng = np.random.default_rng(seed)
    return model.from_responsibilities(X, rng.dirichlet(np.ones(model.n_components) / 2, len(X)))


@every_type
def test_without_a_prior_it_is_maximum_likelihood_to_the_bit(covariance_type):
    X = points()
    model = GaussianMixture(3, covariance_type)
    assert model == GaussianMixture(3, covariance_type, None, 0.0) and model.objective_name == "Log-likelihood"
    start = model.initialize(X, np.random.default_rng(2))
    posterior = model.e_step(X, start)
    fitted = model.m_step(X, posterior)
    assert fitted.means is posterior.means
    assert np.array_equal(fitted.weights, posterior.counts / len(X))
    if covariance_type == "full":
        assert fitted.covariances is posterior.covariances
    assert model.log_prior(fitted) == 0.0
    # a floor far below changes no digit either
    low = run(replace(model, sd_floor=1e-9), X, start, max_iter=10, tol=0)
    plain = run(model, X, start, max_iter=10, tol=0)
    assert np.array_equal(low.objective, plain.objective)


# ---- The prior ---------------------------------------------------------------------------------------------


@every_type
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_the_m_step_is_the_one_of_fraley_and_raftery(covariance_type, n_features):
    """The divisors and sums of their tables, written out."""
    X, k, d = points(n_features), 2, n_features
    prior = prior_of(d)
    model = GaussianMixture(k, covariance_type, prior)
    posterior = random_posterior(model, X)
    r = posterior.responsibilities
    n = r.sum(axis=0)
    fitted = model.m_step(X, posterior)
    kappa, nu, centre = prior.mean_strength, prior.degrees_of_freedom, np.array(prior.mean)
    scatters = []
    for j in range(k):
        mean = r[:, j] @ X / n[j]
        within = (X - mean).T @ (r[:, j, None] * (X - mean))
        off = mean - centre
        scatters.append(within + kappa * n[j] / (kappa + n[j]) * np.outer(off, off))
        np.testing.assert_allclose(fitted.means[j], (n[j] * mean + kappa * centre) / (n[j] + kappa), rtol=1e-12)
    scale = np.array(prior.scatter)
    for j in range(k):
        wanted = {
            "full": (scale + scatters[j]) / (nu + n[j] + d + 2),
            "tied": (scale + sum(scatters)) / (nu + len(X) + d + k + 1),
            "diag": np.diag(np.diag(scale + scatters[j])) / (nu + n[j] + 3),
            "spherical": np.eye(d) * (np.trace(scale) / d + np.trace(scatters[j])) / (nu + (n[j] + 1) * d + 2),
        }[covariance_type]
        np.testing.assert_allclose(fitted.covariances[j], wanted, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(fitted.weights, (n + 1.5) / (len(X) + 1.5 * k), rtol=1e-12)


def test_ghost_points_are_points():
    """Where both counts agree, the prior is a set of labelled points: fitted together, they give the same M-step."""
    X, k, count = points(), 2, 8
    spread = np.array([[2.0, 0.6], [0.6, 0.5]])
    centre = np.array([-1.0, 2.0])
    ghosts = GhostPoints(centre, count, spread, count, count)
    model = GaussianMixture(k, "full", GaussianPrior.from_ghost_points(ghosts, k, "full"))
    posterior = random_posterior(model, X)
    # eight points of mean `centre` and covariance `spread`, one set for each component
    corners = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)] * 2, dtype=float)
    cloud = centre + corners @ np.linalg.cholesky(spread).T
    np.testing.assert_allclose(np.cov(cloud, rowvar=False, bias=True), spread, atol=1e-12)
    everything = np.concatenate([X, cloud, cloud])
    labels = np.repeat(np.eye(2), count, axis=0)
    plain = GaussianMixture(k)
    shares = np.concatenate([posterior.responsibilities, labels])
    wanted = plain.m_step(everything, plain.from_responsibilities(everything, shares))
    np.testing.assert_allclose(model.m_step(X, posterior).to_vector(), wanted.to_vector(), rtol=1e-11)


@every_type
@pytest.mark.parametrize("n_features", [1, 3])
def test_ghost_points_and_back(covariance_type, n_features):
    prior = prior_of(n_features)
    ghosts = prior.ghost_points(4, covariance_type)
    back = GaussianPrior.from_ghost_points(ghosts, 4, covariance_type)
    assert back.degrees_of_freedom == pytest.approx(prior.degrees_of_freedom, rel=1e-12)
    assert (back.mean, back.mean_strength, back.weight_concentration) == (prior.mean, 1.7, 2.5)
    again = back.ghost_points(4, covariance_type)
    np.testing.assert_allclose(again.spread, ghosts.spread, rtol=1e-12, atol=1e-15)
    assert again.spread_count == pytest.approx(ghosts.spread_count, rel=1e-12)
    if covariance_type in ("full", "tied"):
        np.testing.assert_allclose(back.scatter, prior.scatter, rtol=1e-12)
    too_few = ghosts._replace(spread_count=least_spread_count(n_features, 4, covariance_type))
    with pytest.raises(ValueError, match="spread_count must be a finite number, greater than"):
        GaussianPrior.from_ghost_points(too_few, 4, covariance_type)


def test_the_prior_from_the_data():
    X = points()
    weak = GaussianPrior.fraley_raftery(X, 3, "full")
    np.testing.assert_allclose(weak.scatter, np.cov(X, rowvar=False) / 3, rtol=1e-12)
    np.testing.assert_allclose(weak.mean, X.mean(axis=0), rtol=1e-12)
    assert (weak.degrees_of_freedom, weak.mean_strength, weak.weight_concentration) == (4.0, 0.01, 1.0)
    round_ = GaussianPrior.fraley_raftery(X, 3, "diag")
    np.testing.assert_allclose(round_.scatter, np.eye(2) * X.var(axis=0, ddof=1).mean() / 3, rtol=1e-12)
    alone = GaussianPrior.fraley_raftery(X[:, :1], 3, "full")
    np.testing.assert_allclose(alone.scatter, [[X[:, 0].var(ddof=1) / 9]], rtol=1e-12)


@every_type
def test_the_objective_is_named_and_holds_the_log_prior(covariance_type):
    X, prior = points(), prior_of()
    model = GaussianMixture(2, covariance_type, prior)
    assert model.objective_name == "Log-likelihood + log prior"
    assert replace(model, sd_floor=0.25).objective_name == "Log-likelihood + log prior (every sd at least 0.25)"
    plain = replace(model, prior=None)
    theta = model.initialize(X, np.random.default_rng(0))
    added = log_prior(theta, prior, covariance_type)  # by scipy
    assert model.log_prior(theta) == pytest.approx(added, rel=1e-12)
    assert model.e_step(X, theta).objective - plain.e_step(X, theta).objective == pytest.approx(added, rel=1e-10)


def test_duplicates_no_longer_collapse():
    """The likelihood has no maximum there; with a prior or a floor EM climbs and converges."""
    X = np.concatenate([points(1, 20), np.full((4, 1), 9.0)])
    start = GaussianMixtureParameters([0.5, 0.5], [[0.0], [9.0]], [[[1.0]], [[0.5]]])
    assert run(GaussianMixture(2), X, start, max_iter=500).stopped == "degenerate"
    prior = GaussianPrior.fraley_raftery(X, 2, "full")
    for model in (GaussianMixture(2, prior=prior), GaussianMixture(2, sd_floor=0.2)):
        history = run(model, X, model.constrain(start), max_iter=500)
        assert history.stopped == "converged"
        assert (np.diff(history.objective) >= -1e-12 * np.abs(history.objective[1:])).all()
    assert history.parameters[-1].sds[1] == pytest.approx(0.2, rel=1e-12)  # the floor holds it


def test_a_component_without_points_is_all_ghost():
    X, prior = points(), prior_of()
    model = GaussianMixture(2, "full", prior)
    nobody = model.from_responsibilities(X, np.tile([1.0, 0.0], (len(X), 1)))
    fitted = model.m_step(X, nobody)
    ghosts = prior.ghost_points(2, "full")
    np.testing.assert_allclose(fitted.means[1], ghosts.mean)
    np.testing.assert_allclose(fitted.covariances[1], ghosts.spread)
    assert fitted.weights[1] == pytest.approx(1.5 / (len(X) + 3), rel=1e-12)
    with pytest.raises(em.DegenerateFit, match="Component 2 is empty"):
        flat = GaussianMixture(2, "full", replace(prior, weight_concentration=1.0))
        flat.m_step(X, nobody)


# ---- The floor ---------------------------------------------------------------------------------------------


@every_type
def test_no_legal_covariance_beats_the_floored_one(covariance_type):
    """Random covariances above the floor, near and far: coordinates alone would not see a wrong eigenvector."""
    X, floor = points(3, 12), 2.0
    model = GaussianMixture(2, covariance_type, sd_floor=floor)
    posterior = random_posterior(model, X)
    best = model.m_step(X, posterior)
    free = replace(model, sd_floor=0.0).m_step(X, posterior)
    assert (np.linalg.eigvalsh(free.covariances)[:, 0] < floor**2).any(), "the floor does not act"
    assert (np.linalg.eigvalsh(best.covariances) >= floor**2 * (1 - 1e-12)).all()
    reached = model.expected_log_joint(X, posterior, best)
    rng = np.random.default_rng(3)
    for size in np.repeat([1e-3, 1e-2, 0.1, 1.0], 50):
        moved = best.covariances + size * np.array([(a + a.T) / 2 for a in rng.normal(size=(2, 3, 3))])
        values, vectors = np.linalg.eigh(moved)
        legal = (vectors * np.maximum(values, floor**2)[:, None, :]) @ vectors.swapaxes(1, 2)
        other = model.constrain(GaussianMixtureParameters(best.weights, best.means, legal, covariance_type))
        assert model.expected_log_joint(X, posterior, other) <= reached + 1e-11 * abs(reached)


def test_a_start_below_the_floor_is_lifted():
    X = points()
    model = GaussianMixture(2, sd_floor=50.0)
    assert (model.initialize(X, np.random.default_rng(0)).sds >= 50 * (1 - 1e-12)).all()
    assert model.objective_name == "Log-likelihood (every sd at least 50)"


def test_what_is_too_weak_for_doubles_says_so():
    X = np.concatenate([points(1, 20), np.full((4, 1), 9.0)])
    start = GaussianMixtureParameters([0.5, 0.5], [[0.0], [9.0]], [[[1.0]], [[0.5]]])
    history = run(GaussianMixture(2, sd_floor=1e-14), X, start, max_iter=500)
    assert history.stopped == "degenerate"
    assert "double precision" in history.reason and "without limit" not in history.reason
    assert history.advice == "Try a larger floor, or a prior with a larger scale."


# ---- Who must know of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"prior": prior_of()}, {"sd_floor": 0.7}], ids=["prior", "floor"])
def test_it_is_never_silently_left_out(changes):
    X = points()
    model = replace(GaussianMixture(2), **changes)
    starts = [model.initialize(X, np.random.default_rng(seed)) for seed in range(3)]
    runs = run_many(model, X, starts, max_iter=20, tol=0)
    for i, start in enumerate(starts):
        alone = run(model, X, start, max_iter=20, tol=0)
        assert runs.objective[i] == alone.objective[-1] and runs.n_iterations[i] == 20
        assert np.array_equal(runs.parameters[i].to_vector(), alone.parameters[-1].to_vector())
    theta = starts[0]
    names = ("mean 1, x", "mean 2, x")
    grid = np.linspace(-1, 1, 3)
    refused = [
        lambda: distinct(X, runs),
        lambda: landscape.basins(model, X, theta, names, grid, grid),
        lambda: landscape.basins_at(model, X, theta, 0, X[:2]),
        lambda: landscape.surface(model, X, theta, ("mean 1, x", "mean 1, y"), grid, grid, profiled=True),
        lambda: Variant(model, "full"),
        lambda: worked.average(model, X, model.e_step(X, theta), 0),
        lambda: worked.sheet(model, X[:5], theta),
    ]
    for ask in refused:
        with pytest.raises(ValueError, match="must be those of maximum likelihood"):
            ask()


def test_a_caption_counts_points_without_ghosts():
    X = points()
    model = GaussianMixture(2, "full", prior_of(weight_concentration=40.0))
    history = run(model, X, model.initialize(X, np.random.default_rng(0)), max_iter=3, tol=0)
    for iteration in range(4):
        counted = history.posterior(iteration).responsibilities.sum(axis=0)
        np.testing.assert_allclose(points_taken(history, iteration), counted, rtol=1e-12)


def test_slices_and_grids_hold_the_log_prior():
    X = points()
    model = GaussianMixture(2, "full", prior_of())
    theta = model.initialize(X, np.random.default_rng(0))
    values = np.array([-1.0, 0.0, 2.0])

    def objective(places):
        vector = theta.to_vector()
        for name, value in places.items():
            vector[theta.names.index(name)] = value
        return model.e_step(X, theta.from_vector(vector)).objective

    wanted = [objective({"mean 1, x": value}) for value in values]
    np.testing.assert_allclose(landscape.along(model, X, theta, "mean 1, x", values), wanted, rtol=1e-13)
    grid = landscape.surface(model, X, theta, ("mean 1, x", "mean 2, y"), values, values[:2])
    there = objective({"mean 1, x": 2.0, "mean 2, y": 0.0})
    assert grid.log_likelihood[1, 2] == pytest.approx(there, rel=1e-13)
    posterior = model.e_step(X, theta)
    here, bound = landscape.bound_at(model, X, posterior, theta, [theta.to_vector()])
    assert here[0] == pytest.approx(posterior.objective, rel=1e-13) == bound[0]
    assert lower_bound(model, X, posterior, theta) == pytest.approx(posterior.objective, rel=1e-12)


def test_an_experiment_knows_its_prior():
    base = Experiment(PresetData("three-blobs"), GaussianMixture(3))
    prior = prior_of()
    others = [
        replace(base, model=replace(base.model, **changes))
        for changes in ({"prior": prior}, {"prior": replace(prior, mean_strength=2.0)}, {"sd_floor": 0.5})
    ]
    assert len({base, *others}) == len({experiment.digest for experiment in [base, *others]}) == 4
    assert prior == prior_of() and hash(prior) == hash(prior_of())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"degrees_of_freedom": 1.0}, "degrees_of_freedom must be a finite number, greater than 1, got 1.0"),
        ({"mean_strength": 0}, "mean_strength must be a finite number, greater than 0"),
        ({"mean_strength": float("nan")}, "mean_strength must be a finite number"),
        ({"weight_concentration": 0.5}, "weight_concentration must be a finite number, at least 1, got 0.5"),
        ({"weight_concentration": "much"}, "weight_concentration must be a finite number"),
    ],
    ids=["freedom", "strength", "nan", "concentration", "word"],
)
def test_a_prior_that_is_none(changes, message):
    with pytest.raises(ValueError, match=message):
        prior_of(**changes)


def test_a_prior_of_another_shape():
    with pytest.raises(ValueError, match=r"scatter must have shape \(2, 2\)"):
        GaussianPrior((0.0, 0.0), np.eye(3), 5)
    for scatter in ([[1, 2], [2, 1]], [[1, 0.5], [0, 1]], np.zeros((2, 2))):
        with pytest.raises(ValueError, match="symmetric and positive definite"):
            GaussianPrior((0.0, 0.0), scatter, 5)
    with pytest.raises(ValueError, match="the prior must speak of n_features = 2 axes, got one of 1"):
        model = GaussianMixture(2, prior=prior_of(1))
        model.e_step(points(), model.initialize(points(), np.random.default_rng(0)))
    with pytest.raises(ValueError, match="the prior must speak of"):
        model.m_step(points(), random_posterior(model, points()))
    with pytest.raises(ValueError, match="prior must be a GaussianPrior or None"):
        GaussianMixture(2, prior="weak")
    for floor in (-1.0, float("nan"), float("inf"), "low", True):
        with pytest.raises(ValueError, match="sd_floor must be a finite number from 0 up"):
            GaussianMixture(2, sd_floor=floor)
    with pytest.raises(ValueError, match="at least 2 points for a prior"):
        GaussianPrior.fraley_raftery([[1.0, 2.0]], 2, "full")
    with pytest.raises(ValueError, match="scatter must be symmetric and positive definite"):
        GaussianPrior.fraley_raftery([[1.0, 2.0], [2.0, 4.0]], 2, "full")
