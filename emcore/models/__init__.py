"""Latent-variable models, one a file."""

from emcore.models.bernoulli_mixture import BernoulliMixture, BernoulliMixtureParameters
from emcore.models.binomial_mixture import BinomialMixture, BinomialMixtureParameters
from emcore.models.factor_analysis import FactorAnalysis, FactorAnalysisParameters, FactorAnalysisPosterior
from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.hidden_markov import (
    CategoricalHiddenMarkov,
    CategoricalHiddenMarkovParameters,
    GaussianHiddenMarkov,
    GaussianHiddenMarkovParameters,
    HiddenMarkovPosterior,
    viterbi,
)
from emcore.models.k_means import KMeans, KMeansParameters, KMeansPosterior
from emcore.models.linkage import Linkage, LinkageParameters, LinkagePosterior
from emcore.models.mixture import MixturePosterior
from emcore.models.multinomial_mixture import MultinomialMixture, MultinomialMixtureParameters
from emcore.models.poisson_mixture import PoissonMixture, PoissonMixtureParameters
from emcore.models.student_t import StudentT, StudentTParameters, StudentTPosterior

__all__ = [
    "BernoulliMixture",
    "BernoulliMixtureParameters",
    "BinomialMixture",
    "BinomialMixtureParameters",
    "CategoricalHiddenMarkov",
    "CategoricalHiddenMarkovParameters",
    "FactorAnalysis",
    "FactorAnalysisParameters",
    "FactorAnalysisPosterior",
    "GaussianHiddenMarkov",
    "GaussianHiddenMarkovParameters",
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "HiddenMarkovPosterior",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
    "Linkage",
    "LinkageParameters",
    "LinkagePosterior",
    "MixturePosterior",
    "MultinomialMixture",
    "MultinomialMixtureParameters",
    "PoissonMixture",
    "PoissonMixtureParameters",
    "StudentT",
    "StudentTParameters",
    "StudentTPosterior",
    "viterbi",
]
