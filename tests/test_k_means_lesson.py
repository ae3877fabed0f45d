"""k-means and EM: borders, runs side by side, annealing, and the lesson that shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from streamlit.testing.v1 import AppTest

from emcore import annealing, clusters
from emcore.annealing import Schedule
from emcore.datasets import DATASETS
from emcore.em import History
from emcore.experiment import Experiment, PresetData
from emcore.figures.annealing import temperature_figure
from emcore.figures.objective import objective_figure
from emcore.figures.regions import lower, regions_figure
from emcore.models import EqualSpheres, GaussianMixture, GaussianMixtureParameters, KMeans
from emcore.regions import regions
from pages.parts import settings as choices
from tests import textbook
from tests.apptest import lesson, link, press, run, words

BOX = (-6.0, 6.0)


def experiment_of(name: str, **changes: Any) -> Experiment:
    set_up = choices.experiment(choices.defaults(preset=name) | {"preset": name})
    return replace(set_up, **changes)


def places(lines: np.ndarray) -> np.ndarray:
    """The points of lines, without their gaps."""
    return lines[~np.isnan(lines).any(axis=1)]


# ---- Borders ------------------------------------------------------------------------------------------------


def test_borders_of_equal_spheres_are_voronoi_edges():
    means = np.array([[-2.0, -1.0], [2.5, 0.5], [0.0, 3.0], [1.0, -4.0]])
    found = regions([EqualSpheres.at(means, 0.8)], 0.0, BOX, BOX)
    distances = np.sort(cdist(places(found.borders[0]), means), axis=1)
    cell = 12 / 89
    assert (distances[:, 1] - distances[:, 0] < 0.3 * cell).all()  # exact but where three cells meet within one
    assert np.median(distances[:, 1] - distances[:, 0]) < 1e-9
    # every pair of neighbours has an edge
    nearest = np.argsort(cdist(places(found.borders[0]), means), axis=1)[:, :2]
    assert {tuple(sorted(pair)) for pair in nearest.tolist()} >= {(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)}
    assert np.isnan(found.sure).all()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_lines_of_a_mixture_lie_where_its_responsibilities_say(temperature: float):
    theta = experiment_of("unequal-weights").history().parameters[-1]
    found = regions([theta], temperature, BOX, BOX)

    def shares(points: np.ndarray) -> np.ndarray:
        powers = textbook.log_joint(points, theta.weights, theta.means, theta.covariances) / temperature
        return np.exp(powers - np.logaddexp.reduce(powers, axis=1)[:, None]).max(axis=1)

    borders, sure = places(found.borders[0]), places(found.sure[0])
    assert len(borders) > 20 and len(sure) > 20
    np.testing.assert_allclose(shares(borders), 0.5, atol=0.02)
    np.testing.assert_allclose(shares(sure), 0.9, atol=0.02)


def test_on_one_axis_a_border_is_a_place():
    theta = GaussianMixtureParameters([0.5, 0.5], [[-1.0], [3.0]], [[[1.0]], [[1.0]]])
    found = regions([theta], 1.0, BOX)
    np.testing.assert_allclose(places(found.borders[0]), [[1.0]], atol=1e-4)
    np.testing.assert_allclose(np.sort(places(found.sure[0])[:, 0]), 1 + np.array([-1, 1]) * np.log(9) / 4, atol=1e-3)


@pytest.mark.filterwarnings("error")
def test_components_on_top_of_each_other_have_no_border():
    together = EqualSpheres.at([[0.0, 0.0], [1e-4, 0.0], [0.0, 1e-5]], 1.0)
    found = regions([together, EqualSpheres.at([[0.0, 0.0], [1.0, 0.0], [0.0, 9.0]], 1.0)], 1.0, BOX, BOX)
    assert np.isnan(found.borders[0]).all() and np.isfinite(found.borders[1]).any()


def test_one_component_has_no_border():
    found = regions([EqualSpheres.at([[0.0, 0.0]], 1.0)], 1.0, BOX, BOX)
    assert np.isnan(found.borders).all() and np.isnan(found.sure).all()


# ---- Side by side -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["mouse", "waiting-times", "unequal-weights", "old-faithful", "tiny"])
def test_the_two_pictures_are_one_at_temperature_0_with_means_alone(preset: str):
    experiment = experiment_of(preset)
    k_means = clusters.k_means_run(experiment)
    hard = clusters.tempered_run(experiment, 0.0, means_alone=True)
    same, said = clusters.proof(k_means, hard)
    assert same and "every point is assigned alike" in said
    pictures = [
        regions_figure(history, title="k-means", temperatures=0.0).at(2 * k_means.n_iterations + 1)
        for history in (clusters.as_mixture(k_means), hard)
    ]
    for one, other in zip(*(picture.data for picture in pictures), strict=True):
        if one.name in ("Points", "Means", "Border"):
            np.testing.assert_allclose(
                np.array(one.x, dtype=float), np.array(other.x, dtype=float), atol=1e-6, err_msg=one.name
            )
            assert one.marker.color == other.marker.color and one.marker.symbol == other.marker.symbol


def test_at_temperature_1_it_is_the_experiments_own_run():
    experiment = experiment_of("mouse")
    assert np.array_equal(clusters.tempered_run(experiment, 1.0).objective, experiment.history().objective)


def test_both_begin_at_the_same_means_whatever_the_start():
    for start in ("random-responsibilities", "k-means-plus-plus", "farthest-points"):
        experiment = experiment_of("mouse", start=start)
        first = experiment.history().parameters[0].means
        assert np.array_equal(clusters.k_means_run(experiment).parameters[0].means, first)
        for alone in (False, True):
            assert np.array_equal(clusters.tempered_run(experiment, 0.5, means_alone=alone).parameters[0].means, first)


def test_k_means_shows_the_circles_that_fit_it_best():
    k_means = clusters.k_means_run(experiment_of("mouse"))
    shown = clusters.as_mixture(k_means)
    assert isinstance(shown.model, KMeans) and np.array_equal(shown.objective, k_means.objective)
    nearest = cdist(k_means.X, k_means.parameters[-1].means, "sqeuclidean").min(axis=1)
    expected = nearest.mean() / 2  # the maximum likelihood variance of two axes
    np.testing.assert_allclose(shown.parameters[-1].covariances, [expected * np.eye(2)] * 3)
    assert clusters.held_variance(k_means) == pytest.approx(expected)


def test_data_that_are_all_means_leave_a_circle_to_draw():
    X = np.array([[0.0, 0.0], [1.0, 0.0]])
    means = KMeans(2).from_means(X, X)
    history = History(KMeans(2), X, (means,), np.array([0.0]), "max_iter", "")
    assert (np.linalg.eigvalsh(clusters.as_mixture(history).parameters[0].covariances) > 0).all()


@pytest.mark.parametrize(
    ("preset", "k_means_at_most", "em_at_least"),
    [("mouse", 0.85, 0.96), ("unequal-weights", 0.8, 0.93), ("crossing-ellipses", 0.65, 0.85)],
)
def test_where_its_assumptions_fail_k_means_does(preset: str, k_means_at_most: float, em_at_least: float):
    experiment, dataset = experiment_of(preset), DATASETS[preset](0)
    k_means, em = clusters.k_means_run(experiment), experiment.history()
    shares = [clusters.recovered(history, 10_000, dataset.labels) for history in (k_means, em)]
    assert shares[0] < k_means_at_most and shares[1] > em_at_least
    assert shares[1] <= clusters.best_possible(dataset.X, dataset.truth, dataset.labels) + 0.01


def test_where_they_hold_both_find_the_groups():
    experiment, dataset = experiment_of("two-squares"), DATASETS["two-squares"](0)
    k_means, em = clusters.k_means_run(experiment), experiment.history()
    assert clusters.final_disagreement(k_means, em)[0] <= 1
    assert clusters.recovered(k_means, 10_000, dataset.labels) > 0.99
    assert k_means.n_iterations < em.n_iterations


def test_recovered_matches_components_and_groups_and_leaves_out_strays():
    experiment = experiment_of("mouse")
    history = experiment.history()
    labels = history.posterior(history.n_iterations).responsibilities.argmax(axis=1)
    swapped = np.array([2, 0, 1])[labels]
    assert clusters.recovered(history, history.n_iterations, swapped) == 1
    swapped[:100] = -1
    assert clusters.recovered(history, history.n_iterations, swapped) == 1
    assert clusters.recovered(history, 0, None) is None
    assert clusters.recovered(history, 0, np.full(len(labels), -1)) is None


@pytest.mark.parametrize("source", [PresetData("four-groups", 3), PresetData("tolerance-trap")], ids=["2d", "1d"])
def test_where_means_coincide_rounding_decides_and_is_named(source: PresetData):
    experiment = Experiment(source, GaussianMixture(10), "grand-mean")
    hard = clusters.tempered_run(experiment, 0.0, means_alone=True)
    same, said = clusters.proof(clusters.k_means_run(experiment), hard)
    assert "equally near to two means" in said if same else "is decided by rounding" in said


def test_a_different_mixture_is_not_proved_equal():
    experiment = experiment_of("mouse")
    same, said = clusters.proof(clusters.k_means_run(experiment), clusters.tempered_run(experiment, 1.0))
    assert not same and "assigned differently" in said and "rounding" not in said


def test_components_that_end_on_top_of_each_other_are_said_to():
    experiment = experiment_of("mouse", max_iter=200)
    hot, em = (clusters.tempered_run(experiment, temperature) for temperature in (10.0, 1.0))
    np.testing.assert_allclose(hot.parameters[-1].means, [hot.X.mean(axis=0)] * 3, atol=1e-2)
    assert "on top of each other" in clusters.merged(hot) and not clusters.merged(em)


# ---- Annealing ----------------------------------------------------------------------------------------------


def test_a_schedule_cools_by_equal_factors():
    schedule = Schedule(8.0, 3)
    np.testing.assert_allclose([schedule.temperature(t) for t in range(6)], [8, 4, 2, 1, 1, 1])
    for wrong in ({"hottest": 0.5}, {"hottest": float("inf")}, {"n_cooling": 0}):
        with pytest.raises(ValueError, match="must be"):
            Schedule(**wrong)


def test_an_annealed_run_is_what_it_says():
    experiment, schedule = experiment_of("four-groups"), Schedule(5.0, 20)
    annealed = annealing.beside(experiment, schedule)
    degrees = annealing.temperatures(annealed)
    np.testing.assert_allclose(degrees, [schedule.temperature(t) for t in range(len(degrees))])
    # the log-likelihood beside each temperature is the ordinary one of those parameters
    for t in (0, 5, 20, annealed.n_iterations):
        theta = annealed.parameters[t]
        joint = textbook.log_joint(annealed.X, theta.weights, theta.means, theta.covariances)
        assert annealed.objective[t] == pytest.approx(np.logaddexp.reduce(joint, axis=1).sum(), rel=1e-12)
    # while it is hot only the means learn, from tempered responsibilities
    theta, after = annealed.parameters[4:6]
    powers = textbook.log_joint(annealed.X, theta.weights, theta.means, theta.covariances) / degrees[4]
    shares = np.exp(powers - np.logaddexp.reduce(powers, axis=1)[:, None])
    np.testing.assert_allclose(after.means, shares.T @ annealed.X / shares.sum(axis=0)[:, None], rtol=1e-9)
    np.testing.assert_array_equal(after.covariances, theta.covariances)
    np.testing.assert_allclose(annealed.posterior(4).responsibilities, shares, atol=1e-9)
    # from temperature 1 on it is EM, which climbs
    assert (np.diff(annealed.objective[20:]) > -1e-9).all()
    assert np.diff(annealed.objective[:20]).min() < -1
    assert annealed.stopped == "converged" and f"Iteration {annealed.n_iterations} gained" in annealed.reason


def test_annealing_leaves_a_local_maximum_where_plain_em_is_stuck():
    experiment = experiment_of("four-groups")
    annealed = annealing.beside(experiment, Schedule())
    assert annealed.objective[-1] > experiment.history().objective[-1] + 50
    assert "The annealed run ends" in annealing.verdict(annealed, experiment.history())
    ends = annealing.ends(experiment, Schedule(), 6)
    np.testing.assert_allclose(ends, annealed.objective[-1], rtol=1e-6)


def test_annealing_promises_nothing():
    """Too hot with everything free it forgets the start; and on other data plain EM often ends higher."""
    experiment = experiment_of("four-groups")
    forgotten = annealing.beside(experiment, Schedule(10.0, 40, means_alone=False))
    assert forgotten.objective[-1] < experiment.history().objective[-1] - 50
    assert "Plain EM ends" in annealing.verdict(forgotten, experiment.history())
    three = experiment_of("twenty-forty-three", max_iter=200)
    assert "Annealing reached it from 0 of 20 starts" in annealing.trial(three, Schedule(), 20)


def test_the_verdicts_say_what_the_numbers_say():
    em = experiment_of("mouse").history()
    assert annealing.verdict(em, em).startswith("Both end at the same")
    collapsed = replace(em, stopped="degenerate", reason="Component 1 collapsed.")
    assert "Plain EM collapsed" in annealing.verdict(em, collapsed)
    text = annealing.trial_verdict(np.array([-1.0, -1.0, np.nan]), np.array([-1.0, -5.0, -5.0]))
    assert "from 2 of 3 starts, plain EM from 1" in text and "higher than plain EM from 1 of them, lower from 0" in text
    assert "1 annealed and 0 plain runs collapsed" in text
    assert "All of 2 runs" in annealing.trial_verdict(np.full(2, np.nan), np.full(2, np.nan))


def test_a_collapse_while_hot_ends_the_run_with_its_reason():
    source = PresetData("duplicates")
    experiment = Experiment(source, GaussianMixture(10), "random-points", 3, max_iter=200)
    annealed = annealing.beside(experiment, Schedule(1.5, 80, means_alone=False))
    assert annealed.stopped in ("degenerate", "max_iter", "converged")
    assert len(annealing.temperatures(annealed)) == len(annealed.objective)


# ---- Figures ------------------------------------------------------------------------------------------------


def test_the_figures_step_with_their_runs():
    experiment = experiment_of("four-groups")
    annealed = annealing.beside(experiment, Schedule())
    degrees = annealing.temperatures(annealed)
    n_positions = annealed.n_positions + 8
    schedule = temperature_figure(annealed, n_positions)
    assert schedule.n_positions == n_positions
    for position in (0, 7, n_positions - 1):
        now = schedule.at(position).data[1]
        t = min(position // 2, annealed.n_iterations)
        assert (now.x[0], now.y[0]) == (t, degrees[t])
    picture = regions_figure(annealed, title="Annealed <b>", temperatures=degrees.tolist())
    names = [trace.name for trace in picture.figure.data]
    assert names[-3:] == ["<b>Annealed &lt;b&gt;</b>", "Border", "90 % sure"] and not picture.drags
    border = picture.at(21).data[-2]
    expected = regions([annealed.parameters[10]], degrees[10], *map(tuple, _ranges(picture))).borders[0]
    drawn = np.column_stack([border.x, border.y]).astype(float)
    np.testing.assert_allclose(places(drawn), places(expected))
    curve = lower(objective_figure(annealed), 230)
    assert curve.figure.layout.title.text == "Log-likelihood (nats)" and curve.figure.layout.height == 230


def _ranges(picture) -> tuple:
    return picture.figure.layout.xaxis.range, picture.figure.layout.yaxis.range


@pytest.mark.parametrize(
    ("preset", "outlines"),
    [
        ("mouse", {f"Component {k}, {sd} sd" for k in (1, 2, 3) for sd in (1, 2)}),
        ("waiting-times", {"Sum of components", "Component 1", "Component 2"}),
    ],
    ids=["2d", "1d"],
)
def test_without_outlines_only_these_vanish(preset: str, outlines: set[str]):
    shown = clusters.as_mixture(clusters.k_means_run(experiment_of(preset)))
    with_them, without = (regions_figure(shown, title="k", temperatures=0, outlines=on) for on in (True, False))
    assert {trace.name for trace in without.figure.data if trace.opacity == 0} == outlines
    assert not any(trace.opacity == 0 for trace in with_them.figure.data)


# ---- The lesson ---------------------------------------------------------------------------------------------


def opened(**query: str) -> AppTest:
    return lesson("k_means.py", **query)


def test_it_opens_with_em_beside_k_means_and_needs_no_link():
    app = opened()
    assert link(app) == {} and "T = 1: this is EM." in words(app)


def test_the_dial_and_the_switch_lead_to_k_means_and_into_the_link():
    app = opened()
    run(app.select_slider(key="temperature").set_value("0"))
    assert "classification EM" in words(app) and not app.success
    run(app.toggle(key="means-alone").set_value(True))
    assert "every point is assigned alike" in app.success[0].value
    assert link(app) == {"temperature": "0", "means-alone": "1"}
    friend = opened(temperature="0", means_alone="1")
    assert words(friend) == words(app)


def test_the_numbers_wait_for_a_prediction():
    app = opened()
    assert "Who knows the truth" not in words(app)
    run(next(radio for radio in app.radio if "guess k-means" in radio.key).set_value("None"))
    press(app, "Predict")
    assert "**More than 15 %**; you predicted: none. They differ on 85" in words(app)
    assert "Who knows the truth" in words(app) and "98.1 %" in words(app)


def test_annealing_is_set_in_its_own_section_and_tried_from_many_starts():
    app = opened(section="annealing", preset="four-groups")
    assert "The annealed run ends 90.62 nats higher than plain EM" in words(app)
    assert "starts" not in words(app).split("What it promises")[0].split("90.62")[1]
    press(app, "Try 20 starts of each")
    assert "Annealing reached it from 20 of 20 starts, plain EM from 13." in words(app)
    run(app.toggle(key="everything").set_value(True))
    assert link(app) == {"section": "annealing", "preset": "four-groups", "everything": "1"}
    assert "Annealing reached it" not in words(app)


@pytest.mark.parametrize(
    "query",
    [
        {"preset": "waiting-times", "temperature": "0.5", "circles": "0"},
        {"preset": "tiny", "components": "3", "temperature": "0"},
        {"preset": "duplicates", "temperature": "0", "components": "6"},
        {"components": "1", "temperature": "10"},
        {"start": "grand-mean", "section": "annealing"},
        {"preset": "duplicates", "section": "annealing", "everything": "1", "hottest": "1.5"},
        {"preset": "tiny", "section": "annealing"},
        {"temperature": "7", "hottest": "0", "cooling": "-1"},
        {"start": "by-hand", "by-hand": "1,0,0,1,1,0;1,50,50,1,1,0;1,1,1,1,1,0", "temperature": "0"},
    ],
    ids=str,
)
def test_odd_data_and_links_leave_a_page(query: dict[str, str]):
    app = opened(**query)
    assert not app.error
    refused = "could not be followed" in "".join(warning.value for warning in app.warning)
    assert refused == ("cooling" in query or query.get("components") == "3")  # two rows by hand for three components
    assert app.get("component") or "k-means" in words(app)
