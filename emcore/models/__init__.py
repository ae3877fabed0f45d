"""Latent-variable models, one a file."""

from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.k_means import KMeans, KMeansParameters, KMeansPosterior
from emcore.models.tempered import EqualSpheres, TemperedMixture, TemperedPosterior

__all__ = [
    "EqualSpheres",
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
    "TemperedMixture",
    "TemperedPosterior",
]
