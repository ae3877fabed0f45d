"""The bound under the objective, over the table of cases: what is drawn is what the theory says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import rel_entr

from emcore import landscape, lower_bound, run
from emcore.models import GaussianMixture
from tests.cases import CASES, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def history_of(case: Case, n: int = 3):
    return run(case.model, case.X, case.start, max_iter=n, tol=0)


def slices_of(case: Case, n_values: int = 9):
    """One parameter, and the line."""
    history = history_of(case)
    names = history.parameters[0].names
    return history, [landscape.bound_slices(history, name, n_values=n_values) for name in (names[0], names[-1], "")]


@every_case
def test_the_bound_touches_with_the_same_slope(case: Case):
    history = history_of(case)
    theta = history.parameters[2]
    posterior = history.posterior(2)
    objective, bound = landscape.bound_at(case.model, case.X, posterior, theta, [theta.to_vector()])
    assert bound[0] == pytest.approx(objective[0], rel=1e-9)
    directions = [*np.eye(len(theta.names)), history.parameters[3].to_vector() - theta.to_vector()]
    for direction in directions:
        if not direction.any():  # k-means at rest
            continue
        at_objective, at_bound = landscape.slopes(case.model, case.X, posterior, theta, direction)
        assert at_bound == pytest.approx(at_objective, rel=1e-4, abs=1e-4 * len(case.X))


@every_case
def test_the_bound_lies_nowhere_above_the_objective(case: Case):
    for slices in slices_of(case)[1]:
        drawn = np.isfinite(slices.objective) & np.isfinite(slices.bound)
        assert drawn[1:].mean() > 0.8
        room = 1e-9 * np.abs(slices.objective)
        assert (slices.bound <= slices.objective + room)[drawn].all()
        before = np.isfinite(slices.earlier) & np.isfinite(slices.objective)
        assert before.any()
        assert (slices.earlier <= slices.objective + room)[before].all()


@every_case
def test_the_slices_pass_through_the_parameters_in_force(case: Case):
    history = history_of(case)
    for name in (history.parameters[0].names[0], ""):
        slices = landscape.bound_slices(history, name, n_values=3)
        for position in range(1, history.n_positions):
            here = history.snapshot(position)
            at = slices.place[position]
            if name:
                vector = here.parameters.to_vector()
                assert vector[0] == at
            else:
                first = history.parameters[(position - 1) // 2].to_vector()
                last = here.parameters.to_vector() if position % 2 == 0 else first
                vector = first + at * (last - first)
                np.testing.assert_allclose(vector, here.parameters.to_vector(), atol=1e-12)
            assert slices.reached[position] == here.objective
            assert slices.touched[position] == pytest.approx(here.lower_bound, rel=1e-9)
            objective, bound = landscape.bound_at(case.model, case.X, here.posterior, here.parameters, [vector])
            assert objective[0] == pytest.approx(slices.reached[position], rel=1e-9)
            assert bound[0] == pytest.approx(slices.touched[position], rel=1e-9)
            assert slices.gap[position] >= -1e-9 * abs(here.objective)
        assert np.isnan(slices.bound[0]).all() and np.isnan(slices.gap[0])


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not getattr(case.model, "sd_floor", 0)],  # with a floor the top may lie below it
    ids=lambda case: case.name,
)
def test_the_m_step_walks_to_the_top_of_the_bound(case: Case):
    _, drawn = slices_of(case, n_values=13)
    for slices in drawn:
        for position in range(2, len(slices.place), 2):
            top = slices.touched[position]
            assert np.nanmax(slices.bound[position]) <= top + 1e-9 * abs(top)


@every_case
def test_the_ledger_adds_up_and_an_e_step_closes_what_an_m_step_opened(case: Case):
    history = history_of(case)
    assert landscape.ledger(history, 0) is None
    for position in range(1, history.n_positions):
        entry = landscape.ledger(history, position)
        assert entry is not None
        here = history.snapshot(position)
        total = entry.expected_log_joint + entry.entropy + entry.gap
        assert total == pytest.approx(here.objective, rel=1e-9)
        assert entry.bound == pytest.approx(
            lower_bound(case.model, case.X, here.posterior, here.parameters), rel=1e-9, abs=1e-12
        )
        assert entry.gain == pytest.approx(entry.q_gained + entry.closed, abs=1e-12)
        t = here.iteration
        if t:
            assert entry.gain == pytest.approx(history.objective[t] - history.objective[t - 1])
            assert entry.q_gained >= -1e-9 * abs(here.objective)
            assert entry.closed >= -1e-9 * abs(here.objective)


@pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(case.model, GaussianMixture)], ids=lambda case: case.name
)
def test_the_gap_is_the_divergence_between_old_and_new_responsibilities(case: Case):
    history = history_of(case)
    slices = landscape.bound_slices(history, n_values=2)
    for t in range(history.n_iterations):
        old, new = (history.posterior(i).responsibilities for i in (t, t + 1))
        divergence = rel_entr(old, new).sum()
        assert slices.gap[2 * t + 2] == pytest.approx(divergence, rel=1e-6, abs=1e-9 * abs(history.objective[t]))
        assert slices.closed[2 * t + 3] == slices.gap[2 * t + 2]


def test_a_slice_covers_what_the_run_visits_from_an_iteration_on():
    case = next(case for case in CASES if case.name == "gaussian full 1d k=3")
    history = history_of(case, 10)
    for name in history.parameters[0].names:
        path = [theta.to_vector()[theta.names.index(name)] for theta in history.parameters]
        whole, late = (landscape.bound_slices(history, name, since=since, n_values=2) for since in (0, 8))
        assert whole.x[0] < min(path) and max(path) < whole.x[-1]
        assert np.ptp(late.x) <= np.ptp(whole.x)


def test_what_cannot_be_cut_is_refused_in_words():
    history = history_of(CASES[0])
    with pytest.raises(ValueError, match="names must be different ones of"):
        landscape.bound_slices(history, "mean 7")
    with pytest.raises(ValueError, match="since must be from 0 to 3, got 4"):
        landscape.bound_slices(history, since=4)
    with pytest.raises(ValueError, match="vectors must have shape"):
        landscape.bound_at(history.model, history.X, history.posterior(0), history.parameters[0], [[0.0]])


def test_a_run_at_rest_has_slices():
    case = next(case for case in CASES if case.name == "gaussian full 1d k=1")
    slices = landscape.bound_slices(run(case.model, case.X, case.start, max_iter=2, tol=0))
    assert np.ptp(slices.objective[-1]) == pytest.approx(0, abs=1e-9)  # no step leads on


def test_a_run_that_collapses_has_slices():
    X = np.array([[0.0], [0.0], [5.0], [6.0], [7.0]])
    model = GaussianMixture(2)
    collapsed = run(model, X, model.from_means(X, [[0.0], [6.0]]), tol=0)
    assert collapsed.stopped == "degenerate"
    for name in ("log sd 1", ""):
        slices = landscape.bound_slices(collapsed, name)
        assert np.isfinite(slices.bound[-1]).any()
        assert not (slices.bound > slices.objective + 1e-6).any()
