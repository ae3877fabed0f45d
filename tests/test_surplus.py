"""Surplus components under a prior: who lives, what the bound is made of, what is said, and the pictures as data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma

from emcore import lower_bound, report, surplus
from emcore.experiment import Experiment, PresetData
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.figures.surplus import faded, weights_figure
from emcore.models import GaussianMixture, VariationalGaussianMixture

SIX = Experiment(PresetData("three-blobs"), GaussianMixture(6), max_iter=100, tol=1e-7)
ON_A_LINE = Experiment(PresetData("waiting-times"), GaussianMixture(5), max_iter=100, tol=1e-7)


@pytest.fixture(scope="module")
def history():
    return surplus.with_prior(SIX, 0.01).history()


def counts_of(history, iteration):
    return history.posterior(iteration).responsibilities.sum(axis=0)


def test_points_are_those_of_the_e_step_before(history):
    points = surplus.points_behind(history)
    assert points[0] == pytest.approx(np.full(6, 50))
    for t in (1, 7, history.n_iterations):
        np.testing.assert_allclose(points[t], counts_of(history, t - 1), atol=1e-9)
    np.testing.assert_array_equal(surplus.alive(history), points >= 1)
    assert surplus.survivors(history) == 3


def test_points_of_maximum_likelihood_are_its_weights():
    other = surplus.without_prior(SIX, 20).history()
    np.testing.assert_allclose(surplus.points_behind(other)[5], counts_of(other, 4), rtol=1e-9)
    assert surplus.survivors(other) == 6 and other.n_iterations <= 20


def test_both_begin_at_the_same_means_and_covariances(history):
    start, other = history.parameters[0], surplus.without_prior(SIX, 20).history().parameters[0]
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(start, name), getattr(other, name))


@pytest.mark.parametrize("position", [1, 2, 13, 40])
def test_the_account_adds_up_to_the_bound(history, position: int):
    account, snapshot = surplus.account(history, position), history.snapshot(position)
    prices = account.price_of_weights + account.price_of_components
    assert account.explained + account.entropy - prices == pytest.approx(snapshot.lower_bound, rel=1e-12)
    assert account.bound == snapshot.lower_bound
    assert account.entropy == pytest.approx(snapshot.posterior.entropy)
    assert min(account.price_of_weights, account.price_of_components) > 0


def test_at_the_bare_start_there_is_no_account(history):
    assert surplus.account(history, 0) is None


def test_the_dead_cost_nothing_and_compete_with_nothing(history):
    believed = surplus.beliefs(history, history.n_iterations)
    dead = [belief for belief in believed if belief.points < 1]
    assert len(dead) == 3
    for belief in dead:
        assert belief.price == pytest.approx(0, abs=1e-6)
        assert belief.concentration == pytest.approx(0.01)
        assert 0 < belief.competing < 1e-40
    total = sum(belief.concentration for belief in believed)
    assert total == pytest.approx(300.06)
    for belief in believed:
        assert belief.weight == pytest.approx(belief.concentration / total)
        assert belief.competing == pytest.approx(np.exp(digamma(belief.concentration) - digamma(total)))
        assert belief.competing < belief.weight
    assert surplus.weakest(believed).points == min(belief.points for belief in believed if belief.points >= 1)


def test_a_component_of_many_points_competes_as_if_it_had_half_a_point_less(history):
    """What the page says of exp E[log weight]."""
    for belief in surplus.beliefs(history, history.n_iterations):
        if belief.points > 1:
            assert belief.competing * 300.06 == pytest.approx(belief.concentration - 0.5, abs=0.2)


@pytest.mark.parametrize("n_features", [1, 2, 3])
@pytest.mark.parametrize("alpha_0", [0.1, 4.0])
def test_the_threshold_decides_whether_a_second_copy_pays_with_many_points(n_features: int, alpha_0: float):
    """Per factor e of points, the bound with two copies in use gains alpha_0 - (d + 1) / 2 on that with one empty."""
    model = VariationalGaussianMixture(2, alpha_0)
    few = np.random.default_rng(0).normal(size=(500, n_features))

    def advantage(X) -> float:
        bounds = []
        for share in (0.5, 1.0):
            given = model.from_responsibilities(X, np.tile([share, 1 - share], (len(X), 1)))
            bounds.append(lower_bound(model, X, given, model.m_step(X, given)))
        return bounds[0] - bounds[1]

    gained = advantage(np.tile(few, (40, 1))) - advantage(few)
    assert gained / np.log(40) == pytest.approx(alpha_0 - surplus.threshold(n_features), abs=0.02)


def test_below_the_threshold_the_surplus_dies_and_above_it_stays():
    trials = [surplus.trial(SIX, concentration) for concentration in (0.01, 1, 30)]
    assert [trial.survivors for trial in trials] == [3, 3, 6]
    assert [trial.concentration for trial in trials] == [0.01, 1, 30]
    for trial, concentration in zip(trials, (0.01, 1, 30), strict=True):
        ended = surplus.with_prior(SIX, concentration).history()
        assert (trial.bound, trial.n_iterations) == (ended.objective[-1], ended.n_iterations)
        assert trial.finished == (ended.stopped == "converged")


def test_captions_tell_who_dies(history):
    said = report.captions(history, surplus.WORDS)
    living = surplus.alive(history).sum(axis=1)
    fell = [t for t in range(1, len(living)) if living[t] < living[t - 1]]
    assert fell
    for t in range(1, history.n_iterations + 1):
        sentence = said.half_steps[2 * t]
        assert ("fell below one point" in sentence) == (t in fell)
        assert (f"{living[t]} of 6" if living[t] < 6 else "all 6 components have") in sentence
    assert "is now −1,160.07" in said.half_steps[-1] and "lower bound now equals" not in said.half_steps[-1]
    for t in (0, 7, 8, history.n_iterations):
        shares = [report.number(count, 1) for count in counts_of(history, t) if count > 1]
        assert f"take {report.listed(shares)} of 300 points" in said.half_steps[2 * t + 1]
    assert "points, the others 0.00; the evidence lower bound" in said.half_steps[-1]


def test_the_verdict_compares_with_the_prediction_at_the_end_alone(history):
    last = history.n_iterations
    assert surplus.verdict(history, last, 3).endswith("the last: as you predicted.")
    assert surplus.verdict(history, last, 5).endswith("the last; you predicted 5.")
    assert surplus.verdict(history, 3, 5) == (
        "**6 of 6 components** have a point or more at iteration 3; you predicted 5 for the end."
    )
    cut = surplus.with_prior(Experiment(SIX.source, SIX.model, max_iter=3), 0.01).history()
    assert "more may die yet" in surplus.verdict(cut, 3)


def test_beside_maximum_likelihood_a_sentence_for_each_position(history):
    other = surplus.without_prior(SIX, history.n_iterations).history()
    said = surplus.beside(history, other)
    assert len(said) == history.n_positions
    assert "With the prior, iteration 35, where it ended: 3 of 6" in said[-1]
    assert "Maximum likelihood, iteration 35: 6 of 6" in said[-1]
    assert report.objective_text(other, 35) in said[-1]


# ---- Pictures ---------------------------------------------------------------------------------------------


def test_the_weights_figure_holds_the_weights(history):
    other = surplus.without_prior(SIX, 12).history()
    drawn = weights_figure(history, other)
    names = [trace.name for trace in drawn.figure.data]
    for run, who in ((history, "with the prior"), (other, "maximum likelihood")):
        for k in range(6):
            line = drawn.figure.data[names.index(f"Weight {k + 1}, {who}")]
            np.testing.assert_array_equal(line.y, [theta.weights[k] for theta in run.parameters])
    assert drawn.n_positions == history.n_positions
    at = drawn.at(21)
    now = {name: at.data[names.index(f"Now, {name}")] for name in ("with the prior", "maximum likelihood")}
    np.testing.assert_array_equal(now["with the prior"].y, history.parameters[10].weights)
    np.testing.assert_array_equal(drawn.at(71).data[names.index("Now, maximum likelihood")].x, np.full(6, 12.0))
    assert len(at.data[names.index("Weight 1, with the prior")].x) == 11
    for positions in drawn.jumps.values():
        np.testing.assert_array_equal(positions, 2 * np.arange(history.n_iterations + 1) + 1)
    low, high = drawn.figure.layout.yaxis.range
    assert low < 0 and high > max(theta.weights.max() for theta in history.parameters)


@pytest.mark.parametrize("experiment", [SIX, ON_A_LINE], ids=["2d", "1d"])
def test_the_dead_are_faint_and_nobody_is_drawn_twice(experiment):
    history = surplus.with_prior(experiment, 0.01).history()
    living = surplus.alive(history)
    plain = mixture_figure(history)
    drawn = faded(plain, living)
    assert not living[-1].all() and living[0].all()
    names = [trace.name for trace in plain.figure.data]
    for position in (0, history.n_positions // 2, history.n_positions - 1):
        before, after = plain.at(position), drawn.at(position)
        for ghost in after.data[len(names) :]:
            bold = after.data[names.index(ghost.name.removesuffix(", dead"))]
            whole = before.data[names.index(bold.name)]
            x, faint = (np.asarray(trace.x, dtype=float) for trace in (bold, ghost))
            np.testing.assert_array_equal(np.where(np.isnan(x), faint, x), np.asarray(whole.x, dtype=float))
            assert not (np.isfinite(x) & np.isfinite(faint)).any()
            if bold.name == "Means":
                np.testing.assert_array_equal(np.isfinite(x), living[position // 2])
            elif bold.name.startswith("Component "):
                k = int(bold.name.split()[1].rstrip(",")) - 1
                assert np.isfinite(x).any() == living[position // 2, k]
                assert ghost.opacity < 0.5 and ghost.line.dash == "dot"
    assert drawn.drags.keys() == plain.drags.keys() and drawn.clicks == plain.clicks


def test_where_nobody_dies_the_picture_is_the_plain_one():
    history = surplus.with_prior(SIX, 30).history()
    plain = mixture_figure(history)
    assert len(faded(plain, surplus.alive(history)).figure.data) == len(plain.figure.data)


def test_a_bound_under_a_bound_has_a_name_of_its_own(history):
    names = [trace.name for trace in objective_figure(history, half_steps=True).figure.data]
    assert names == ["Whole run", "Evidence lower bound", "Its half-steps", "Now"]
