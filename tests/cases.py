"""The table of cases: every model with small data and a start. The laws of EM are tested over each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import digamma, entr, softmax
from scipy.stats import (
    bernoulli,
    binom,
    dirichlet,
    invgamma,
    invwishart,
    multinomial,
    multivariate_normal,
    multivariate_t,
    poisson,
    wishart,
)

from emcore.models import (
    BernoulliMixture,
    BernoulliMixtureParameters,
    BinomialMixture,
    BinomialMixtureParameters,
    CategoricalHiddenMarkov,
    CategoricalHiddenMarkovParameters,
    FactorAnalysis,
    FactorAnalysisParameters,
    GaussianHiddenMarkov,
    GaussianHiddenMarkovParameters,
    GaussianMixture,
    GaussianMixtureParameters,
    GaussianPrior,
    KMeans,
    KMeansParameters,
    Linkage,
    LinkageParameters,
    MissingNormal,
    MissingNormalParameters,
    MultinomialMixture,
    MultinomialMixtureParameters,
    PoissonMixture,
    PoissonMixtureParameters,
    StudentT,
    StudentTParameters,
    TemperedMixture,
    VariationalGaussianMixture,
    VariationalGaussianMixtureParameters,
)


@dataclass(frozen=True, eq=False)
class Case:
    """One model on one small data set, and its objective from first principles, sharing no code with emcore."""

    name: str
    model: Any
    X: NDArray[np.float64]
    start: Any
    first_principles: Callable[[NDArray[np.float64], Any], float]
    legal: Callable[[Any], bool] = lambda parameters: True  # what the M-step may choose from


def mixture_log_likelihood(X: NDArray[np.float64], parameters: GaussianMixtureParameters) -> float:
    """sum_n log sum_k w_k N(x_n | m_k, S_k), by scipy's densities, one after the other."""
    densities = [
        weight * multivariate_normal(mean, covariance, allow_singular=False).pdf(X).reshape(-1)
        for weight, mean, covariance in zip(parameters.weights, parameters.means, parameters.covariances, strict=True)
    ]
    return float(np.log(np.sum(densities, axis=0)).sum())


def minus_distortion(X: NDArray[np.float64], parameters: KMeansParameters) -> float:
    """Minus the sum of squared distances to the nearest mean."""
    return -float(cdist(X, parameters.means, "sqeuclidean").min(axis=1).sum())


def factor_analysis_log_likelihood(X: NDArray[np.float64], parameters: FactorAnalysisParameters) -> float:
    """sum_n log N(x_n | mean, L L' + Psi), by scipy's density."""
    covariance = parameters.loadings @ parameters.loadings.T + np.diag(parameters.noise_variances)
    return float(multivariate_normal(parameters.mean, covariance).logpdf(X).sum())


def hidden_markov_log_likelihood(
    densities: NDArray[np.float64],
    parameters: GaussianHiddenMarkovParameters | CategoricalHiddenMarkovParameters,
    lengths: tuple[int, ...],
) -> float:
    """The sum over every path there is, for each sequence; densities[t, k] = p(x_t | z_t = k)."""
    total = 0.0
    for rows in np.split(np.arange(len(densities)), np.cumsum(lengths)[:-1]):
        paths = np.array(list(product(range(parameters.n_components), repeat=len(rows))))
        joint = parameters.initial[paths[:, 0]]
        for step, row in enumerate(rows):
            joint = joint * densities[row, paths[:, step]]
            if step:
                joint = joint * parameters.transitions[paths[:, step - 1], paths[:, step]]
        total += float(np.log(joint.sum()))
    return total


def _groups(n_features: int, seed: int, n_samples: int = 80) -> NDArray[np.float64]:
    """Three overlapping groups with correlated axes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 2.5, (3, n_features))
    mixing = rng.normal(0, 0.7, (3, n_features, n_features)) + np.eye(n_features)
    labels = rng.choice(3, n_samples, p=[0.5, 0.3, 0.2])
    return centres[labels] + np.einsum("nij,nj->ni", mixing[labels], rng.normal(size=(n_samples, n_features)))


def _gaussian_case(n_features: int, n_components: int, covariance_type: Any, seed: int = 1) -> Case:
    X = _groups(n_features, seed)
    model = GaussianMixture(n_components, covariance_type)
    start = model.initialize(X, np.random.default_rng(seed))
    name = f"gaussian {covariance_type} {n_features}d k={n_components}"
    return Case(name, model, X, start, mixture_log_likelihood)


def _k_means_case(n_features: int, n_components: int) -> Case:
    X = _groups(n_features, 3)
    model = KMeans(n_components)
    start = model.initialize(X, np.random.default_rng(3))
    return Case(f"k-means {n_features}d k={n_components}", model, X, start, minus_distortion)


def _factor_analysis_case(n_features: int, n_factors: int, equal_noise: bool, off_centre: float = 0.0) -> Case:
    """Points that the factors explain in part; a start whose mean is `off_centre` sds away from the data's."""
    rng = np.random.default_rng(4)
    loadings = rng.normal(0, 1.5, (n_features, n_factors))
    noise = rng.uniform(0.3, 1.5, n_features)
    X = 5 + rng.normal(size=(60, n_factors)) @ loadings.T + np.sqrt(noise) * rng.normal(size=(60, n_features))
    model = FactorAnalysis(n_factors, equal_noise)
    start = model.initialize(X, rng)
    start = FactorAnalysisParameters(
        start.mean + off_centre * X.std(axis=0), start.loadings, start.noise_variances, equal_noise
    )
    name = f"factor analysis {'equal' if equal_noise else 'free'} noise {n_features}d q={n_factors} {off_centre:g} off"
    return Case(name, model, X, start, factor_analysis_log_likelihood)


SEQUENCES = (7, 6, 7, 1, 7, 2, 7, 7)  # short ones: every path of each can be summed over


def _states(n_components: int, seed: int) -> tuple[NDArray[np.int_], np.random.Generator]:
    """A hidden chain for each of SEQUENCES, which rather stays than goes."""
    rng = np.random.default_rng(seed)
    states = rng.integers(n_components, size=sum(SEQUENCES))
    stays = rng.random(len(states)) < 0.7
    for t in range(1, len(states)):
        states[t] = states[t - 1] if stays[t] else states[t]
    return states, rng


def _gaussian_hidden_markov_case(n_features: int, n_components: int, covariance_type: Any, zeros: bool = False) -> Case:
    states, rng = _states(n_components, 6)
    X = rng.normal(0, 2, (n_components, n_features))[states] + rng.normal(0, 1, (len(states), n_features))
    model = GaussianHiddenMarkov(n_components, covariance_type, SEQUENCES)
    start = model.initialize(X, rng)
    if zeros:  # from left to right
        transitions = np.triu(start.transitions) / np.triu(start.transitions).sum(axis=1, keepdims=True)
        start = GaussianHiddenMarkovParameters(
            np.eye(n_components)[0], transitions, start.means, start.covariances, covariance_type
        )

    def first_principles(X: NDArray[np.float64], parameters: GaussianHiddenMarkovParameters) -> float:
        densities = [
            multivariate_normal(mean, covariance).pdf(X).reshape(-1)
            for mean, covariance in zip(parameters.means, parameters.covariances, strict=True)
        ]
        return hidden_markov_log_likelihood(np.array(densities).T, parameters, SEQUENCES)

    zero = " zeros" if zeros else ""
    name = f"gaussian hidden markov {covariance_type} {n_features}d k={n_components}{zero}"
    return Case(name, model, X, start, first_principles)


def _categorical_hidden_markov_case(n_symbols: int, n_components: int, zeros: bool = False) -> Case:
    states, rng = _states(n_components, 7)
    shares = rng.dirichlet(np.ones(n_symbols), n_components)
    Y = np.array([rng.choice(n_symbols, p=shares[state]) for state in states], dtype=np.float64)[:, None]
    model = CategoricalHiddenMarkov(n_components, n_symbols, SEQUENCES)
    start = model.initialize(Y, rng)
    if zeros:  # the first state lacks the last symbol, and nothing returns to it
        probabilities, transitions = start.probabilities.copy(), start.transitions.copy()
        probabilities[0, -1] = transitions[1:, 0] = 0
        start = CategoricalHiddenMarkovParameters(
            start.initial,
            transitions / transitions.sum(axis=1, keepdims=True),
            probabilities / probabilities.sum(axis=1, keepdims=True),
        )

    def first_principles(Y: NDArray[np.float64], parameters: CategoricalHiddenMarkovParameters) -> float:
        densities = parameters.probabilities[:, Y[:, 0].astype(int)].T
        return hidden_markov_log_likelihood(densities, parameters, SEQUENCES)

    zero = " zeros" if zeros else ""
    return Case(
        f"categorical hidden markov {n_symbols} symbols k={n_components}{zero}", model, Y, start, first_principles
    )


def binomial_log_likelihood(X: NDArray[np.float64], parameters: BinomialMixtureParameters) -> float:
    """sum_n log sum_k w_k Binomial(heads_n | tosses_n, p_k), by scipy's probabilities."""
    chances = binom.pmf(X[:, :1], X[:, 1:], parameters.success_probabilities)
    return float(np.log(chances @ parameters.weights).sum())


def _binomial_case(n_components: int, weights: Any) -> Case:
    rng = np.random.default_rng(8)
    tosses = rng.integers(1, 30, 60)
    X = np.stack([rng.binomial(tosses, rng.choice([0.2, 0.5, 0.85], 60)), tosses], axis=1).astype(float)
    model = BinomialMixture(n_components, weights)
    name = f"binomial {weights} weights k={n_components}"
    return Case(name, model, X, model.initialize(X, rng), binomial_log_likelihood)


def _linkage_case() -> Case:
    X = np.array([125.0, 18.0, 20.0, 34.0])

    def first_principles(X: NDArray[np.float64], parameters: LinkageParameters) -> float:
        p = parameters.probability
        return float(multinomial.logpmf(X, X.sum(), [0.5 + p / 4, (1 - p) / 4, (1 - p) / 4, p / 4]))

    return Case("linkage", Linkage(), X, LinkageParameters(0.1), first_principles)


def bernoulli_log_likelihood(X: NDArray[np.float64], parameters: BernoulliMixtureParameters) -> float:
    """sum_n log sum_k w_k prod_j Bernoulli(x_nj | p_kj), by scipy's probabilities."""
    chances = bernoulli.pmf(X[:, None, :], parameters.success_probabilities).prod(axis=2)
    return float(np.log(chances @ parameters.weights).sum())


def _bernoulli_case(n_components: int) -> Case:
    rng = np.random.default_rng(9)
    chances = rng.uniform(0.1, 0.9, (3, 6))
    X = (rng.random((70, 6)) < chances[rng.integers(3, size=70)]).astype(float)
    model = BernoulliMixture(n_components)
    return Case(f"bernoulli k={n_components}", model, X, model.initialize(X, rng), bernoulli_log_likelihood)


def _multinomial_case(n_components: int, pseudo_count: float) -> Case:
    rng = np.random.default_rng(10)
    words = rng.dirichlet(np.full(5, 0.7), 3)
    lengths, subjects = rng.integers(3, 25, 40), rng.integers(3, size=40)
    X = np.array([rng.multinomial(n, words[k]) for n, k in zip(lengths, subjects, strict=True)], dtype=float)
    model = MultinomialMixture(n_components, pseudo_count)

    def first_principles(X: NDArray[np.float64], parameters: MultinomialMixtureParameters) -> float:
        chances = np.array([[multinomial.pmf(row, row.sum(), p) for p in parameters.probabilities] for row in X])
        prior = [
            dirichlet.logpdf(p, np.full(5, 1 + pseudo_count)) if pseudo_count else 0 for p in parameters.probabilities
        ]
        return float(np.log(chances @ parameters.weights).sum() + sum(prior))

    name = f"multinomial k={n_components} pseudo-count {pseudo_count:g}"
    return Case(name, model, X, model.initialize(X, rng), first_principles)


def poisson_log_likelihood(X: NDArray[np.float64], parameters: PoissonMixtureParameters) -> float:
    """sum_n log sum_k w_k Poisson(x_n | rate_k), by scipy's probabilities."""
    return float(np.log(poisson.pmf(X[:, None], parameters.rates) @ parameters.weights).sum())


def _poisson_case(n_components: int) -> Case:
    rng = np.random.default_rng(11)
    X = rng.poisson(rng.choice([1.0, 4.0, 12.0], 80)).astype(float)
    model = PoissonMixture(n_components)
    return Case(f"poisson k={n_components}", model, X, model.initialize(X, rng), poisson_log_likelihood)


def _student_t_case(n_features: int, degrees_of_freedom: float, expanded: bool) -> Case:
    rng = np.random.default_rng(12)
    X = rng.standard_t(2, (50, n_features)) @ (np.eye(n_features) + 0.3) + 3
    model = StudentT(degrees_of_freedom, expanded)

    def first_principles(X: NDArray[np.float64], parameters: StudentTParameters) -> float:
        scale = parameters.scale / parameters.precision_scale
        return float(multivariate_t(parameters.mean, scale, degrees_of_freedom).logpdf(X).sum())

    name = f"student t {n_features}d nu={degrees_of_freedom:g}" + (" expanded" if expanded else "")
    return Case(name, model, X, model.initialize(X, rng), first_principles)


def missing_normal_log_likelihood(X: NDArray[np.float64], parameters: MissingNormalParameters) -> float:
    """Row by row the normal density of what was seen, by scipy: the mean and covariance of these columns alone."""
    total = 0.0
    for row in X:
        seen = ~np.isnan(row)
        if seen.any():
            density = multivariate_normal(parameters.mean[seen], parameters.covariance[np.ix_(seen, seen)])
            total += float(density.logpdf(row[seen]))
    return total


def _missing_normal_case(n_features: int, share: float, known_mean: tuple[float, ...] | None = None) -> Case:
    """Correlated columns, values taken away at random, and a row in which nothing was seen."""
    rng = np.random.default_rng(9)
    X = 1 + rng.normal(size=(50, n_features)) @ rng.normal(size=(n_features, n_features))
    X[rng.random(X.shape) < share] = np.nan
    X[7] = np.nan
    model = MissingNormal(known_mean)
    known = "" if known_mean is None else " known mean"
    name = f"missing normal {n_features}d {share:g} missing{known}"
    return Case(name, model, X, model.initialize(X, rng), missing_normal_log_likelihood)


def _tempered_case(n_features: int, temperature: float, covariance_type: Any = "full", variance: Any = None) -> Case:
    X = _groups(n_features, 2)
    model = TemperedMixture(3, covariance_type, temperature, variance)
    start = model.initialize(X, np.random.default_rng(2))

    def minus_free_energy(X: NDArray[np.float64], parameters: GaussianMixtureParameters) -> float:
        """T sum_n log sum_k p_nk^(1/T), and its limit sum_n log max_k p_nk at T = 0."""
        joint = np.array(
            [
                w * multivariate_normal(m, S).pdf(X)
                for w, m, S in zip(parameters.weights, parameters.means, parameters.covariances, strict=True)
            ]
        )
        if temperature == 0:
            return float(np.log(joint.max(axis=0)).sum())
        return float(temperature * np.log((joint ** (1 / temperature)).sum(axis=0)).sum())

    held = "" if variance is None else ", means alone"
    name = f"tempered {covariance_type} {n_features}d T={temperature:g}{held}"
    return Case(name, model, X, start, minus_free_energy)


def log_prior(parameters: GaussianMixtureParameters, prior: GaussianPrior, covariance_type: str) -> float:
    """Dirichlet, normal and inverse Wishart or gamma, by scipy's densities, one after the other."""
    scatter = np.array(prior.scatter)
    nu, kappa = prior.degrees_of_freedom, prior.mean_strength
    weights = np.append(parameters.weights[:-1], 1 - parameters.weights[:-1].sum())
    found = 0.0 if len(weights) == 1 else dirichlet([prior.weight_concentration] * len(weights)).logpdf(weights)
    for mean, covariance in zip(parameters.means, parameters.covariances, strict=True):
        found += multivariate_normal(prior.mean, covariance / kappa).logpdf(mean)
    distinct = parameters.covariances[:1] if covariance_type == "tied" else parameters.covariances
    for covariance in distinct:
        if covariance_type == "diag":
            found += invgamma(nu / 2, scale=np.diag(scatter) / 2).logpdf(np.diag(covariance)).sum()
        elif covariance_type == "spherical":
            found += invgamma(nu / 2, scale=np.diag(scatter).mean() / 2).logpdf(covariance[0, 0])
        else:
            found += invwishart(nu, scatter).logpdf(covariance)
    return float(found)


def _regularised_case(n_features: int, n_components: int, covariance_type: Any, with_prior: bool, floor: float) -> Case:
    X = _groups(n_features, 5, 25)  # few points: the prior and the floor have a say
    prior = None
    if with_prior:
        root = np.tri(n_features)
        prior = GaussianPrior(np.arange(1.0, 1 + n_features), 0.8 * root @ root.T, n_features + 2.7, 0.8, 1.6)
    model = GaussianMixture(n_components, covariance_type, prior, floor)
    start = model.initialize(X, np.random.default_rng(4))

    def first_principles(X: NDArray[np.float64], parameters: GaussianMixtureParameters) -> float:
        added = 0.0 if prior is None else log_prior(parameters, prior, covariance_type)
        return mixture_log_likelihood(X, parameters) + added

    def legal(parameters: GaussianMixtureParameters) -> bool:
        return bool((np.linalg.eigvalsh(parameters.covariances) >= floor**2 * (1 - 1e-9)).all())

    what = " and ".join(["a prior"] * with_prior + ["a floor"] * bool(floor))
    name = f"gaussian {covariance_type} {n_features}d k={n_components} with {what}"
    return Case(name, model, X, start, first_principles, legal)


def evidence_lower_bound(
    X: NDArray[np.float64],
    q: VariationalGaussianMixtureParameters,
    alpha_0: float,
    m_0: NDArray[np.float64],
    beta_0: float,
    nu_0: float,
    scatter_0: NDArray[np.float64],
) -> float:
    """The seven terms as the book has them (Bishop 2006, equations 10.71 to 10.77), with entropies by scipy."""
    n_features, n_components = X.shape[1], len(q.weights)
    alpha, beta, nu = q.weights * q.concentration, q.mean_precisions, q.degrees_of_freedom
    W = [np.linalg.inv(freedom * covariance) for freedom, covariance in zip(nu, q.covariances, strict=True)]
    log_weights = digamma(alpha) - digamma(alpha.sum())
    halves = (nu[:, None] - np.arange(n_features)) / 2
    log_precisions = digamma(halves).sum(axis=1) + n_features * np.log(2) + [np.log(np.linalg.det(w)) for w in W]
    distances = np.stack([nu[k] * cdist(X, q.means[[k]], "mahalanobis", VI=w)[:, 0] ** 2 for k, w in enumerate(W)], 1)
    log_densities = 0.5 * (log_precisions - n_features / beta - distances - n_features * np.log(2 * np.pi))
    r = softmax(log_weights + log_densities, axis=1)
    found = (r * (log_weights + log_densities)).sum() + entr(r).sum()
    if n_components > 1:
        uniform = np.full(n_components, 1 / n_components)
        constant = dirichlet(alpha_0 * n_components * uniform).logpdf(uniform) - (alpha_0 - 1) * np.log(uniform).sum()
        found += constant + (alpha_0 - 1) * log_weights.sum() + dirichlet(alpha).entropy()
    W_0 = np.linalg.inv(scatter_0)
    constant = wishart(nu_0, W_0).logpdf(np.eye(n_features)) + 0.5 * np.trace(scatter_0)
    for k in range(n_components):
        offset = q.means[k] - m_0
        found += 0.5 * (
            n_features * np.log(beta_0 / (2 * np.pi))
            + log_precisions[k]
            - n_features * beta_0 / beta[k]
            - beta_0 * nu[k] * offset @ W[k] @ offset
        )
        found += constant + 0.5 * (nu_0 - n_features - 1) * log_precisions[k]
        found -= 0.5 * nu[k] * np.trace(scatter_0 @ W[k])
        found -= 0.5 * (log_precisions[k] + n_features * np.log(beta[k] / (2 * np.pi)) - n_features)
        found += wishart(nu[k], W[k]).entropy()
    return float(found)


def _variational_case(n_features: int, n_components: int, given: bool) -> Case:
    """With a prior of its own, or with what follows from the data."""
    X = _groups(n_features, 6, 60)
    alpha_0, m_0, beta_0, nu_0 = 1 / n_components, X.mean(axis=0), 1.0, float(n_features)
    scatter_0 = np.atleast_2d(np.cov(X.T, bias=True))
    model = VariationalGaussianMixture(n_components)
    if given:
        alpha_0, m_0, beta_0, nu_0, scatter_0 = 0.03, m_0 + 0.5, 0.4, n_features + 1.3, 0.6 * scatter_0
        model = VariationalGaussianMixture(n_components, alpha_0, m_0, beta_0, nu_0, scatter_0)
    start = model.initialize(X, np.random.default_rng(6))
    name = f"variational {n_features}d k={n_components}" + (" with a prior of its own" if given else "")
    return Case(name, model, X, start, lambda X, q: evidence_lower_bound(X, q, alpha_0, m_0, beta_0, nu_0, scatter_0))


CASES = [
    *(
        _gaussian_case(n_features, n_components, covariance_type)
        for covariance_type in ("full", "tied", "diag", "spherical")
        for n_features, n_components in ((1, 1), (1, 3), (2, 2), (2, 3), (4, 2))
    ),
    *(
        _regularised_case(2, 3, covariance_type, with_prior, floor)
        for covariance_type in ("full", "tied", "diag", "spherical")
        for with_prior, floor in ((True, 0.0), (False, 0.9))
    ),
    _regularised_case(1, 3, "tied", True, 0.0),
    _regularised_case(1, 2, "full", False, 0.9),
    _regularised_case(4, 2, "full", True, 1.0),
    _k_means_case(1, 2),
    _k_means_case(2, 3),
    _factor_analysis_case(2, 1, False),
    _factor_analysis_case(3, 1, False, off_centre=0.7),
    _factor_analysis_case(6, 2, False),
    _factor_analysis_case(2, 1, True),
    _factor_analysis_case(5, 3, True, off_centre=-0.4),
    _gaussian_hidden_markov_case(1, 1, "full"),
    _gaussian_hidden_markov_case(1, 2, "full"),
    _gaussian_hidden_markov_case(1, 2, "tied"),
    _gaussian_hidden_markov_case(2, 2, "full"),
    _gaussian_hidden_markov_case(2, 3, "diag", zeros=True),
    _gaussian_hidden_markov_case(2, 2, "spherical"),
    _categorical_hidden_markov_case(3, 2),
    _categorical_hidden_markov_case(4, 3, zeros=True),
    _binomial_case(1, "free"),
    _binomial_case(3, "free"),
    _binomial_case(2, "equal"),
    _linkage_case(),
    _bernoulli_case(1),
    _bernoulli_case(3),
    _multinomial_case(3, 0.0),
    _multinomial_case(2, 0.5),
    _poisson_case(1),
    _poisson_case(3),
    _student_t_case(1, 1.0, False),
    _student_t_case(2, 4.0, False),
    _student_t_case(2, 4.0, True),
    _missing_normal_case(2, 0.3),
    _missing_normal_case(2, 0.5, (0.5, 1.5)),
    _missing_normal_case(4, 0.25),
    *(_tempered_case(2, temperature) for temperature in (0, 0.5, 1, 2)),
    _tempered_case(1, 1.5, "tied"),
    _tempered_case(2, 0.3, "diag"),
    *(_tempered_case(2, temperature, "spherical", 1.7) for temperature in (0, 0.4, 1)),
    *(
        _variational_case(n_features, n_components, given)
        for n_features, n_components, given in ((1, 1, False), (1, 4, True), (2, 5, False), (2, 5, True), (4, 2, True))
    ),
]
