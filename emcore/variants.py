"""EM with one step replaced: partial steps that still climb, other algorithms, and faults that people really make.

Each variant runs through `emcore.run` like a model. None of this is used to fit anything: it is here to be caught, by
`monitor` on the page and by the laws of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore.em import DegenerateFit, History, lower_bound
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.models import gaussian_kernel as kernel
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import GaussianMixturePosterior, require_maximum_likelihood
from emcore.models.mixture import log_joint
from emcore.starts import ByHand

Array = NDArray[np.float64]
Parameters = GaussianMixtureParameters
Posterior = GaussianMixturePosterior


@dataclass(frozen=True)
class Rule:
    """How a variant differs from EM.

    Attributes
    ----------
    title : str
        In a few words.
    kind : "step" or "fault"
        A step that somebody may want, or a mistake.
    reason : str
        What it does to the run, and why.
    e_step, m_step : callable or None
        (variant, X, parameters) -> posterior and (variant, X, posterior) -> parameters; None: as EM does it.
    """

    title: str
    kind: Literal["step", "fault"]
    reason: str
    e_step: Callable[[Variant, GaussianData, Parameters], Posterior] | None = None
    m_step: Callable[[Variant, GaussianData, Posterior], Parameters] | None = None


@dataclass(frozen=True)
class Variant:
    """A Gaussian mixture with one step replaced; a `LatentVariableModel`, but for the promises that it breaks.

    Parameters
    ----------
    model : GaussianMixture
        What is fitted.
    name : str
        A key of VARIANTS.
    fraction : float
        How far a partial M-step goes, above 0 and at most 1.
    seed : int
        Of the stochastic E-step.
    """

    model: GaussianMixture
    name: str
    fraction: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in VARIANTS:
            raise ValueError(f"name must be one of {', '.join(VARIANTS)}, got {self.name!r}")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction must be above 0 and at most 1, got {self.fraction!r}")
        require_maximum_likelihood(self.model, "variants of the steps")

    @property
    def rule(self) -> Rule:
        """How it differs from EM."""
        return VARIANTS[self.name]

    @property
    def n_components(self) -> int:
        """The number of Gaussians."""
        return self.model.n_components

    @property
    def objective_name(self) -> str:
        """The axis title of what the variant calls its objective."""
        return self.model.objective_name

    @property
    def objective_unit(self) -> str:
        """Its unit."""
        return self.model.objective_unit

    def prepare(self, X: ArrayLike | GaussianData) -> GaussianData:
        """As the model's."""
        return self.model.prepare(X)

    def initialize(self, X: ArrayLike | GaussianData, rng: np.random.Generator) -> Parameters:
        """As the model's."""
        return self.model.initialize(X, rng)

    def from_responsibilities(self, X: ArrayLike | GaussianData, responsibilities: ArrayLike) -> Posterior:
        """As the model's."""
        return self.model.from_responsibilities(X, responsibilities)

    def e_step(self, X: ArrayLike | GaussianData, parameters: Parameters) -> Posterior:
        """The variant's E-step; the posterior's `objective` is what the variant shows for it."""
        X = self.prepare(X)
        return (
            self.rule.e_step(self, X, parameters) if self.rule.e_step is not None else self.model.e_step(X, parameters)
        )

    def m_step(self, X: ArrayLike | GaussianData, posterior: Posterior) -> Parameters:
        """The variant's M-step."""
        X = self.prepare(X)
        return self.rule.m_step(self, X, posterior) if self.rule.m_step is not None else self.model.m_step(X, posterior)

    def expected_log_joint(self, X: ArrayLike | GaussianData, posterior: Posterior, parameters: Parameters) -> float:
        """Q, the true one."""
        return self.model.expected_log_joint(X, posterior, parameters)


# ---- Steps that somebody may want --------------------------------------------------------------------------


def _part_of_the_way(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    """Towards the maximum of Q, but not all the way; half as far again as long as Q would fall."""
    before, best = posterior.parameters, variant.model.m_step(X, posterior)
    if before is None or variant.fraction == 1:
        return best
    reached = variant.model.expected_log_joint(X, posterior, before)
    here, way = before.to_vector(), best.to_vector() - before.to_vector()
    fraction = variant.fraction
    for _ in range(30):
        after = before.from_vector(here + fraction * way)
        if variant.model.expected_log_joint(X, posterior, after) >= reached:
            return after
        fraction /= 2
    return before


def _means_alone(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    before, best = posterior.parameters, variant.model.m_step(X, posterior)
    return best if before is None else replace(before, means=best.means)


def _hard(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    soft = variant.model.e_step(X, parameters)
    labels = soft.responsibilities.argmax(axis=1)
    return _labelled(X, soft, labels)


def _drawn(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    """A label for each point, drawn from its responsibilities: the same draw for the same parameters and seed."""
    soft = variant.model.e_step(X, parameters)
    digest = blake2b(parameters.to_vector().tobytes(), digest_size=8).digest()
    rng = np.random.default_rng([variant.seed, int.from_bytes(digest)])
    steps = np.cumsum(soft.responsibilities, axis=1)
    labels = (rng.random((X.n_samples, 1)) * steps[:, -1:] >= steps).sum(axis=1)
    return _labelled(X, soft, np.minimum(labels, variant.n_components - 1))


def _labelled(X: GaussianData, soft: Posterior, labels: NDArray[np.intp]) -> Posterior:
    certain = np.asarray(labels[:, None] == np.arange(len(soft.counts)), dtype=np.float64)
    return _posterior(X, soft, soft.objective, certain)


# ---- Faults ------------------------------------------------------------------------------------------------


def _posterior(X: GaussianData, soft: Posterior, objective: float, responsibilities: Array) -> Posterior:
    """A posterior with these responsibilities, right or wrong, and this number beside it."""
    responsibilities.flags.writeable = False
    counts, means, covariances = kernel.weighted_moments(X, responsibilities)
    return Posterior(soft.parameters, objective, counts, means, covariances, X, responsibilities)


def _with_best_labels(X: Array, parameters: Parameters) -> float:
    return float(log_joint(X, parameters).max(axis=1).sum())


def with_best_labels(history: History) -> Array:
    """log p(X, Z | theta) of the labels Z that make it largest, at each iteration: what hard labels never let fall."""
    X = history.prepared.X
    return np.array([_with_best_labels(X, parameters) for parameters in history.parameters])


def _shares(log_joint: Array) -> tuple[float, Array]:
    """Rows normalised to 1, and the sum of the logarithms of what they were divided by."""
    highest = log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint - highest)
    total = joint.sum(axis=1, keepdims=True)
    return float((highest + np.log(total)).sum()), joint / total


def _best_label_as_objective(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    return replace(variant.model.e_step(X, parameters), objective=_with_best_labels(X.X, parameters))


def _q_as_objective(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    posterior = variant.model.e_step(X, parameters)
    return replace(posterior, objective=variant.model.expected_log_joint(X, posterior, parameters))


def _with_ridge(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    best = variant.model.m_step(X, posterior)
    return replace(best, covariances=best.covariances + 0.05 * np.diag(X.sds**2))


def _equal_weights_in_e_step(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    equal = replace(parameters, weights=np.full(parameters.n_components, 1 / parameters.n_components))
    posterior = variant.model.e_step(X, equal)
    return _posterior(X, replace(posterior, parameters=parameters), posterior.objective, posterior.responsibilities)


def _sd_as_variance(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    best = variant.model.m_step(X, posterior)
    values, vectors = np.linalg.eigh(best.covariances)
    return replace(best, covariances=(vectors * np.sqrt(values)[:, None]) @ vectors.transpose(0, 2, 1))


def _determinant_without_root(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    half = 0.5 * np.linalg.slogdet(parameters.covariances)[1]
    shown, wrong = _shares(log_joint(X.X, parameters) - half)
    return _posterior(X, variant.model.e_step(X, parameters), shown, wrong)


def _about_the_old_mean(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    before, best = posterior.parameters, variant.model.m_step(X, posterior)
    if before is None:
        return best
    moved = best.means - before.means
    wider = replace(best, covariances=best.covariances + moved[:, :, None] * moved[:, None, :])
    return variant.model.constrain(wider)


def _weights_forgotten(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    before, best = posterior.parameters, variant.model.m_step(X, posterior)
    return best if before is None else replace(best, weights=before.weights)


def _one_after_the_other(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    """Each column from parameters in which the components before it are already replaced."""
    right = variant.model.e_step(X, parameters)
    columns = np.array(right.responsibilities)
    now = parameters
    for k in range(1, variant.n_components):
        means, covariances = np.array(now.means), np.array(now.covariances)
        fresh = variant.model.m_step(X, right)
        means[k - 1], covariances[k - 1] = fresh.means[k - 1], fresh.covariances[k - 1]
        now = replace(now, means=means, covariances=covariances)
        columns[:, k] = _shares(log_joint(X.X, now))[1][:, k]
    return _posterior(X, right, right.objective, columns)


def _normalised_over_points(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    right = variant.model.e_step(X, parameters)
    logs = log_joint(X.X, parameters)
    joint = np.exp(logs - logs.max(axis=0))
    return _posterior(X, right, right.objective, joint / joint.sum(axis=0))


def _weights_by_their_sum(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    """The M-step for rows that do not sum to 1: as a program that was patched until its weights did."""
    whole = replace(posterior, counts=posterior.counts * (X.n_samples / posterior.counts.sum()))
    return variant.model.m_step(X, whole)


@dataclass(frozen=True, eq=False)
class _Remembering(GaussianMixtureParameters):
    """Parameters that know the log-likelihood of those before them."""

    before: float = float("nan")


def _keep_the_number(variant: Variant, X: GaussianData, posterior: Posterior) -> Parameters:
    best = variant.model.m_step(X, posterior)
    before = posterior.parameters
    now = float("nan") if before is None else variant.model.e_step(X, before).objective
    return _Remembering(best.weights, best.means, best.covariances, best.covariance_type, now)


def _number_of_before(variant: Variant, X: GaussianData, parameters: Parameters) -> Posterior:
    posterior = variant.model.e_step(X, parameters)
    if isinstance(parameters, _Remembering) and np.isfinite(parameters.before):
        return replace(posterior, objective=parameters.before)
    return posterior


VARIANTS: Mapping[str, Rule] = MappingProxyType(
    {
        "full": Rule("The whole step: EM", "step", "Nothing is replaced: every promise holds."),
        "part": Rule(
            "Part of the M-step",
            "step",
            "Each M-step stops on its way to the top of the bound. The bound still rises, so the log-likelihood still "
            "climbs, in smaller steps: this is generalised EM (Dempster, Laird & Rubin 1977).",
            m_step=_part_of_the_way,
        ),
        "means": Rule(
            "The means alone",
            "step",
            "Weights and covariances stay those of the start. The means are the best for them, so Q rises and the "
            "log-likelihood climbs, but only as high as these weights and covariances allow.",
            m_step=_means_alone,
        ),
        "hard": Rule(
            "Hard E-step",
            "step",
            "Every point belongs to its most likely component alone, as in k-means. What now never falls is another "
            "number: the log-likelihood together with the best labels. The log-likelihood itself may fall, and the "
            "bound does not touch it.",
            e_step=_hard,
        ),
        "drawn": Rule(
            "Stochastic E-step",
            "step",
            "Every point gets a label that is drawn from its responsibilities. Nothing climbs for certain: the run "
            "moves about the maximum, and so may leave a saddle or a poor one (Celeux & Diebolt 1985).",
            e_step=_drawn,
        ),
        "best-label": Rule(
            "The log-likelihood with the best labels is shown",
            "fault",
            "The fit is right. The number shown is the sum of the logarithms of each point's largest product weight "
            "x density, where the sum over the components belongs: it lies below the log-likelihood, and may fall.",
            e_step=_best_label_as_objective,
        ),
        "q": Rule(
            "Q is shown as the log-likelihood",
            "fault",
            "The fit is right. The number shown lacks the entropy H(q): it lies below the log-likelihood, and nothing "
            "says that it never falls.",
            e_step=_q_as_objective,
        ),
        "delayed": Rule(
            "The number belongs to the parameters before",
            "fault",
            "The fit is right. The number shown was computed before the M-step that made the parameters beside it: the "
            "curve comes one iteration late.",
            e_step=_number_of_before,
            m_step=_keep_the_number,
        ),
        "ridge": Rule(
            "A constant is added to every variance",
            "fault",
            "The M-step adds 5 % of the data's variance to each one. The components are too wide, the M-step is no "
            "longer the top of the bound, and the log-likelihood may fall.",
            m_step=_with_ridge,
        ),
        "equal-weights": Rule(
            "The E-step counts every weight as 1/K",
            "fault",
            "The weights are estimated, and then not used. A small component takes too many points near the border, "
            "and the number shown is that of another mixture.",
            e_step=_equal_weights_in_e_step,
        ),
        "fixed-weights": Rule(
            "The weights are never updated",
            "fault",
            "The M-step leaves the weights as they were at the start. It is not the top of the bound. The "
            "log-likelihood still climbs, but to a poorer fit.",
            m_step=_weights_forgotten,
        ),
        "sd": Rule(
            "An sd is used where a variance belongs",
            "fault",
            "sigma stands where sigma squared belongs: where the sd is above 1 the components are too narrow, where it "
            "is below 1 too wide.",
            m_step=_sd_as_variance,
        ),
        "determinant": Rule(
            "The root of the determinant is missing",
            "fault",
            "The density is divided by the determinant of the covariance, and not by its root. Wide components get too "
            "little, narrow ones too much, and the number shown is no log-likelihood.",
            e_step=_determinant_without_root,
        ),
        "old-mean": Rule(
            "The covariance is taken about the old mean",
            "fault",
            "Squared distances are measured from the mean before the M-step: a component that moves is made too wide. "
            "The nearer the end, the smaller the mistake, so that it is hard to see there.",
            m_step=_about_the_old_mean,
        ),
        "in-place": Rule(
            "A component is replaced before the next is asked",
            "fault",
            "The responsibilities of component 2 are computed when component 1 has already moved. They belong to no "
            "one set of parameters, and a point's responsibilities no longer sum to 1.",
            e_step=_one_after_the_other,
            m_step=_weights_by_their_sum,
        ),
        "over-points": Rule(
            "Responsibilities sum to 1 over the points",
            "fault",
            "Each column is divided by its sum, where each row should be: the components no longer compete for a "
            "point, and all get the same weight.",
            e_step=_normalised_over_points,
            m_step=_weights_by_their_sum,
        ),
    }
)
STEPS = tuple(name for name, rule in VARIANTS.items() if rule.kind == "step")
FAULTS = tuple(name for name, rule in VARIANTS.items() if rule.kind == "fault")


def secret(seed: int) -> str:
    """One of FAULTS, the same for the same seed; len(FAULTS) seeds from a multiple of that number meet each once."""
    lap, turn = divmod(seed, len(FAULTS))
    return FAULTS[int(np.random.default_rng([lap, 9]).permutation(len(FAULTS))[turn])]


def start_of(seed: int) -> ByHand:
    """Where EM starts for a secret fault: unequal, narrow and far off, so that no two faults look alike.

    Two components in one dimension, for groups of sizes 3 : 1 about 0 and 9. Both means have far to go, the weights are
    neither equal nor near the groups' sizes, and the sds differ: each fault has then something to spoil.
    """
    rng = np.random.default_rng([seed, 17])
    small = rng.uniform(0.2, 0.35)
    means = [rng.uniform(-8, -6), rng.uniform(2, 4)]
    sds = rng.uniform(1.5, 3, 2)
    order = rng.permutation(2)
    weights = np.round([small, 1 - small], 2)[order]
    variances = np.round(sds, 1)[order] ** 2
    return ByHand(
        tuple(weights), tuple((mean,) for mean in np.round(means, 1)[order]), tuple(((v,),) for v in variances)
    )


# ---- The monitor -------------------------------------------------------------------------------------------

PROMISES: Mapping[str, str] = MappingProxyType(
    {
        "rows": "The responsibilities of a point sum to 1",
        "objective": "The number is the log-likelihood of these parameters",
        "touches": "After the E-step the bound equals the number",
        "above": "The bound is nowhere above the number",
        "raises": "The M-step does not lower Q",
        "maximum": "The M-step is the top of the bound",
        "climbs": "The number never falls",
    }
)
# How each one breaks: {t} is the iteration, {by} an amount.
BROKEN: Mapping[str, str] = MappingProxyType(
    {
        "rows": "at iteration {t} the responsibilities of a point sum to 1 only within {by}",
        "objective": "at iteration {t} the number is {by} away from the log-likelihood",
        "touches": "after E-step {t} the bound is {by} away from the number",
        "above": "after E-step {t} the bound is {by} above the number",
        "raises": "M-step {t} lowers Q by {by}",
        "maximum": "M-step {t} ends {by} below the top of the bound",
        "climbs": "at iteration {t} the number falls by {by}",
    }
)
# Below this part of the objective, or of the number of points, a difference is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """Whether a run kept one promise.

    Attributes
    ----------
    promise : str
        A key of PROMISES.
    broken : tuple of int
        The iterations at which it did not hold.
    n_checked : int
        At how many it was tried.
    by : float
        By how much at the first of them: in nats, or for "rows" the farthest sum from 1. 0 if it held.
    """

    promise: str
    broken: tuple[int, ...]
    n_checked: int
    by: float


def monitor(history: History) -> tuple[Check, ...]:
    """Which promises of EM a run kept, in the order of PROMISES, whatever its own steps say of themselves.

    Parameters
    ----------
    history : History
        A run of a GaussianMixture or of a Variant. The model's own steps judge what the run did. What an M-step does
        is tried only where the rows of its responsibilities sum to 1; it counts for the iteration that it made.
    """
    model = history.model.model if isinstance(history.model, Variant) else history.model
    X, objective = history.prepared, np.asarray(history.objective)
    found: dict[str, list[tuple[int, float]]] = {promise: [] for promise in PROMISES}
    n_checked = dict.fromkeys(PROMISES, 0)

    def note(promise: str, iteration: int, by: float, room: float) -> None:
        n_checked[promise] += 1
        if not by <= room:
            found[promise].append((iteration, by))

    for t, theta in enumerate(history.parameters):
        posterior = history.posterior(t)
        room = _ROUNDING * max(abs(float(objective[t])), history.n_samples)
        bound = lower_bound(model, X, posterior, theta)
        off = float(np.abs(posterior.responsibilities.sum(axis=1) - 1).max())
        note("rows", t, off, _ROUNDING)
        note("objective", t, abs(float(objective[t]) - model.e_step(X, theta).objective), room)
        note("touches", t, abs(bound - float(objective[t])), room)
        note("above", t, bound - float(objective[t]), room)
        if t:
            note("climbs", t, float(objective[t - 1] - objective[t]), room)
        if t < history.n_iterations and off <= _ROUNDING:
            before, after = (model.expected_log_joint(X, posterior, other) for other in history.parameters[t : t + 2])
            note("raises", t + 1, before - after, room)
            best = _best(model, X, posterior)
            if best is not None:
                note("maximum", t + 1, model.expected_log_joint(X, posterior, best) - after, room)
    return tuple(
        Check(promise, tuple(t for t, _ in broken), n_checked[promise], broken[0][1] if broken else 0.0)
        for promise, broken in found.items()
    )


def _best(model: Any, X: Any, posterior: Any) -> Any:
    """What EM's own M-step makes of a posterior; None where it has no result."""
    try:
        return model.m_step(X, posterior)
    except DegenerateFit:
        return None


def farthest_apart(history: History, other: History) -> int:
    """The iteration, of those that both runs have, at which their numbers differ most."""
    n = min(len(history.objective), len(other.objective))
    return int(np.argmax(np.abs(np.asarray(history.objective)[:n] - np.asarray(other.objective)[:n])))
