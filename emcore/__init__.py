"""EM Lab's numeric core: the EM algorithm with every step of its way kept."""

from emcore.em import (
    DegenerateFit,
    History,
    LatentVariableModel,
    Snapshot,
    iterate,
    lower_bound,
    run,
)

__all__ = ["DegenerateFit", "History", "LatentVariableModel", "Snapshot", "iterate", "lower_bound", "run"]
