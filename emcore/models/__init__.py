"""Latent-variable models, one a file."""

from emcore.models.gaussian_mixture import GaussianMixture, GaussianMixtureParameters, GaussianMixturePosterior
from emcore.models.gaussian_prior import GaussianPrior, GhostPoints
from emcore.models.k_means import KMeans, KMeansParameters, KMeansPosterior
from emcore.models.tempered import EqualSpheres, TemperedMixture, TemperedPosterior
from emcore.models.variational_gaussian_mixture import (
    VariationalGaussianMixture,
    VariationalGaussianMixtureParameters,
    VariationalGaussianMixturePosterior,
)

__all__ = [
    "EqualSpheres",
    "GaussianMixture",
    "GaussianMixtureParameters",
    "GaussianMixturePosterior",
    "GaussianPrior",
    "GhostPoints",
    "KMeans",
    "KMeansParameters",
    "KMeansPosterior",
    "TemperedMixture",
    "TemperedPosterior",
    "VariationalGaussianMixture",
    "VariationalGaussianMixtureParameters",
    "VariationalGaussianMixturePosterior",
]
