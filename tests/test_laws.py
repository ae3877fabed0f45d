"""The EM theorem as tests: laws that hold for every model, over the table of cases."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import emcore.models
from emcore import iterate, lower_bound, run
from tests.cases import CASES, Case


def over(cases: list[Case]):
    """A law over these cases."""
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


every_case = over(CASES)
# where the hidden variable has a few values, and not any real one
labelled = over([case for case in CASES if hasattr(case.model.e_step(case.X, case.start), "responsibilities")])
takes_responsibilities = over([case for case in CASES if hasattr(case.model, "from_responsibilities")])


def first_steps(case: Case, n: int = 6):
    """The first n (parameters, posterior) pairs of EM."""
    steps = iterate(case.model, case.X, case.start)
    return [next(steps) for _ in range(n)]


def test_every_model_has_a_case():
    models = {getattr(emcore.models, name) for name in emcore.models.__all__}
    models = {model for model in models if hasattr(model, "e_step")}
    assert models == {type(case.model) for case in CASES}


@every_case
def test_bound_touches_the_objective_after_an_e_step(case: Case):
    for parameters, posterior in first_steps(case):
        bound = lower_bound(case.model, case.X, posterior, parameters)
        assert bound == pytest.approx(posterior.objective, rel=1e-9)


@every_case
def test_bound_lies_below_the_objective_elsewhere(case: Case):
    rng = np.random.default_rng(0)
    parameters, posterior = first_steps(case, 3)[-1]
    for _ in range(20):
        vector = parameters.to_vector()
        other = parameters.from_vector(vector + rng.normal(0, 0.2, vector.shape))
        objective = case.model.e_step(case.X, other).objective
        bound = lower_bound(case.model, case.X, posterior, other)
        assert bound <= objective + 1e-9 * abs(objective)


@every_case
def test_m_step_is_a_maximum(case: Case):
    for _, posterior in first_steps(case, 3):
        best = case.model.m_step(case.X, posterior)
        reached = case.model.expected_log_joint(case.X, posterior, best)
        vector = best.to_vector()
        for coordinate in range(len(vector)):
            for step in (1e-4, -1e-4, 1e-3, -1e-3, 0.05, -0.05, 1.0, -1.0):
                moved = vector.copy()
                moved[coordinate] += step
                other = best.from_vector(moved)
                if not case.legal(other):
                    continue
                value = case.model.expected_log_joint(case.X, posterior, other)
                assert value <= reached + 1e-11 * abs(reached), best.names[coordinate]


@every_case
def test_objective_equals_first_principles(case: Case):
    for parameters, posterior in first_steps(case):
        assert posterior.objective == pytest.approx(case.first_principles(case.X, parameters), rel=1e-12)


@every_case
def test_objective_never_falls(case: Case):
    history = run(case.model, case.X, case.start, max_iter=200, tol=0)
    rise = np.diff(history.objective)
    assert (rise >= -1e-12 * np.abs(history.objective[1:])).all()
    assert history.objective[-1] > history.objective[0]


@labelled
def test_responsibilities_are_probabilities(case: Case):
    for _, posterior in first_steps(case, 3):
        r = posterior.responsibilities
        assert r.shape == (len(case.X), case.model.n_components)
        assert (r >= 0).all()
        np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-12)


@every_case
def test_vector_and_back_is_the_identity(case: Case):
    for parameters, _ in first_steps(case, 3):
        vector = parameters.to_vector()
        assert len(vector) == len(parameters.names) == len(set(parameters.names))
        back = parameters.from_vector(vector)
        np.testing.assert_allclose(back.to_vector(), vector, rtol=1e-9, atol=1e-9)
        for name, values in parameters.columns().items():
            np.testing.assert_allclose(back.columns()[name], values, rtol=1e-9, atol=1e-12)


@every_case
def test_steps_are_pure_and_run_is_reproducible(case: Case):
    before = case.X.copy()
    first, second = (run(case.model, case.X, case.start, max_iter=15, tol=0) for _ in range(2))
    assert np.array_equal(case.X, before, equal_nan=True)
    assert np.array_equal(first.objective, second.objective)
    for one, other in zip(first.parameters, second.parameters, strict=True):
        assert np.array_equal(one.to_vector(), other.to_vector())


@takes_responsibilities
def test_given_responsibilities_make_the_same_m_step(case: Case):
    _, posterior = first_steps(case, 2)[-1]
    given = case.model.from_responsibilities(case.X, posterior.responsibilities)
    after = case.model.m_step(case.X, posterior).to_vector()
    np.testing.assert_allclose(case.model.m_step(case.X, given).to_vector(), after, rtol=1e-9, atol=1e-9)
    assert given.entropy == pytest.approx(posterior.entropy, rel=1e-9, abs=1e-12)
    assert np.isnan(given.objective)


@every_case
def test_prepared_data_and_raw_data_give_the_same(case: Case):
    prepared = case.model.prepare(case.X)
    assert case.model.prepare(prepared) is prepared
    raw, laid_out = (case.model.e_step(X, case.start) for X in (case.X, prepared))
    assert raw.objective == laid_out.objective


@every_case
def test_history_positions(case: Case):
    history = run(case.model, case.X, case.start, max_iter=5, tol=0)
    assert history.n_positions == 2 * len(history.parameters)
    snapshots = [history.snapshot(position) for position in range(history.n_positions)]
    assert [snapshot.phase for snapshot in snapshots[:4]] == ["start", "E", "M", "E"]
    assert snapshots[0].posterior is None and snapshots[0].lower_bound is None
    for snapshot in snapshots[1:]:
        t = (snapshot.position - 1) // 2
        assert snapshot.iteration == snapshot.position // 2
        assert snapshot.parameters is history.parameters[snapshot.iteration]
        assert snapshot.posterior.parameters is history.parameters[t]
        assert snapshot.objective == history.objective[snapshot.iteration]
        assert snapshot.lower_bound == pytest.approx(
            lower_bound(case.model, case.X, snapshot.posterior, snapshot.parameters), rel=1e-9
        )
    np.testing.assert_allclose(history.lower_bounds[1:], [s.lower_bound for s in snapshots[1:]], rtol=1e-9)
    assert np.isnan(history.lower_bounds[0])
    # the staircase climbs: each E-step closes the gap, each M-step raises the bound
    for low, high in pairwise(history.lower_bounds[1:]):
        assert high >= low - 1e-9 * abs(low)
    for outside in (-1, history.n_positions):
        with pytest.raises(ValueError, match="position must be from 0 to"):
            history.snapshot(outside)
