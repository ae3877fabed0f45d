"""Deterministic annealing: EM that begins hot and cools to temperature 1, as a way out of a local maximum.

Hot, every component takes nearly the same share of every point, and the free energy has few maxima; as it cools the
components part, the larger differences first (Rose 1998, Proceedings of the IEEE 86, 2210-2239; Ueda & Nakano 1998). It
promises nothing: no temperature makes sure that the maximum which is followed is the highest at temperature 1.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit, History, run
from emcore.experiment import Experiment, kept
from emcore.models import GaussianMixture, GaussianMixtureParameters, TemperedMixture, TemperedPosterior
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.mixture import whole_number
from emcore.report import number, objective_text
from emcore.starts import start


@dataclass(frozen=True)
class Schedule:
    """How it cools: from `hottest` to 1 by equal factors, one M-step at each temperature; EM from there on.

    Attributes
    ----------
    hottest : float
        The first temperature, at least 1.
    n_cooling : int
        The number of M-steps until temperature 1 is reached, from 1 up.
    means_alone : bool
        Whether only the means learn until then, with equal weights and one spherical covariance that is held
        (`cell_variance`). With everything free, components that are alike shrink onto each other while it is hot, and
        at temperature 1 they are on a saddle.
    """

    hottest: float = 5.0
    n_cooling: int = 20
    means_alone: bool = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.hottest) and self.hottest >= 1):
            raise ValueError(f"hottest must be a finite number from 1 up, got {self.hottest!r}")
        whole_number(self.n_cooling, "n_cooling")

    def temperature(self, iteration: int) -> float:
        """That of the E-step at theta_iteration."""
        return float(self.hottest ** (1 - iteration / self.n_cooling)) if iteration < self.n_cooling else 1.0


@dataclass(frozen=True, eq=False)
class CoolingParameters(GaussianMixtureParameters):
    """A mixture, and at which temperature the E-step looks at it."""

    temperature: float = field(default=1.0, kw_only=True)
    iteration: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class Annealing:
    """A Gaussian mixture on its way through a schedule; a `LatentVariableModel` but for the promise to climb.

    Its objective is the ordinary log-likelihood of the parameters, so that runs can be compared: at other temperatures
    it is not what the steps maximise, and it may fall.

    Parameters
    ----------
    mixture : GaussianMixture
        What is fitted once temperature 1 is reached.
    schedule : Schedule
    variance : float or None
        What is held while it cools, in the data's units squared; None where nothing is.
    """

    mixture: GaussianMixture
    schedule: Schedule
    variance: float | None

    @property
    def n_components(self) -> int:
        """The number of Gaussians."""
        return self.mixture.n_components

    @property
    def objective_name(self) -> str:
        """The axis title of the log-likelihood."""
        return self.mixture.objective_name

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return self.mixture.objective_unit

    def at(self, temperature: float) -> TemperedMixture:
        """The steps at one temperature above 1."""
        shape = self.mixture.covariance_type if self.variance is None else "spherical"
        return TemperedMixture(self.n_components, shape, temperature, self.variance)

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """As the mixture's."""
        return self.mixture.prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> GaussianMixtureParameters:
        """The mixture's default start, hot."""
        return self.begin(self.mixture.initialize(X, rng))

    def begin(self, parameters: GaussianMixtureParameters) -> CoolingParameters:
        """These parameters, or their means alone, at the hottest temperature."""
        return self._cooling(self.at(self.schedule.hottest).constrain(parameters), 0)

    def e_step(self, X: ArrayLike | GaussianData, parameters: GaussianMixtureParameters) -> TemperedPosterior:
        """The responsibilities at the parameters' temperature, with their ordinary log-likelihood as `objective`."""
        X = self.prepare(X)
        temperature = parameters.temperature if isinstance(parameters, CoolingParameters) else 1.0
        posterior = self.at(temperature).e_step(X, parameters)
        return replace(posterior, objective=self.mixture.e_step(X, parameters).objective)

    def m_step(self, X: ArrayLike | GaussianData, posterior: TemperedPosterior) -> GaussianMixtureParameters:
        """The parameters that fit these responsibilities best, one step cooler."""
        before = posterior.parameters
        iteration = before.iteration + 1 if isinstance(before, CoolingParameters) else 0
        return self._cooling(self.at(posterior.temperature).m_step(X, posterior), iteration)

    def expected_log_joint(
        self, X: ArrayLike | GaussianData, posterior: TemperedPosterior, parameters: GaussianMixtureParameters
    ) -> float:
        """Q, as the mixture's."""
        return self.mixture.expected_log_joint(X, posterior, parameters)

    def _cooling(self, parameters: GaussianMixtureParameters, iteration: int) -> CoolingParameters:
        return CoolingParameters(
            parameters.weights,
            parameters.means,
            parameters.covariances,
            parameters.covariance_type,
            temperature=self.schedule.temperature(iteration),
            iteration=iteration,
        )


def cell_variance(X: NDArray[np.float64], n_components: int) -> float:
    """What one of `n_components` equal cells keeps of the points' mean variance along an axis: it over K^(2/d)."""
    n_features = X.shape[1]
    variance = float(X.var(axis=0).mean()) / n_components ** (2 / n_features)
    return variance if variance > 0 else 1.0


def annealed_run(
    mixture: GaussianMixture,
    X: NDArray[np.float64],
    parameters: GaussianMixtureParameters,
    schedule: Schedule,
    *,
    max_iter: int = 100,
    tol: float = 1e-6,
) -> History:
    """Cool from `parameters`, then EM at temperature 1 until it gains too little.

    Returns
    -------
    History
        Its objective is the log-likelihood of the parameters, which may fall while the temperature is above 1;
        `temperatures` says which that was.

    Parameters
    ----------
    mixture, X, parameters
        What to fit, to what, and from where.
    schedule : Schedule
    max_iter, tol
        Of EM at temperature 1, as in `emcore.em.run`.
    """
    model = Annealing(mixture, schedule, cell_variance(X, mixture.n_components) if schedule.means_alone else None)
    hot = run(model, X, model.begin(parameters), max_iter=schedule.n_cooling, tol=0)
    if hot.stopped == "degenerate":
        return hot
    end = hot.parameters[-1]
    first = mixture.constrain(GaussianMixtureParameters(end.weights, end.means, end.covariances))
    cold = run(mixture, X, first, max_iter=max_iter, tol=tol)
    objective = np.concatenate([hot.objective[:-1], cold.objective])
    objective.flags.writeable = False
    n = len(objective) - 1
    if cold.stopped == "converged":
        gain = float(objective[-1] - objective[-2]) / len(X)
        reason = f"Iteration {n} gained {gain:.2g} nats per point at temperature 1, less than the tolerance {tol:g}."
    elif cold.stopped == "max_iter":
        reason = f"Stopped at the limit of {max_iter} iterations at temperature 1."
    else:
        reason = cold.reason
    return History(model, X, hot.parameters[:-1] + cold.parameters, objective, cold.stopped, reason, advice=cold.advice)


def temperatures(history: History) -> NDArray[np.float64]:
    """The temperature of the E-step at each iteration of an annealed run, shape (n_iterations + 1,)."""
    return np.array([getattr(theta, "temperature", 1.0) for theta in history.parameters])


def beside(experiment: Experiment, schedule: Schedule) -> History:
    """The experiment's mixture, annealed from the start of its run (kept for all visitors)."""
    mixture = experiment.model
    assert isinstance(mixture, GaussianMixture)

    def make() -> History:
        history = experiment.history()
        first = history.parameters[0]
        return annealed_run(mixture, history.X, first, schedule, max_iter=experiment.max_iter, tol=experiment.tol)

    made: History = kept(("annealed", experiment, schedule), make)
    return made


def ends(experiment: Experiment, schedule: Schedule, n_starts: int) -> NDArray[np.float64]:
    """The log-likelihood at which annealed runs end whose start seeds count up from 0, NaN for a collapse.

    Shape (n_starts,), kept for all visitors.
    """
    mixture = experiment.model
    assert isinstance(mixture, GaussianMixture)

    def make() -> NDArray[np.float64]:
        X = experiment.dataset().X
        found = np.full(n_starts, np.nan)
        for seed in range(n_starts):
            first = start(experiment.start, mixture, X, seed, experiment.by_hand)
            with suppress(DegenerateFit):
                history = annealed_run(mixture, X, first, schedule, max_iter=experiment.max_iter, tol=experiment.tol)
                if history.stopped != "degenerate":
                    found[seed] = history.objective[-1]
        found.flags.writeable = False
        return found

    made: NDArray[np.float64] = kept(("annealed ends", replace(experiment, start_seed=0), schedule, n_starts), make)
    return made


def trial(experiment: Experiment, schedule: Schedule, n_starts: int) -> str:
    """How annealing and plain EM fare from the same starts, in a sentence or two."""
    runs = experiment.restarts(0, n_starts)
    collapsed = [stopped == "degenerate" for stopped in runs.stopped]
    return trial_verdict(ends(experiment, schedule, n_starts), np.where(collapsed, np.nan, runs.objective))


# ---- In words ------------------------------------------------------------------------------------------------

EQUAL = 1e-3  # nats: two ends that differ by less are the same


def captions(annealed: History, plain: History) -> tuple[str, ...]:
    """A sentence for each position of the longer of the two runs: the temperature, and where each of them stands."""
    degrees = temperatures(annealed)

    def stands(who: str, history: History, position: int) -> str:
        iteration = min(position // 2, history.n_iterations)
        ended = " (ended)" if position >= history.n_positions - 1 else ""
        return f"{who} {objective_text(history, iteration)}{ended}"

    return tuple(
        f"Iteration {position // 2}, temperature {degrees[min(position // 2, annealed.n_iterations)]:.3g}. "
        f"Log-likelihood: {stands('annealed', annealed, position)}, {stands('EM', plain, position)}."
        for position in range(max(annealed.n_positions, plain.n_positions))
    )


def verdict(annealed: History, plain: History) -> str:
    """Which of two runs from the same means ended higher, in a sentence."""
    for who, history in (("The annealed run", annealed), ("Plain EM", plain)):
        if history.stopped == "degenerate":
            return f"{who} collapsed, so the two cannot be compared: {history.reason}"
    difference = float(annealed.objective[-1] - plain.objective[-1])
    ends = f"{objective_text(annealed, annealed.n_iterations)} and {objective_text(plain, plain.n_iterations)}"
    if abs(difference) < EQUAL:
        return f"Both end at the same log-likelihood, {ends.split(' ')[0]}: annealing changed nothing here."
    better, worse = ("The annealed run", "plain EM") if difference > 0 else ("Plain EM", "the annealed run")
    return f"{better} ends {number(abs(difference))} nats higher than {worse}: {ends} (annealed, plain)."


def trial_verdict(annealed: NDArray[np.float64], plain: NDArray[np.float64]) -> str:
    """How often each of the two reached the highest that either of them reached, from the same starts.

    Log-likelihoods at which the runs ended, NaN for a collapse, shapes (n_starts,).
    """
    n = len(plain)
    both = np.concatenate([annealed, plain])
    if np.isnan(both).all():
        return f"All of {n} runs collapsed, of both."
    highest = float(np.nanmax(both))
    counts = [int(np.count_nonzero(found >= highest - max(EQUAL, 1e-6 * abs(highest)))) for found in (annealed, plain)]
    higher = int(np.count_nonzero(annealed > plain + EQUAL))
    lower = int(np.count_nonzero(annealed < plain - EQUAL))
    text = (
        f"The highest end of these runs is {number(highest)}. Annealing reached it from {counts[0]} of {n} starts, "
        f"plain EM from {counts[1]}. Annealing ended higher than plain EM from {higher} of them, lower from {lower}."
    )
    collapsed = [int(np.isnan(found).sum()) for found in (annealed, plain)]
    if any(collapsed):
        text += f" {collapsed[0]} annealed and {collapsed[1]} plain runs collapsed."
    return text
