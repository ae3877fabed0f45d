"""Latent-variable models, one a file."""

from emcore.models.bernoulli_mixture import BernoulliMixture, BernoulliMixtureParameters
from emcore.models.binomial_mixture import BinomialMixture, BinomialMixtureParameters
from emcore.models.factor_analysis import FactorAnalysis, FactorAnalysisParameters, FactorAnalysisPosterior
from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.gaussian_prior import GaussianPrior, GhostPoints
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
from emcore.models.missing_normal import MissingNormal, MissingNormalParameters, MissingNormalPosterior
from emcore.models.mixture import MixturePosterior
from emcore.models.multinomial_mixture import MultinomialMixture, MultinomialMixtureParameters
from emcore.models.poisson_mixture import PoissonMixture, PoissonMixtureParameters
from emcore.models.student_t import StudentT, StudentTParameters, StudentTPosterior
from emcore.models.tempered import EqualSpheres, TemperedMixture, TemperedPosterior
from emcore.models.variational_gaussian_mixture import (
    VariationalGaussianMixture,
    VariationalGaussianMixtureParameters,
    VariationalGaussianMixturePosterior,
)

__all__ = [
    "BernoulliMixture",
    "BernoulliMixtureParameters",
    "BinomialMixture",
    "BinomialMixtureParameters",
    "CategoricalHiddenMarkov",
    "CategoricalHiddenMarkovParameters",
    "EqualSpheres",
    "FactorAnalysis",
    "FactorAnalysisParameters",
    "FactorAnalysisPosterior",
    "GaussianHiddenMarkov",
    "GaussianHiddenMarkovParameters",
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "GaussianPrior",
    "GhostPoints",
    "HiddenMarkovPosterior",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
    "Linkage",
    "LinkageParameters",
    "LinkagePosterior",
    "MissingNormal",
    "MissingNormalParameters",
    "MissingNormalPosterior",
    "MixturePosterior",
    "MultinomialMixture",
    "MultinomialMixtureParameters",
    "PoissonMixture",
    "PoissonMixtureParameters",
    "StudentT",
    "StudentTParameters",
    "StudentTPosterior",
    "TemperedMixture",
    "TemperedPosterior",
    "VariationalGaussianMixture",
    "VariationalGaussianMixtureParameters",
    "VariationalGaussianMixturePosterior",
    "viterbi",
]
