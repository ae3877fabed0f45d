"""How many components: criteria that charge for parameters, held-out points, and a test of one more component.

The log-likelihood cannot say: with one component more it can always be made at least as high. Every criterion here is
on the scale of -2 log-likelihood, so that lower is better, as in scikit-learn (mclust reports BIC and ICL with the
opposite sign).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emcore import starts
from emcore.em import History
from emcore.experiment import Experiment, kept
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.models import gaussian_kernel as kernel
from emcore.models.gaussian_batch import Mixtures, log_densities
from emcore.models.gaussian_kernel import GaussianData
from emcore.models.gaussian_mixture import CovarianceType
from emcore.models.mixture import whole_number
from emcore.report import listed, number, significant
from emcore.restarts import Runs, joined, run_many
from emcore.scene import scene
from emcore.starts import STARTS

Array = NDArray[np.float64]

MAP_LINE, MAP_SIDE = 200, 48  # places of a map of uncertainty: on a line, and along each axis of the plane

TIE = 1e-9  # relative: log-likelihoods nearer than this are those of one maximum

# Streams of random numbers of their own, beside those of data (0) and starts (1).
_FOLDS, _REPLICATES = 2, 3


@dataclass(frozen=True)
class Criterion:
    """One way to choose: its short name, its formula in TeX, what it aims at, and who proposed it."""

    title: str
    formula: str
    aim: str
    source: str


CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "aic": Criterion(
            "AIC",
            r"\mathrm{AIC} = -2 \ln p(X \mid \hat\theta) + 2\,\nu",
            "Estimates what the log-likelihood of new points would be. Tends to too many components.",
            "Akaike 1974; Bishop 2006, equation 1.73",
        ),
        "bic": Criterion(
            "BIC",
            r"\mathrm{BIC} = -2 \ln p(X \mid \hat\theta) + \nu \ln N",
            "Estimates which model is the most probable one, given the data.",
            "Schwarz 1978; Bishop 2006, equation 4.139",
        ),
        "icl": Criterion(
            "ICL",
            r"\mathrm{ICL} = \mathrm{BIC} - 2 \sum_n \ln \max_k \gamma(z_{nk})",
            "As BIC, and charges for points that could belong to several components: it counts clusters, "
            "and not what a density needs.",
            "Biernacki, Celeux & Govaert 2000",
        ),
    }
)
HELD_OUT = "held-out"


def n_parameters(n_components: int, n_features: int, covariance_type: CovarianceType = "full") -> int:
    """How many numbers a Gaussian mixture may choose freely: weights (their sum is 1), means and covariances."""
    k, d = whole_number(n_components, "n_components"), whole_number(n_features, "n_features")
    one_matrix = d * (d + 1) // 2
    covariances = {"full": k * one_matrix, "tied": one_matrix, "diag": k * d, "spherical": k}
    if covariance_type not in covariances:
        raise ValueError(f"covariance_type must be one of {', '.join(covariances)}, got {covariance_type!r}")
    return (k - 1) + k * d + covariances[covariance_type]


def penalties(n_parameters: int, n_samples: int) -> dict[str, float]:
    """What AIC and BIC add to -2 log-likelihood."""
    return {"aic": 2.0 * n_parameters, "bic": n_parameters * math.log(n_samples)}


@dataclass(frozen=True, eq=False)
class Fits:
    """Runs of one model on the same points, and what the criteria say of where each ended.

    Attributes
    ----------
    runs : Runs
    n_samples, n_parameters : int
        Of the data and of the model.
    log_likelihood : ndarray of shape (n_runs,)
        In nats. NaN for a run that collapsed: no likelihood of a fit, but where the run was when it was stopped.
    aic, bic, icl : ndarray of shape (n_runs,)
        Lower is better; NaN as above.
    """

    runs: Runs
    n_samples: int
    n_parameters: int
    log_likelihood: Array
    aic: Array
    bic: Array
    icl: Array

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def best(self) -> int | None:
        """The run with the highest log-likelihood, the first of equals; None if every run collapsed."""
        if np.isnan(self.log_likelihood).all():
            return None
        return int(np.nanargmax(self.log_likelihood))

    def is_best(self, run: int) -> bool:
        """Whether no run ended higher, by more than rounding: with one component all runs are the best."""
        if self.best is None:
            return False
        highest = float(self.log_likelihood[self.best])
        return bool(self.log_likelihood[run] >= highest - TIE * max(abs(highest), 1.0))

    def value(self, criterion: str, run: int | None) -> float:
        """A criterion ("aic", "bic", "icl"), or "log_likelihood", of one run; NaN for None."""
        return math.nan if run is None else float(getattr(self, criterion)[run])

    @property
    def n_collapsed(self) -> int:
        """How many runs collapsed."""
        return sum(stopped == "degenerate" for stopped in self.runs.stopped)

    @property
    def n_unfinished(self) -> int:
        """How many runs were stopped at their limit of iterations."""
        return sum(stopped == "max_iter" for stopped in self.runs.stopped)


def fits_of(X: ArrayLike | GaussianData, runs: Runs) -> Fits:
    """The criteria of every run.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or GaussianData
        What the runs were fitted to.
    runs : Runs
        From `emcore.restarts.run_many`.
    """
    data = runs.model.prepare(X)
    n = data.n_samples
    count = n_parameters(runs.model.n_components, data.n_features, runs.model.covariance_type)
    collapsed = np.array([stopped == "degenerate" for stopped in runs.stopped], dtype=bool)
    log_likelihood = np.where(collapsed, np.nan, runs.objective)
    unsure = np.array(
        [
            math.nan if gone else doubt(data, parameters)
            for gone, parameters in zip(collapsed, runs.parameters, strict=True)
        ]
    )
    charged = penalties(count, n)
    bic = -2 * log_likelihood + charged["bic"]
    arrays = (log_likelihood, -2 * log_likelihood + charged["aic"], bic, bic + 2 * unsure)
    for array in arrays:
        array.flags.writeable = False
    return Fits(runs, n, count, *arrays)


def doubt(X: ArrayLike | GaussianData, parameters: GaussianMixtureParameters) -> float:
    """-sum_n ln max_k responsibility: 0 where every point is certain of its component, at most n ln n_components."""
    return float(-np.log(_responsibilities(X, parameters).max(axis=1)).sum())


def _responsibilities(X: ArrayLike | GaussianData, parameters: GaussianMixtureParameters) -> Array:
    return kernel.responsibilities(kernel.prepare(X), parameters.weights, parameters.means, parameters.covariances)


def joined_fits(parts: Sequence[Fits]) -> Fits:
    """Several lots of runs of one model on the same points as one, in order."""
    arrays = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("log_likelihood", "aic", "bic", "icl")
    ]
    for array in arrays:
        array.flags.writeable = False
    return Fits(joined([part.runs for part in parts]), parts[0].n_samples, parts[0].n_parameters, *arrays)


# ---- The sweep --------------------------------------------------------------------------------------------


def candidate(experiment: Experiment, n_components: int, covariance_type: CovarianceType) -> Experiment:
    """The experiment with another model: what differs is the model alone, so the start is seeded alike.

    A start by hand has a number of components of its own; random points stand in for it.
    """
    start = "random-points" if experiment.start == "by-hand" else experiment.start
    model = GaussianMixture(n_components, covariance_type)
    return replace(experiment, model=model, start=start, start_seed=0, by_hand=None)


def n_distinct(X: ArrayLike) -> int:
    """How many different points there are."""
    return len(np.unique(np.asarray(X, dtype=np.float64), axis=0))


def why_not(experiment: Experiment) -> str:
    """Why the experiment's model has too many components for its data, in a sentence; "" if it has not."""
    k = experiment.model.n_components
    source = experiment.source
    distinct = kept(("distinct points", source), lambda: n_distinct(experiment.dataset().X))
    if k <= distinct:
        return ""
    return (
        f"K = {k} is left out: there {'is' if distinct == 1 else 'are'} only {distinct:,} distinct "
        f"point{'' if distinct == 1 else 's'}, and each component needs one of its own. Choose fewer components."
    )


def fits(experiment: Experiment, first: int, n_runs: int) -> Fits:
    """`Experiment.restarts` with the criteria of each run (kept for all visitors)."""
    key = ("fits", replace(experiment, start_seed=0), first, n_runs if STARTS[experiment.start].random else 1)
    found: Fits = kept(key, lambda: fits_of(experiment.dataset().X, experiment.restarts(first, n_runs)))
    return found


class Chosen(NamedTuple):
    """What a criterion chooses: the number of components, the criterion there, and how far the next best is above it.

    `lead` is infinite if there is no other.
    """

    n_components: int
    value: float
    lead: float


def lowest(values: Mapping[int, float]) -> Chosen | None:
    """The number of components with the lowest value, the smaller of equals; None if all are NaN."""
    known = sorted((value, k) for k, value in values.items() if not math.isnan(value))
    if not known:
        return None
    value, k = known[0]
    return Chosen(k, value, known[1][0] - value if len(known) > 1 else math.inf)


def by_components(sweep: Mapping[int, Fits], criterion: str, *, first_run: bool = False) -> dict[int, float]:
    """A criterion of the best run for each number of components; with `first_run` of the first one, whatever it is."""
    return {k: found.value(criterion, 0 if first_run else found.best) for k, found in sweep.items() if len(found)}


# ---- Held-out points --------------------------------------------------------------------------------------


def folds(n_samples: int, n_folds: int, seed: int = 0) -> NDArray[np.int_]:
    """The fold of each point, from 0, shape (n_samples,): at random, as equal in size as can be.

    Raises
    ------
    ValueError
        Unless there are 2 folds or more, and a point for each.
    """
    if not 2 <= whole_number(n_folds, "n_folds") <= n_samples:
        raise ValueError(f"n_folds must be from 2 to {n_samples}, the number of points, got {n_folds}")
    rng = np.random.default_rng([whole_number(seed, "seed", least=0), _FOLDS])
    fold_of = rng.permutation(np.arange(n_samples) % n_folds)
    fold_of.flags.writeable = False
    return fold_of


def why_no_folds(experiment: Experiment, n_folds: int) -> str:
    """Why cross-validation cannot fit the experiment's model, in a sentence; "" if it can.

    What is left when a fold is held out must have n_features + 1 points for each component, without which a full
    covariance is singular.
    """
    X = experiment.dataset().X
    n, d = X.shape
    if n < n_folds:
        return f"{n_folds} folds need {n_folds} points or more, and there {'is' if n == 1 else 'are'} {n}."
    k = experiment.model.n_components
    left = n - -(-n // n_folds)
    needed = k * (d + 1)
    if left < needed:
        return (
            f"K = {k} is left out: without the points of one fold there are {left:,} to fit, and {k} "
            f"component{'' if k == 1 else 's'} need {needed:,}, {d + 1} for each. "
            + ("Choose more folds or fewer components." if n_folds < n else "Choose fewer components.")
        )
    return ""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a fit says of points that it has not seen.

    Attributes
    ----------
    rows : ndarray of int, shape (n_held_out,)
        Which points of X these are.
    log_densities : ndarray of shape (n_held_out,)
        ln p(x) of each, in nats; NaN where there was no fit.
    reason : str
        Why there was none, in a sentence; else "".
    """

    rows: NDArray[np.int_]
    log_densities: Array
    reason: str = ""

    @property
    def log_likelihood(self) -> float:
        """Their sum, in nats."""
        return float(self.log_densities.sum())


def held_out(experiment: Experiment, n_folds: int, fold: int, n_runs: int, seed: int = 0) -> HeldOut:
    """One fold of a cross-validation: fit all other points, the best of some runs, and look at those of the fold.

    Kept for all visitors. `n_folds` and `seed` as in `folds`; `fold` counts from 0. ValueError as in `folds`.
    """
    plain = replace(experiment, start_seed=0)

    def make() -> HeldOut:
        X = experiment.dataset().X
        rows = np.flatnonzero(folds(len(X), n_folds, seed) == fold)
        rest = np.delete(X, rows, axis=0)
        best = _best(_runs(plain, rest, n_runs))
        if best is None:
            found = np.full(len(rows), np.nan)
            reason = f"every run collapsed when fold {fold + 1} of {n_folds} was held out"
        else:
            theta = best[1]
            found = log_densities(X[rows], Mixtures(theta.weights[None], theta.means[None], theta.covariances[None]))[0]
            reason = ""
        for array in (rows, found):
            array.flags.writeable = False
        return HeldOut(rows, found, reason)

    value: HeldOut = kept(("held out", plain, n_folds, fold, n_runs, seed), make)
    return value


def together(parts: Sequence[HeldOut]) -> HeldOut:
    """All folds as one, in the order of the points."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    reasons = [part.reason for part in parts if part.reason]
    densities = np.concatenate([part.log_densities for part in parts])
    return HeldOut(rows[order], densities[order], reasons[0] if reasons else "")


def difference(one: HeldOut, other: HeldOut) -> tuple[float, float]:
    """The log-likelihood of one less that of the other, on the same points, and its standard error, in nats.

    The error is that of a sum of independent differences, sqrt(n) sd: points vary together under both fits, so their
    differences say more than the two sums.
    """
    differences = one.log_densities - other.log_densities
    n = len(differences)
    spread = float(differences.std(ddof=1)) if n > 1 else math.nan
    return float(differences.sum()), math.sqrt(n) * spread


# ---- One more component: the parametric bootstrap ----------------------------------------------------------


def likelihood_ratio(experiment: Experiment, n_runs: int) -> float:
    """2 (log-likelihood with one component more - with the experiment's), each the best of some runs; not below 0.

    NaN where every run collapsed. Its distribution is not chi-squared: with one component too many the parameters
    are not identified (McLachlan 1987; McLachlan & Peel 2000, chapter 6).
    """
    few, more = _neighbours(experiment)
    ends = [fits(one, 0, n_runs) for one in (few, more)]
    found = [end.value("log_likelihood", end.best) for end in ends]
    return _ratio(*found)


def replicate(experiment: Experiment, n_runs: int, index: int, seed: int = 0) -> float:
    """The likelihood ratio on points drawn from the best fit of the experiment's model: what chance makes of it.

    Kept for all visitors. NaN where every run with one component more collapsed.

    Parameters
    ----------
    experiment : Experiment
        Its model is the one without the extra component.
    n_runs : int
        As for the data themselves, from starts with the same seeds: more or fewer runs would find other ratios.
    index, seed : int
        Each pair gives points of its own.
    """
    few, more = _neighbours(experiment)

    def make() -> float:
        fitted = fits(few, 0, n_runs)
        if fitted.best is None:
            return math.nan
        theta = fitted.runs.parameters[fitted.best]
        X = draw(theta, fitted.n_samples, np.random.default_rng([seed, _REPLICATES, index]))
        ends = [_best(_runs(few, X, n_runs)), _best(_runs(more, X, n_runs))]
        return _ratio(*(math.nan if end is None else end[0] for end in ends))

    value: float = kept(("replicate", few, n_runs, index, seed), make)
    return value


def draw(parameters: GaussianMixtureParameters, n_samples: int, rng: np.random.Generator) -> Array:
    """Points from a mixture, shape (n_samples, n_features)."""
    labels = rng.choice(parameters.n_components, n_samples, p=parameters.weights)
    factors = np.linalg.cholesky(parameters.covariances)
    standard = rng.standard_normal((n_samples, parameters.n_features))
    points: Array = parameters.means[labels] + np.einsum("nij,nj->ni", factors[labels], standard)
    return points


def p_value(ratio: float, replicates: Sequence[float]) -> float:
    """The share of ratios that are at least as large, the data's own among them; NaN if there is no ratio."""
    known = [value for value in replicates if not math.isnan(value)]
    if math.isnan(ratio):
        return math.nan
    return (1 + sum(value >= ratio for value in known)) / (1 + len(known))


def _neighbours(experiment: Experiment) -> tuple[Experiment, Experiment]:
    """The experiment's model, and that with one component more."""
    model = _mixture(experiment)
    few, more = (candidate(experiment, model.n_components + extra, model.covariance_type) for extra in (0, 1))
    return few, more


def _mixture(experiment: Experiment) -> GaussianMixture:
    if not isinstance(experiment.model, GaussianMixture):
        raise ValueError(f"the number of components is chosen for a GaussianMixture, got {experiment.model!r}")
    return experiment.model


def _ratio(few: float, more: float) -> float:
    """Not below 0: the larger model contains the smaller one, whatever the runs found."""
    return math.nan if math.isnan(few) or math.isnan(more) else max(0.0, 2 * (more - few))


def _runs(experiment: Experiment, X: Array, n_runs: int) -> Runs:
    """Runs of the experiment on other points, from starts with the same seeds."""
    model = _mixture(experiment)
    prepared = model.prepare(X)
    begun = [
        starts.start(experiment.start, model, prepared.X, seed)
        for seed in range(n_runs if STARTS[experiment.start].random else 1)
    ]
    return run_many(model, prepared, begun, max_iter=experiment.max_iter, tol=experiment.tol)


def _best(runs: Runs) -> tuple[float, GaussianMixtureParameters] | None:
    """The highest log-likelihood and its parameters; None if every run collapsed."""
    whole = [i for i, stopped in enumerate(runs.stopped) if stopped != "degenerate"]
    if not whole:
        return None
    best = max(whole, key=lambda i: runs.objective[i])
    return float(runs.objective[best]), runs.parameters[best]


# ---- In words ---------------------------------------------------------------------------------------------


def about_likelihood(sweep: Mapping[int, Fits]) -> str:
    """That the best log-likelihood rises with every component, or what it means where it does not."""
    heights = {k: value for k, value in by_components(sweep, "log_likelihood").items() if not math.isnan(value)}
    counts = sorted(heights)
    if len(counts) < 2:
        return ""
    falls = [(j, k) for j, k in pairwise(counts) if heights[k] < heights[j] - 1e-6 * max(1.0, abs(heights[j]))]
    whole = f"from {number(heights[counts[0]])} at K = {counts[0]} to {number(heights[counts[-1]])} at K = {counts[-1]}"
    if not falls:
        return f"The best log-likelihood rises with every component, {whole}. It would go on: it never says stop."
    where = listed([f"from K = {j} to {k}" for j, k in falls])
    return (
        f"The best log-likelihood goes {whole}, but falls {where}. The larger model contains the smaller one, so its "
        "best fit cannot be lower: the runs have not found it. Take more restarts."
    )


def about_choice(sweep: Mapping[int, Fits]) -> str:
    """What each criterion chooses, and how clearly."""
    sentences = []
    for name, criterion in CRITERIA.items():
        found = lowest(by_components(sweep, name))
        if found is None:
            continue
        lead = f", {number(found.lead, 1)} below the next" if math.isfinite(found.lead) else ""
        last = " (the last one tried)" if len(sweep) > 1 and found.n_components == max(sweep) else ""
        sentences.append(f"{criterion.title} is lowest at **K = {found.n_components}**{last}{lead}")
    return "; ".join(sentences) + "." if sentences else ""


_SHAPES = {"full": "full", "tied": "tied", "diag": "diagonal", "spherical": "spherical"}


def about_shapes(sweeps: Mapping[str, Mapping[int, Fits]], criterion: str) -> str:
    """Which covariance type and number of components one criterion chooses, and which comes next."""
    found = sorted(
        (value, shape, k)
        for shape, sweep in sweeps.items()
        for k, value in by_components(sweep, criterion).items()
        if not math.isnan(value)
    )
    if len(found) < 2:
        return ""
    (lowest, shape, k), (second, other, j) = found[:2]
    return (
        f"Of all covariance types, {CRITERIA[criterion].title} is lowest with **{_SHAPES[shape]}, K = {k}**: "
        f"{number(lowest)}. Next is {_SHAPES[other]}, K = {j}, {number(second - lowest, 1)} higher. Shape and K are "
        "chosen together: a poorer shape needs more components for the same points."
    )


def about_restarts(sweep: Mapping[int, Fits]) -> str:
    """What BIC would say had there been one run for each number of components, and where that run was poor."""
    first, best = (by_components(sweep, "bic", first_run=alone) for alone in (True, False))
    chosen = [lowest(values) for values in (first, best)]
    n_runs = max((len(found) for found in sweep.values()), default=0)
    if n_runs < 2 or chosen[0] is None or chosen[1] is None:
        return ""
    alone, all_of_them = (one.n_components for one in chosen if one is not None)
    said = "too" if alone == all_of_them else "instead"
    text = f"With one run each, the first, BIC would choose K = {alone} {said}."
    losses = {k: first[k] - best[k] for k in best if not math.isnan(first[k])}
    worst = max(losses, key=lambda k: losses[k])
    if losses[worst] < 0.05:
        return f"{text} The first run was already the best for every K."
    return (
        f"{text} At K = {worst} its BIC is {number(losses[worst], 1)} too high, because it stopped at a poorer local "
        f"maximum than the best of {n_runs}. BIC knows nothing of that: it is about the maximum, and you must find it."
    )


def cautions(sweep: Mapping[int, Fits]) -> tuple[str, ...]:
    """What is wrong with some of the fits, a sentence for each kind: collapses, limits, tiny components."""
    said = []
    undefined = [k for k, found in sweep.items() if len(found) and found.best is None]
    if undefined:
        where = listed([f"K = {k}" for k in undefined])
        said.append(
            f"For {where} every run collapsed: the log-likelihood has no maximum there, and no criterion is defined. "
            "Choose a tied or spherical covariance, another start, or fewer components."
        )
    collapsed = sum(found.n_collapsed for found in sweep.values() if found.best is not None)
    if collapsed:
        said.append(
            f"{collapsed:,} run{'' if collapsed == 1 else 's'} collapsed and {'is' if collapsed == 1 else 'are'} left "
            "out: a log-likelihood without limit is the height of no fit."
        )
    unfinished = sum(found.n_unfinished for found in sweep.values())
    if unfinished:
        n_runs = sum(len(found) for found in sweep.values())
        said.append(
            f"{unfinished:,} of {n_runs:,} runs stopped at the limit of iterations, below their maximum (open dots)."
        )
    narrow = [k for k, found in sweep.items() if smallest_share(found) < _own_parameters(found)]
    if narrow:
        where = listed([f"K = {k}" for k in narrow])
        said.append(
            f"In the best fit for {where} a component takes fewer points than it has parameters of its own: such a "
            "maximum fits an accident of these points."
        )
    return tuple(said)


def smallest_share(found: Fits) -> float:
    """The points that the smallest component of the best run takes, N_k; infinite if there is no such run."""
    if not len(found) or found.best is None:
        return math.inf
    return float(found.runs.parameters[found.best].weights.min()) * found.n_samples


def _own_parameters(found: Fits) -> int:
    """Of one component, without its weight: a mean, and the covariance that is its own."""
    model = found.runs.model
    d = found.runs.parameters[0].n_features
    return d if model.covariance_type == "tied" else n_parameters(1, d, model.covariance_type)


def about_held_out(sums: Mapping[int, HeldOut]) -> str:
    """Which number of components predicts new points best, and which others cannot be told from it."""
    known = {k: found for k, found in sums.items() if not math.isnan(found.log_likelihood)}
    if not known:
        return ""
    best = max(known, key=lambda k: (known[k].log_likelihood, -k))
    text = f"Points that were held out are predicted best with **K = {best}**"
    if len(known) == 1:
        return text + "."
    rivals = []
    for k, found in sorted(known.items()):
        lost, error = difference(known[best], found)
        if k != best and lost < error:
            rivals.append(f"K = {k} ({number(lost, 1)} nats less, standard error {number(error, 1)})")
    if not rivals:
        return text + ", by more than one standard error of the difference from every other."
    return f"{text}, but within one standard error of the difference lie {listed(rivals)}."


def about_test(n_components: int, ratio: float, replicates: Sequence[float]) -> str:
    """What the bootstrap says of one component more."""
    known = [value for value in replicates if not math.isnan(value)]
    if math.isnan(ratio):
        return "The test is not defined here: every run of one of the two models collapsed."
    if not known:
        return ""
    p = p_value(ratio, replicates)
    larger = sum(value >= ratio for value in known)
    lost = len(replicates) - len(known)
    left_out = f" {lost:,} more collapsed and are left out." if lost else ""
    if 20 * (1 + larger) > 1 + len(known) and larger == 0:
        verdict = "These are too few data sets to tell: draw more."
    elif p > 0.05:
        verdict = "Chance alone gains as much often enough: little speaks for one component more."
    else:
        verdict = "Chance alone hardly ever gains as much: the data ask for one component more."
    return (
        f"On the data, K = {n_components + 1} gains {number(ratio)} over K = {n_components} (twice the difference of "
        f"log-likelihoods). On {len(known):,} data sets drawn from the fit with K = {n_components}, the gain was as "
        f"large {larger:,} time{'' if larger == 1 else 's'}: p = (1 + {larger}) / (1 + {len(known)}) = "
        f"{significant(p)}. {verdict}{left_out}"
    )


# ---- New points -------------------------------------------------------------------------------------------


class Prediction(NamedTuple):
    """What a fit says of a new point.

    Attributes
    ----------
    responsibilities : ndarray of shape (n_components,)
        p(z = k | x).
    log_density : float
        ln p(x), in nats.
    rarer : float
        The share of the data whose density is lower: near 0, the point is unlike all of them.
    """

    responsibilities: Array
    log_density: float
    rarer: float


def predict(X: ArrayLike, parameters: GaussianMixtureParameters, places: ArrayLike) -> list[Prediction]:
    """What a fit to X, shape (n_samples, n_features), says of new points, shape (n_places, n_features)."""
    new = np.asarray(places, dtype=np.float64).reshape(-1, parameters.n_features)
    if not len(new):
        return []
    mixture = Mixtures(parameters.weights[None], parameters.means[None], parameters.covariances[None])
    known, found = (log_densities(points, mixture)[0] for points in (np.asarray(X, dtype=np.float64), new))
    shares = _responsibilities(new, parameters)
    return [
        Prediction(share, density, float((known < density).mean()))
        for share, density in zip(shares, found.tolist(), strict=True)
    ]


def map_places(history: History) -> Array:
    """Places over all that the picture of a run shows, a grid in two dimensions, shape (n_places, n_features)."""
    start = replace(history, parameters=history.parameters[:1], objective=history.objective[:1])
    drawn = scene(start, np.zeros((history.model.n_components, 3), dtype=np.uint8))
    if drawn.n_features == 1:
        return np.linspace(*drawn.x_range, MAP_LINE)[:, None]
    across, up = (np.linspace(*reach, MAP_SIDE) for reach in (drawn.x_range, drawn.y_range))
    return np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)


def uncertainty(history: History, places: ArrayLike, most: int = 60) -> tuple[NDArray[np.int_], Array]:
    """1 - the largest responsibility at places: the chance that the most likely component is the wrong one.

    Parameters
    ----------
    history : History
        Of a Gaussian mixture.
    places : array-like of shape (n_places, n_features)
    most : int
        For how many iterations at most, 2 or more: each early one, then fewer and fewer, and the last.

    Returns
    -------
    iterations : ndarray of int, shape (n_frames,)
        For which ones, ascending from 0.
    doubts : ndarray of shape (n_frames, n_places)
    """
    last = history.n_iterations
    iterations = np.unique(np.rint(np.geomspace(1, last + 1, min(most, last + 1))).astype(int) - 1)
    grid = kernel.prepare(np.asarray(places, dtype=np.float64))
    doubts = np.array([1 - _responsibilities(grid, history.parameters[t]).max(axis=1) for t in iterations.tolist()])
    return iterations, doubts
