"""Latent-variable models, one a file."""

from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.k_means import KMeans, KMeansParameters, KMeansPosterior

__all__ = [
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
]
