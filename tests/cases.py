"""The table of cases: every model with small data and a start. The laws of EM are tested over each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import binom, multinomial, multivariate_normal

from emcore.models import (
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
    KMeans,
    KMeansParameters,
    Linkage,
    LinkageParameters,
    MissingNormal,
    MissingNormalParameters,
)


@dataclass(frozen=True, eq=False)
class Case:
    """One model on one small data set, and its objective from first principles, sharing no code with emcore."""

    name: str
    model: Any
    X: NDArray[np.float64]
    start: Any
    first_principles: Callable[[NDArray[np.float64], Any], float]


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


CASES = [
    *(
        _gaussian_case(n_features, n_components, covariance_type)
        for covariance_type in ("full", "tied", "diag", "spherical")
        for n_features, n_components in ((1, 1), (1, 3), (2, 2), (2, 3), (4, 2))
    ),
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
    _missing_normal_case(2, 0.3),
    _missing_normal_case(2, 0.5, (0.5, 1.5)),
    _missing_normal_case(4, 0.25),
]
