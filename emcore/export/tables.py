"""Tables to keep: the data and every iteration's parameters as CSV, with all digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emcore.em import History


def parameters_csv(history: History, *, axes: tuple[str, ...] = ("x", "y")) -> str:
    """One row for each iteration: objective, then weight, mean, sd and covariance of each component.

    Numbers are written with all their digits: reading them gives exactly the history's.

    Parameters
    ----------
    history : History
        A Gaussian-mixture run.
    axes : tuple of str
        What the features are called.
    """
    n_components, n_features = history.parameters[0].means.shape
    names = list(axes[:n_features]) if len(axes) >= n_features else [str(j + 1) for j in range(n_features)]
    pairs = [(i, j) for i in range(n_features) for j in range(i, n_features)]
    header = ["iteration", history.model.objective_name.lower()]
    for k in range(1, n_components + 1):
        header.append(f"weight {k}")
        header += [f"mean {k} {name}" for name in names]
        header += [f"sd {k} {name}" for name in names]
        header += [f"variance {k} {names[i]}" if i == j else f"covariance {k} {names[i]} {names[j]}" for i, j in pairs]
    rows = []
    for t, (theta, objective) in enumerate(zip(history.parameters, history.objective.tolist(), strict=True)):
        row: list[Any] = [t, objective]
        for k in range(n_components):
            row.append(float(theta.weights[k]))
            row += theta.means[k].tolist()
            row += np.sqrt(np.diagonal(theta.covariances[k])).tolist()
            row += [float(theta.covariances[k][pair]) for pair in pairs]
        rows.append(row)
    return _csv(header, rows)


def data_csv(X: ArrayLike, axes: Sequence[str], *, responsibilities: ArrayLike | None = None) -> str:
    """The data, one row a point, and if given the probability that each component made it.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        A missing value (NaN) is written as an empty cell.
    axes : sequence of str
        A name for each feature.
    responsibilities : array of shape (n_samples, n_components), optional
        responsibilities[n, k] is p(z_n = k | x_n, theta).

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    """
    table = np.asarray(X, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(axes):
        raise ValueError(f"X must have shape (n_samples, {len(axes)}), a column for each name, got {table.shape}")
    header = list(axes)
    if responsibilities is not None:
        r = np.asarray(responsibilities, dtype=np.float64)
        if r.ndim != 2 or len(r) != len(table):
            raise ValueError(
                f"responsibilities must have shape ({len(table)}, n_components), a row a point, got {r.shape}"
            )
        header += [f"p(component {k + 1})" for k in range(r.shape[1])]
        table = np.hstack([table, r])
    return _csv(header, ([None if value != value else value for value in row] for row in table.tolist()))


def _csv(header: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with LF line ends; floats as their shortest exact decimal."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_harmless(name) for name in header])
    writer.writerows(rows)
    return file.getvalue()


def _harmless(name: str) -> str:
    """A column's name that no spreadsheet takes for a formula, on one line."""
    name = " ".join(name.split())
    return f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
