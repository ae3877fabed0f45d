"""EM in four phrases, the same for every model: the guide's table and each lesson's card are made from them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skeleton:
    """What EM is for one model, each entry a phrase without a full stop.

    Attributes
    ----------
    title : str
        The model.
    observed, hidden : str
        What was seen, and what was not.
    e_step : str
        What the E-step computes: the posterior of the hidden part.
    m_step : str
        Which weighted estimate the M-step solves.
    source : str
        Where it is from.
    """

    title: str
    observed: str
    hidden: str
    e_step: str
    m_step: str
    source: str
