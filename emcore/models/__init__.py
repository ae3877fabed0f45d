"""Latent-variable models, one a file."""

from emcore.models.factor_analysis import FactorAnalysis, FactorAnalysisParameters, FactorAnalysisPosterior
from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.k_means import KMeans, KMeansParameters, KMeansPosterior

__all__ = [
    "FactorAnalysis",
    "FactorAnalysisParameters",
    "FactorAnalysisPosterior",
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
]
