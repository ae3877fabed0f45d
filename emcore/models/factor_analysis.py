"""Factor analysis: a few hidden numbers, the factors, move all variables of a point together; the rest is noise.

x = mean + loadings z + noise,   z ~ N(0, I),   noise ~ N(0, diag(noise_variances))   (Bishop 2006, section 12.2.4)

So x and z together are normal, x alone is N(mean, loadings loadings' + diag(noise_variances)), and the hidden z of a
point is normal too: its mean follows x, its covariance is the same for every point. EM is that of Rubin & Thayer
(1982). With one noise variance for all variables it is probabilistic PCA (Tipping & Bishop 1999).

The likelihood does not see a rotation of the factors: loadings R with R R' = I fit as well. Compare two fits by
`FactorAnalysisParameters.covariance`.

A limit to know: the likelihood may be the higher, the less noise one variable has, all the way to none. EM then creeps
towards a noise variance of 0 and never arrives (a Heywood case). `heywood` says so; the run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from emcore.em import DegenerateFit
from emcore.models.gaussian_kernel import prepare
from emcore.models.gaussian_mixture import SMALLEST_CORRELATION_EIGENVALUE, axis_names
from emcore.models.mixture import LogLikelihood, frozen_array, whole_number
from emcore.models.skeleton import Skeleton

Array = NDArray[np.float64]

# A variable whose noise is less than this part of its variance is looked at for a Heywood case.
LITTLE_NOISE = 0.05
# Below this part it is a collapse and not an estimate, as for the covariances of a mixture.
SMALLEST_NOISE = 1e-24


@dataclass(frozen=True, eq=False)
class FactorAnalysisParameters:
    """The mean, the loadings and the noise of a factor analysis.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        In the data's units.
    loadings : ndarray of shape (n_features, n_factors)
        loadings[j, k] is how far variable j moves when factor k moves by one of its sds: in the variable's units.
    noise_variances : ndarray of shape (n_features,)
        Variance of what the factors do not explain, in the variables' units squared: positive.
    equal_noise : bool
        Whether the noise variances are one number: then `to_vector` has one coordinate for all.
    """

    mean: Array
    loadings: Array
    noise_variances: Array
    equal_noise: bool = False

    def __post_init__(self) -> None:
        mean = frozen_array(self.mean, "mean", ("n_features",))
        loadings = frozen_array(self.loadings, "loadings", (len(mean), "n_factors"))
        noise_variances = frozen_array(self.noise_variances, "noise_variances", (len(mean),))
        if 0 in loadings.shape:
            raise ValueError(f"loadings must have at least one row and one column, got shape {loadings.shape}")
        if not (noise_variances > 0).all():
            raise ValueError(f"noise_variances must be greater than 0, got {noise_variances.tolist()}")
        if self.equal_noise and np.ptp(noise_variances) > 1e-9 * noise_variances.max():
            raise ValueError(f"noise_variances must all be equal with equal_noise, got {noise_variances.tolist()}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "loadings", loadings)
        object.__setattr__(self, "noise_variances", noise_variances)

    @property
    def n_features(self) -> int:
        """The number of variables."""
        return len(self.mean)

    @property
    def n_factors(self) -> int:
        """The number of hidden dimensions."""
        return int(self.loadings.shape[1])

    @cached_property
    def covariance(self) -> Array:
        """Covariance of x, loadings loadings' + diag(noise_variances), shape (n_features, n_features).

        No rotation of the factors changes it (Bishop 2006, equation 12.65).
        """
        covariance: Array = self.loadings @ self.loadings.T + np.diag(self.noise_variances)
        covariance.flags.writeable = False
        return covariance

    @property
    def noise_shares(self) -> Array:
        """The part of each variable's variance that is noise, its uniqueness: in (0, 1], shape (n_features,)."""
        return self.noise_variances / np.diag(self.covariance)

    def rotated(self, rotation: ArrayLike) -> FactorAnalysisParameters:
        """The same distribution of x with turned factors: loadings @ rotation, an orthogonal matrix."""
        turn = frozen_array(rotation, "rotation", (self.n_factors, self.n_factors))
        if np.abs(turn @ turn.T - np.eye(self.n_factors)).max() > 1e-9:
            raise ValueError(f"rotation must be orthogonal, its rows of length 1 and upright, got {turn.tolist()}")
        return FactorAnalysisParameters(self.mean, self.loadings @ turn, self.noise_variances, self.equal_noise)

    def columns(self) -> dict[str, Array]:
        """The parameters as people read them: name -> one value a variable ("mean", "loading", "noise variance")."""
        columns = {"mean": self.mean}
        factors = [""] if self.n_factors == 1 else [f" on factor {k + 1}, variable" for k in range(self.n_factors)]
        columns |= {f"loading{factor}": self.loadings[:, k] for k, factor in enumerate(factors)}
        return columns | {"noise variance": self.noise_variances}

    def to_vector(self) -> Array:
        """Mean, loadings (variable by variable) and log noise variances as one vector (see `names`)."""
        noise = self.noise_variances[:1] if self.equal_noise else self.noise_variances
        return np.concatenate([self.mean, self.loadings.ravel(), np.log(noise)])

    def from_vector(self, vector: Array) -> FactorAnalysisParameters:
        """The parameters of this one's shape at `vector`."""
        vector = frozen_array(vector, "vector", (len(self.names),))
        mean, loadings, log_noise = np.split(vector, np.cumsum([self.n_features, self.loadings.size]))
        noise = np.broadcast_to(np.exp(log_noise), (self.n_features,))
        return FactorAnalysisParameters(mean, loadings.reshape(self.loadings.shape), noise, self.equal_noise)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each coordinate of `to_vector`."""
        axes = axis_names(self.n_features)
        factors = [""] if self.n_factors == 1 else [f" {k + 1}" for k in range(self.n_factors)]
        names = [f"mean {axis}" for axis in axes]
        names += [f"loading{factor}, {axis}" for axis in axes for factor in factors]
        names += ["log noise variance"] if self.equal_noise else [f"log noise variance {axis}" for axis in axes]
        return tuple(names)


@dataclass(frozen=True, eq=False)
class FactorAnalysisData:
    """Points, validated once, and what the steps need of them. Made by `FactorAnalysis.prepare`.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_features)
        The points, read-only.
    mean : ndarray of shape (n_features,)
        Their average.
    covariance : ndarray of shape (n_features, n_features)
        Their covariance about it, divisor n_samples. It and the mean are sufficient: no step looks at the points.
    """

    X: Array
    mean: Array
    covariance: Array

    def __len__(self) -> int:
        return len(self.X)

    @property
    def n_features(self) -> int:
        """The number of variables."""
        return len(self.mean)


@dataclass(frozen=True, eq=False)
class FactorAnalysisPosterior:
    """What the E-step says of the factors of each point: a normal distribution.

    Attributes
    ----------
    parameters : FactorAnalysisParameters
        What it was computed from.
    objective : float
        The log-likelihood of `parameters`, in nats, summed over the points.
    regression : ndarray of shape (n_factors, n_features)
        Takes x - mean to the mean of z: loadings' C^-1, with C the covariance of x.
    covariance : ndarray of shape (n_factors, n_factors)
        Cov[z_n | x_n], the same for every point (Bishop 2006, equation 12.68).
    """

    parameters: FactorAnalysisParameters
    objective: float
    regression: Array
    covariance: Array
    _X: FactorAnalysisData = field(repr=False)

    def __post_init__(self) -> None:
        self.regression.flags.writeable = False
        self.covariance.flags.writeable = False

    @cached_property
    def means(self) -> Array:
        """means[n] = E[z_n | x_n], shape (n_samples, n_factors) (Bishop 2006, equation 12.66)."""
        means: Array = (self._X.X - self.parameters.mean) @ self.regression.T
        means.flags.writeable = False
        return means

    @property
    def sds(self) -> Array:
        """Standard deviation of each factor of any one point, shape (n_factors,)."""
        return np.sqrt(np.diag(self.covariance))

    @cached_property
    def mean_sum(self) -> Array:
        """The sum over the points of E[z_n], shape (n_factors,): 0 where `parameters.mean` is the data's."""
        return len(self._X) * (self.regression @ (self._X.mean - self.parameters.mean))

    @cached_property
    def second_moments(self) -> Array:
        """The sum over the points of E[z_n z_n'] = Cov[z_n] + E[z_n] E[z_n]', shape (n_factors, n_factors)."""
        scatter = self.regression @ self._X.covariance @ self.regression.T
        n = len(self._X)
        return n * (self.covariance + scatter) + np.outer(self.mean_sum, self.mean_sum) / n

    @cached_property
    def cross_moments(self) -> Array:
        """The sum over the points of (x_n - average) E[z_n]', shape (n_features, n_factors)."""
        return len(self._X) * (self._X.covariance @ self.regression.T)

    @property
    def entropy(self) -> float:
        """H(q) in nats, of a density: it may be negative."""
        n_factors = len(self.covariance)
        log_determinant = float(np.linalg.slogdet(self.covariance)[1])
        return float(0.5 * len(self._X) * (n_factors * np.log(2 * np.pi * np.e) + log_determinant))


@dataclass(frozen=True)
class FactorAnalysis(LogLikelihood):
    """Factor analysis, fitted by maximum likelihood.

    The mean is a parameter like the others, and the M-step chooses it together with the loadings. At the data's
    average, where `initialize` puts it, it stays: that is its maximum-likelihood estimate whatever the others are.

    Parameters
    ----------
    n_factors : int
        The number of hidden dimensions, fewer than the data have variables.
    equal_noise : bool
        One noise variance for all variables: probabilistic PCA.
    """

    n_factors: int
    equal_noise: bool = False
    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Factor analysis",
        observed="several variables of each point",
        hidden="a few factors of each point, which move all its variables together",
        e_step="for each point the mean and the covariance of its factors (a normal distribution)",
        m_step="the regression of each variable on the factors, with E[zz'] in place of squares of known factors",
        source="Rubin & Thayer 1982",
    )

    def __post_init__(self) -> None:
        whole_number(self.n_factors, "n_factors")
        if not isinstance(self.equal_noise, bool):
            raise ValueError(f"equal_noise must be True or False, got {self.equal_noise!r}")

    @property
    def n_components(self) -> int:
        """The number of hidden dimensions."""
        return self.n_factors

    def prepare(self, X: ArrayLike | FactorAnalysisData) -> FactorAnalysisData:
        """X of shape (n_samples, n_features), finite, with more columns than factors and two rows or more."""
        if isinstance(X, FactorAnalysisData):
            return X
        points = prepare(X).X
        n_samples, n_features = points.shape
        if n_features <= self.n_factors:
            raise ValueError(
                f"X must have more columns than there are factors, {self.n_factors}, got {n_features}; "
                "try fewer factors or more columns"
            )
        if n_samples < 2:
            raise ValueError("X must have at least two rows: one point has no covariance")
        mean = points.mean(axis=0)
        centred = points - mean
        mean = mean + centred.mean(axis=0)  # a second pass: far from the origin the first one rounds
        centred = points - mean
        covariance = centred.T @ centred / n_samples
        constant = np.ptp(points, axis=0) == 0
        covariance[constant] = covariance[:, constant] = 0.0
        for array in (mean, covariance):
            array.flags.writeable = False
        return FactorAnalysisData(points, mean, covariance)

    def initialize(self, X: ArrayLike | FactorAnalysisData, rng: np.random.Generator) -> FactorAnalysisParameters:
        """The data's average, random loadings, and half of each variable's variance as noise.

        A variable that does not vary gets noise variance 1, so that the start is legal; the first M-step will say
        what is wrong.
        """
        X = self.prepare(X)
        sds = np.sqrt(np.diag(X.covariance))
        directions = rng.normal(size=(X.n_features, self.n_factors)) / np.sqrt(2 * self.n_factors)
        return self.from_loadings(X, sds[:, None] * directions)

    def from_loadings(self, X: ArrayLike | FactorAnalysisData, loadings: ArrayLike) -> FactorAnalysisParameters:
        """A start with these loadings: the data's average, and half of each variable's variance as noise."""
        X = self.prepare(X)
        variances = np.diag(X.covariance)
        noise = np.where(variances > 0, variances / 2, 1.0)
        noise = np.full_like(noise, noise.mean()) if self.equal_noise else noise
        theta = FactorAnalysisParameters(X.mean, np.asarray(loadings), noise, self.equal_noise)
        self._check(X, theta)
        return theta

    def e_step(
        self, X: ArrayLike | FactorAnalysisData, parameters: FactorAnalysisParameters
    ) -> FactorAnalysisPosterior:
        """What the factors of each point may be, given its variables (Bishop 2006, equations 12.66 to 12.68)."""
        X = self.prepare(X)
        self._check(X, parameters)
        loadings, noise = parameters.loadings, parameters.noise_variances
        factor = _factor_of(parameters.covariance)
        regression = np.ascontiguousarray(cho_solve(factor, loadings).T)
        # I - regression @ loadings is the same matrix, but loses its digits where little is left of it
        rest = np.eye(self.n_factors) - regression @ loadings
        covariance = rest @ rest.T + (regression * noise) @ regression.T
        return FactorAnalysisPosterior(parameters, _log_likelihood(X, parameters, factor), regression, covariance, X)

    def m_step(self, X: ArrayLike | FactorAnalysisData, posterior: FactorAnalysisPosterior) -> FactorAnalysisParameters:
        """The regression of x on z, with z known as well as the posterior knows it (Rubin & Thayer 1982).

        Where the posterior's mean is the data's average: loadings = (sum (x - mean) E[z]') (sum E[zz'])^-1, and the
        noise variances are what is left over, diag(S - loadings E[z] (x - mean)' / n) (Bishop 2006, equations 12.69
        and 12.70); their average for all with `equal_noise`.

        Raises
        ------
        DegenerateFit
            A variable does not vary, or the points lie on as many dimensions as there are factors.
        """
        X = self.prepare(X)
        regression = posterior.regression
        scores = regression @ (X.mean - posterior.parameters.mean)  # the average of E[z_n]
        spread = posterior.covariance + regression @ X.covariance @ regression.T
        loadings: Array = np.asarray(np.linalg.solve(spread, regression @ X.covariance).T, dtype=np.float64)
        noise = _residual_variances(X, posterior, loadings)
        if self.equal_noise:
            noise = np.full_like(noise, noise.mean())
        self._check_collapse(X, loadings, noise)
        return FactorAnalysisParameters(X.mean - loadings @ scores, loadings, noise, self.equal_noise)

    def expected_log_joint(
        self,
        X: ArrayLike | FactorAnalysisData,
        posterior: FactorAnalysisPosterior,
        parameters: FactorAnalysisParameters,
    ) -> float:
        """Q(theta, theta_old): the mean of log p(X, Z | theta) when each z is drawn from its posterior, in nats."""
        X = self.prepare(X)
        n, noise = len(X), parameters.noise_variances
        scores = posterior.regression @ (X.mean - posterior.parameters.mean)
        shift = X.mean - parameters.mean - parameters.loadings @ scores
        residual = _residual_variances(X, posterior, parameters.loadings) + shift**2
        n_dimensions = X.n_features + self.n_factors
        spread = float(np.trace(posterior.second_moments)) / n
        return (
            -0.5 * n * float(n_dimensions * np.log(2 * np.pi) + np.log(noise).sum() + (residual / noise).sum() + spread)
        )

    def principal_axes(self, X: ArrayLike | FactorAnalysisData) -> FactorAnalysisParameters:
        """The maximum-likelihood fit with equal noise, in closed form (Tipping & Bishop 1999; Bishop 12.45, 12.46).

        Column k of the loadings is the eigenvector of the data's covariance with the k-th largest eigenvalue, of
        length sqrt(eigenvalue - noise); the noise is the average of the other eigenvalues.

        Raises
        ------
        DegenerateFit
            The points lie on as many dimensions as there are factors: no noise is left.
        """
        X = self.prepare(X)
        values, vectors = np.linalg.eigh(X.covariance)
        values, vectors = values[::-1], vectors[:, ::-1]
        noise = float(values[self.n_factors :].mean())
        if not noise > SMALLEST_CORRELATION_EIGENVALUE * values[0]:
            raise _no_noise(self.n_factors)
        loadings = vectors[:, : self.n_factors] * np.sqrt(np.maximum(values[: self.n_factors] - noise, 0.0))
        return FactorAnalysisParameters(X.mean, loadings, np.full(X.n_features, noise), True)

    def n_free(self, n_features: int) -> int:
        """How many numbers of the loadings and the noise are free: a rotation of the factors is not.

        A covariance of x has n_features (n_features + 1) / 2. Where this is more, many fits are equally good.
        """
        rotations = self.n_factors * (self.n_factors - 1) // 2
        return n_features * self.n_factors - rotations + (1 if self.equal_noise else n_features)

    def _check(self, X: FactorAnalysisData, parameters: FactorAnalysisParameters) -> None:
        expected = (X.n_features, self.n_factors)
        if parameters.loadings.shape != expected:
            raise ValueError(
                f"loadings must have shape (n_features, n_factors) = {expected}, got {parameters.loadings.shape}"
            )

    def _check_collapse(self, X: FactorAnalysisData, loadings: Array, noise: Array) -> None:
        """DegenerateFit if the fit has no noise left where the likelihood needs some."""
        variances = np.diag(X.covariance)
        constant = [str(j + 1) for j in np.flatnonzero(variances == 0)]
        if constant:
            which, its = ("Variable {} does", "its") if len(constant) == 1 else ("Variables {} do", "their")
            raise DegenerateFit(
                f"{which.format(' and '.join(constant))} not vary: {its} noise falls to 0, and the log-likelihood "
                "grows without limit.",
                "Leave it out, or choose other data." if its == "its" else "Leave them out, or choose other data.",
            )
        covariance = loadings @ loadings.T + np.diag(noise)
        sds = np.sqrt(np.diag(covariance))
        lowest = np.linalg.eigvalsh(covariance / np.outer(sds, sds))[0]
        if not ((noise > SMALLEST_NOISE * variances).all() and lowest > SMALLEST_CORRELATION_EIGENVALUE):
            raise _no_noise(self.n_factors)


@dataclass(frozen=True)
class Heywood:
    """A variable whose noise the likelihood would rather do without.

    Attributes
    ----------
    variable : int
        Its number, from 0.
    noise_share : float
        The part of its variance that is still noise.
    limit : float
        The log-likelihood if it had none and all else stayed, not lower than the present one.
    """

    variable: int
    noise_share: float
    limit: float


def heywood(X: FactorAnalysisData, parameters: FactorAnalysisParameters) -> tuple[Heywood, ...]:
    """The variables with little noise left whose log-likelihood does not fall if that little is taken away.

    Such a fit has no maximum with noise in every variable: EM creeps towards 0 there, ever more slowly. The least
    share comes first.
    """
    present = _log_likelihood(X, parameters, _factor_of(parameters.covariance))
    found = []
    shares = parameters.noise_shares
    for j in np.argsort(shares):
        if shares[j] >= LITTLE_NOISE:
            break
        without = parameters.covariance.copy()
        without[j, j] -= parameters.noise_variances[j]
        try:
            limit = _log_likelihood(X, parameters, _factor_of(without))
        except DegenerateFit:
            continue
        if limit >= present:
            found.append(Heywood(int(j), float(shares[j]), limit))
    return tuple(found)


def _factor_of(covariance: Array) -> tuple[Array, bool]:
    """The Cholesky factor; DegenerateFit where there is none."""
    try:
        factor: tuple[Array, bool] = cho_factor(covariance, lower=True)
    except np.linalg.LinAlgError:
        raise DegenerateFit(
            "The covariance of these parameters cannot be told from a singular one: they leave too little noise.",
            "Begin with more noise.",
        ) from None
    return factor


def _log_likelihood(X: FactorAnalysisData, parameters: FactorAnalysisParameters, factor: tuple[Array, bool]) -> float:
    """log p(X) = sum_n log N(x_n | mean, C) from the data's mean and covariance; `factor` is that of C."""
    offset = X.mean - parameters.mean
    scatter = X.covariance + np.outer(offset, offset)
    log_determinant = 2 * np.log(np.diag(factor[0])).sum()
    squared_distance = np.trace(cho_solve(factor, scatter))
    return -0.5 * len(X) * float(X.n_features * np.log(2 * np.pi) + log_determinant + squared_distance)


def _residual_variances(X: FactorAnalysisData, posterior: FactorAnalysisPosterior, loadings: Array) -> Array:
    """The mean of E[(x_j - loadings_j z)^2] about its own average, shape (n_features,).

    As sums of squares: diag(S - loadings E[z x']) is shorter, but rounds to less than 0 where little is left.
    """
    rest = np.eye(X.n_features) - loadings @ posterior.regression
    variances: Array = ((rest @ X.covariance) * rest).sum(axis=1) + ((loadings @ posterior.covariance) * loadings).sum(
        axis=1
    )
    return variances


def _no_noise(n_factors: int) -> DegenerateFit:
    where = "a line" if n_factors == 1 else "a plane" if n_factors == 2 else f"{n_factors} dimensions"
    return DegenerateFit(
        f"The points lie on {where}: no noise is left beside the factors, and the log-likelihood grows without limit.",
        "Try fewer factors, or other data.",
    )
