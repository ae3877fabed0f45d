"""The linkage data of Dempster, Laird & Rubin (1977), the example that EM was introduced with.

197 animals fall into four cells with probabilities (1/2 + p/4, (1 - p)/4, (1 - p)/4, p/4). The first cell is two in
one: of probability 1/2 and p/4. Which of its animals belong to which was not observed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, expit, gammaln, logit

from emcore.em import DegenerateFit
from emcore.models.mixture import LogLikelihood, frozen_array
from emcore.models.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class LinkageParameters:
    """The one parameter.

    Attributes
    ----------
    probability : float
        p, strictly between 0 and 1.
    """

    probability: float

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise ValueError(f"probability must be between 0 and 1, got {self.probability}")

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The parameter as people read it."""
        return {"probability": np.array([self.probability])}

    def to_vector(self) -> NDArray[np.float64]:
        """Its logit."""
        return np.array([logit(self.probability)])

    def from_vector(self, vector: NDArray[np.float64]) -> LinkageParameters:
        """The parameter at `vector`."""
        return LinkageParameters(float(expit(frozen_array(vector, "vector", (1,))[0])))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the coordinate of `to_vector`."""
        return ("logit probability",)


@dataclass(frozen=True, eq=False)
class LinkagePosterior:
    """What the E-step says of the first cell.

    Attributes
    ----------
    parameters : LinkageParameters or None
        What it was computed from; None if it was made from a given share.
    objective : float
        The log-likelihood of `parameters` in nats, with the multinomial coefficient; NaN if there are none.
    responsibilities : ndarray of shape (4, 2)
        Of each cell: the share of its animals in the part of probability 1/2, and in that with p or 1 - p.
    n_shared : float
        The animals of the first cell.
    """

    parameters: LinkageParameters | None
    objective: float
    responsibilities: NDArray[np.float64]
    n_shared: float

    @property
    def hidden_count(self) -> float:
        """How many animals of the first cell are expected to belong to its part of probability p/4."""
        return float(self.n_shared * self.responsibilities[0, 1])

    @property
    def entropy(self) -> float:
        """H(q) in nats, of which animals of the first cell belong where: independent, one by one."""
        return float(self.n_shared * entr(self.responsibilities[0]).sum())


@dataclass(frozen=True)
class Linkage(LogLikelihood):
    """The genetic linkage model of Dempster, Laird & Rubin (1977, section 1). X has shape (4,): the four counts."""

    skeleton: ClassVar[Skeleton] = Skeleton(
        title="Linkage",
        observed="the animals in four cells",
        hidden="which animals of the first cell belong to its part of probability p/4",
        e_step="their expected number, by the ratio of p/4 to 1/2",
        m_step="a share, p: expected animals with p among those with p or 1 − p",
        source="Dempster, Laird & Rubin 1977",
    )

    @property
    def n_components(self) -> int:
        """The two parts of the first cell."""
        return 2

    def prepare(self, X: ArrayLike) -> NDArray[np.float64]:
        """Four whole numbers from 0 up, with something in the last three or all in the first, validated."""
        if isinstance(X, np.ndarray) and X.dtype == np.float64 and not X.flags.writeable and X.shape == (4,):
            counts: NDArray[np.float64] = X
        else:
            counts = frozen_array(X, "X", (4,))
        if (counts < 0).any() or (counts != np.floor(counts)).any() or counts[1:].sum() == 0:
            raise ValueError(
                "X must be four whole numbers from 0 up, of which one of the last three is not 0, "
                f"got {counts.tolist()}"
            )
        return counts

    def initialize(self, X: ArrayLike, rng: np.random.Generator) -> LinkageParameters:
        """p anywhere from 0.05 to 0.95."""
        self.prepare(X)
        return LinkageParameters(float(rng.uniform(0.05, 0.95)))

    def curve(self, X: ArrayLike, n_values: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of p between 0 and 1, and the log-likelihood of each, both of shape (n_values,)."""
        p = (np.arange(n_values) + 0.5) / n_values
        values = [self.e_step(X, LinkageParameters(float(each))).objective for each in p]
        return p, np.array(values)

    def from_share(self, X: ArrayLike, share: float) -> LinkagePosterior:
        """The posterior in which this share of the first cell belongs to its part of probability p/4."""
        counts = self.prepare(X)
        responsibilities = np.array([[1 - share, share], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
        return LinkagePosterior(None, float("nan"), responsibilities, float(counts[0]))

    def from_responsibilities(self, X: ArrayLike, responsibilities: ArrayLike) -> LinkagePosterior:
        """The posterior that consists of these shares of the first cell."""
        return self.from_share(X, float(frozen_array(responsibilities, "responsibilities", (4, 2))[0, 1]))

    def e_step(self, X: ArrayLike, parameters: LinkageParameters) -> LinkagePosterior:
        """How the first cell is divided (Dempster, Laird & Rubin 1977, equation 1.4)."""
        counts, p = self.prepare(X), parameters.probability
        cells = np.array([0.5 + p / 4, (1 - p) / 4, (1 - p) / 4, p / 4])
        coefficient = gammaln(counts.sum() + 1) - gammaln(counts + 1).sum()
        found = self.from_share(counts, float((p / 4) / cells[0]))
        objective = float(coefficient + counts @ np.log(cells))
        return LinkagePosterior(parameters, objective, found.responsibilities, float(counts[0]))

    def m_step(self, X: ArrayLike, posterior: LinkagePosterior) -> LinkageParameters:
        """The share of p among the animals that tell of it (Dempster, Laird & Rubin 1977, equation 1.5)."""
        _, second, third, fourth = self.prepare(X).tolist()
        hidden = posterior.hidden_count
        p = (hidden + fourth) / (hidden + second + third + fourth)
        if not 0 < p < 1:
            raise DegenerateFit(
                f"The share of p is {p:g}: no animal speaks against it, and the log-likelihood has its maximum at the "
                "end of the range.",
                "Choose counts in which p and 1 - p both have animals.",
            )
        return LinkageParameters(p)

    def expected_log_joint(self, X: ArrayLike, posterior: LinkagePosterior, parameters: LinkageParameters) -> float:
        """Q(p, p_old): the mean of log p(X, Z | p) under the posterior, in nats, with the coefficient of X."""
        counts, p = self.prepare(X), parameters.probability
        hidden = posterior.hidden_count
        coefficient = gammaln(counts.sum() + 1) - gammaln(counts + 1).sum()
        known = (counts[0] - hidden) * np.log(0.5) + (hidden + counts[3]) * np.log(p / 4)
        return float(coefficient + known + (counts[1] + counts[2]) * np.log((1 - p) / 4))
