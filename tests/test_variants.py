"""Partial steps, other E-steps and faults: what each keeps and breaks; the laws of this suite catch the faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emcore import run
from emcore.experiment import PresetData
from emcore.models import GaussianMixture
from emcore.models.mixture import log_joint
from emcore.variants import FAULTS, PROMISES, STEPS, VARIANTS, Variant, monitor, secret
from tests import test_laws
from tests.cases import CASES, Case, mixture_log_likelihood

LAWS = (
    test_laws.test_bound_touches_the_objective_after_an_e_step,
    test_laws.test_bound_lies_below_the_objective_elsewhere,
    test_laws.test_m_step_is_a_maximum,
    test_laws.test_objective_equals_first_principles,
    test_laws.test_objective_never_falls,
    test_laws.test_responsibilities_are_probabilities,
)
PLAIN = [case for case in CASES if case.name in ("gaussian full 1d k=3", "gaussian full 2d k=2")]


def variant_of(case: Case, name: str, **options) -> Case:
    return replace(case, model=Variant(case.model, name, **options), first_principles=mixture_log_likelihood)


def broken_laws(case: Case) -> set[str]:
    broken = set()
    for law in LAWS:
        try:
            with np.errstate(divide="ignore"):  # a density that underflows
                law(case)
        except (AssertionError, ValueError):
            broken.add(law.__name__)
    return broken


def history_of(case: Case, n: int = 25):
    return run(case.model, case.X, case.start, max_iter=n, tol=0)


def broken_promises(history) -> set[str]:
    return {check.promise for check in monitor(history) if check.broken}


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
@pytest.mark.parametrize("name", FAULTS)
def test_the_laws_and_the_monitor_catch_every_fault(case: Case, name: str):
    faulty = variant_of(case, name)
    assert broken_laws(faulty)
    assert broken_promises(history_of(faulty))


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_the_whole_step_breaks_no_law_and_no_promise(case: Case):
    whole = variant_of(case, "full")
    assert not broken_laws(whole)
    checks = monitor(history_of(whole))
    assert [check.promise for check in checks] == list(PROMISES)
    assert not any(check.broken or check.by for check in checks)
    assert all(check.n_checked >= 25 for check in checks)
    assert np.array_equal(history_of(whole).objective, history_of(case).objective)


@pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(case.model, GaussianMixture)], ids=lambda case: case.name
)
def test_no_promise_is_said_to_be_broken_by_em(case: Case):
    assert not broken_promises(history_of(case, 60))


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
@pytest.mark.parametrize(("name", "fraction"), [("part", 0.1), ("part", 0.5), ("part", 0.9), ("means", 0.5)])
def test_partial_m_steps_climb_and_are_no_maximum(case: Case, name: str, fraction: float):
    history = history_of(variant_of(case, name, fraction=fraction))
    assert broken_promises(history) == {"maximum"}
    assert history.objective[-1] > history.objective[0]


def test_a_whole_part_is_the_whole_step():
    case = PLAIN[0]
    part, whole = (history_of(variant_of(case, name, fraction=1)) for name in ("part", "full"))
    assert np.array_equal(part.objective, whole.objective)


def test_a_smaller_part_climbs_more_slowly():
    case = PLAIN[1]
    slow, fast = (history_of(variant_of(case, "part", fraction=part), 5).objective[-1] for part in (0.1, 0.9))
    assert slow < fast


def test_means_alone_leave_the_rest_of_the_start():
    history = history_of(variant_of(PLAIN[1], "means"))
    start, end = history.parameters[0], history.parameters[-1]
    assert np.array_equal(start.weights, end.weights) and np.array_equal(start.covariances, end.covariances)
    assert not np.allclose(start.means, end.means)


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_hard_labels_climb_in_their_own_objective(case: Case):
    history = history_of(variant_of(case, "hard"))
    own = [log_joint(case.X, theta).max(axis=1).sum() for theta in history.parameters]
    assert (np.diff(own) >= -1e-9 * np.abs(own[1:])).all()
    assert "touches" in broken_promises(history) and "objective" not in broken_promises(history)


def test_drawn_labels_depend_on_the_seed_alone():
    case = PLAIN[1]
    one, again, other = (history_of(variant_of(case, "drawn", seed=seed)).objective for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert (np.diff(one) < 0).any()
    labels = Variant(case.model, "drawn").e_step(case.X, case.start).responsibilities
    assert set(np.unique(labels)) == {0.0, 1.0} and (labels.sum(axis=1) == 1).all()


def test_drawn_labels_come_as_often_as_their_responsibilities_say():
    case = PLAIN[1]
    soft = case.model.e_step(case.X, case.start).counts
    drawn = [Variant(case.model, "drawn", seed=seed).e_step(case.X, case.start).counts for seed in range(200)]
    np.testing.assert_allclose(np.mean(drawn, axis=0), soft, atol=1.5)


@pytest.mark.parametrize(
    ("name", "promises"),
    [
        ("best-label", {"objective", "touches", "above"}),
        ("q", {"objective", "touches", "above"}),
        ("delayed", {"objective", "touches", "above"}),
        ("ridge", {"maximum"}),
        ("equal-weights", {"objective", "touches"}),
        ("fixed-weights", {"maximum"}),
        ("sd", {"maximum"}),
        ("determinant", {"objective", "touches"}),
        ("old-mean", {"maximum"}),
        ("in-place", {"rows"}),
        ("over-points", {"rows"}),
    ],
)
def test_each_fault_breaks_the_promise_that_it_is_about(name: str, promises: set[str]):
    assert promises <= broken_promises(history_of(variant_of(PLAIN[0], name)))


def test_the_monitor_says_when_and_by_how_much():
    case = PLAIN[1]
    history = history_of(variant_of(case, "sd"))
    fell = next(check for check in monitor(history) if check.promise == "climbs")
    falls = np.flatnonzero(np.diff(history.objective) < -1e-6) + 1
    assert fell.broken and set(falls) <= set(fell.broken)
    first = fell.broken[0]
    assert fell.by == pytest.approx(history.objective[first - 1] - history.objective[first])
    assert fell.n_checked == history.n_iterations


def test_log_joint_adds_up_to_the_log_likelihood():
    for case in PLAIN:
        total = np.logaddexp.reduce(log_joint(case.X, case.start), axis=1).sum()
        assert total == pytest.approx(mixture_log_likelihood(case.X, case.start), rel=1e-12)


def test_the_steps_of_a_variant_are_pure():
    for name in VARIANTS:
        for case in PLAIN:
            one, other = (history_of(variant_of(case, name), 6).objective for _ in range(2))
            assert np.array_equal(one, other), name


def test_secrets_meet_every_fault_and_never_another_variant():
    n = len(FAULTS)
    assert n >= 8 and not set(FAULTS) & set(STEPS)
    for lap in range(3):
        assert {secret(seed) for seed in range(lap * n, (lap + 1) * n)} == set(FAULTS)
    assert [secret(seed) for seed in range(n)] != [secret(seed) for seed in range(n, 2 * n)]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_says_what_it_does(name: str):
    rule = VARIANTS[name]
    assert rule.title and rule.reason.endswith(".")
    assert (rule.e_step is None and rule.m_step is None) == (name == "full")


def test_illegal_variants_are_refused():
    with pytest.raises(ValueError, match="name must be one of full, part"):
        Variant(GaussianMixture(2), "other")
    with pytest.raises(ValueError, match="fraction must be above 0"):
        Variant(GaussianMixture(2), "part", fraction=0)


@pytest.mark.parametrize("preset", ["tiny", "duplicates", "saddle"])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_meets_odd_data_without_a_traceback(preset: str, name: str):
    X = PresetData(preset).make().X
    model = GaussianMixture(2)
    start = model.initialize(X, np.random.default_rng(0))
    history = run(Variant(model, name), X, start, max_iter=15, tol=0)
    assert history.reason
    assert len(monitor(history)) == len(PROMISES)
