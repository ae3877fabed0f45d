"""What shape: criteria against scikit-learn, examples that each shape wins, the figures and the lesson."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture
from streamlit.testing.v1 import AppTest

from emcore import report, shapes
from emcore.clusters import k_means_run, recovered
from emcore.datasets import DATASETS
from emcore.experiment import Experiment, OwnData, PresetData
from emcore.figures.shapes import objectives_figure, small_figure
from emcore.models import GaussianMixture
from pages.parts import settings as choices
from tests.apptest import lesson, link, press, run, words

WINNERS = {
    "crossing-ellipses": "full",
    "slanted-bands": "tied",
    "along-the-axes": "diag",
    "mouse": "spherical",
}


def experiment_of(name: str, data_seed: int = 0) -> Experiment:
    """The run that a preset sets up, on data of its own or of another seed."""
    return replace(choices.experiment(choices.defaults(preset=name)), source=PresetData(name, data_seed))


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    return {shape: each.history() for shape, each in shapes.experiments(experiment_of("slanted-bands")).items()}


@pytest.mark.parametrize("shape", shapes.SHAPES)
@pytest.mark.parametrize("preset", ["three-blobs", "waiting-times"])
def test_the_criteria_are_scikit_learns(shape: str, preset: str):
    history = shapes.experiments(experiment_of(preset))[shape].history()
    X, theta = history.X, history.parameters[-1]
    other = SklearnMixture(theta.n_components, covariance_type=shape, reg_covar=0)
    other.weights_, other.means_ = theta.weights, theta.means
    full = theta.covariances
    diagonal = np.diagonal(full, axis1=1, axis2=2)
    covariances = {"full": full, "tied": full[0], "diag": diagonal, "spherical": diagonal[:, 0]}[shape]
    other.covariances_ = covariances
    precision = {
        "full": lambda: np.array([np.linalg.cholesky(np.linalg.inv(matrix)) for matrix in full]),
        "tied": lambda: np.linalg.cholesky(np.linalg.inv(full[0])),
    }.get(shape, lambda: 1 / np.sqrt(covariances))
    other.precisions_cholesky_ = precision()
    found = shapes.score(history)
    assert found.bic == pytest.approx(other.bic(X), rel=1e-9)
    assert found.aic == pytest.approx(other.aic(X), rel=1e-9)
    assert found.n_parameters == len(theta.names) == other._n_parameters()


@pytest.mark.parametrize("shape", shapes.SHAPES)
@pytest.mark.parametrize(("k", "d"), [(1, 1), (3, 1), (2, 2), (4, 3)])
def test_the_formula_ends_with_the_number_that_its_terms_add_up_to(shape: str, k: int, d: int):
    terms, _, total = shapes.formula(shape, k, d).partition("=")
    sum_of_them = re.sub(r"\\tfrac\{(.*?)\}\{2\}", r"((\1) // 2)", terms).replace(r"\cdot", "*")
    X = np.random.default_rng(0).normal(size=(30, d))
    start = GaussianMixture(k, shape).initialize(X, np.random.default_rng(0))
    assert eval(sum_of_them) == int(total) == len(start.names)


@pytest.mark.parametrize("data_seed", [0, 1, 2])
@pytest.mark.parametrize(("preset", "winner"), WINNERS.items(), ids=list(WINNERS))
def test_each_shape_has_an_example_that_it_wins(preset: str, winner: str, data_seed: int):
    scores = shapes.best_of_starts(experiment_of(preset, data_seed), 20)
    assert shapes.best(scores) == (winner,)
    assert sorted(shapes.above_lowest(scores).values())[1] > 2


@pytest.mark.parametrize(("preset", "winner"), WINNERS.items(), ids=list(WINNERS))
def test_the_start_of_each_example_finds_its_winner(preset: str, winner: str):
    experiment = experiment_of(preset)
    assert experiment.model.covariance_type == winner
    scores = {shape: shapes.score(each.history()) for shape, each in shapes.experiments(experiment).items()}
    assert shapes.best(scores) == (winner,)
    best = shapes.best_of_starts(experiment, 20)
    assert scores[winner].log_likelihood == pytest.approx(best[winner].log_likelihood, rel=1e-4)


def test_crossing_ellipses_need_full_covariances_and_k_means_fails():
    experiment = experiment_of("crossing-ellipses")
    labels = experiment.dataset().labels
    shares = {
        shape: recovered(each.history(), each.history().n_iterations, labels)
        for shape, each in shapes.experiments(experiment).items()
    }
    assert shares["full"] > 0.85
    assert max(shares[shape] for shape in ("tied", "diag", "spherical")) < 0.65
    k_means = k_means_run(experiment)
    failed = recovered(k_means, k_means.n_iterations, labels)
    assert failed < 0.65
    histories = {shape: each.history() for shape, each in shapes.experiments(experiment).items()}
    said = shapes.in_their_groups(histories, k_means, labels, choices.SHAPES)
    assert f"full {100 * shares['full']:.1f} %" in said and said.endswith(f"{100 * failed:.1f} %.")
    assert shapes.in_their_groups(histories, k_means, None, choices.SHAPES) == ""


def test_on_one_axis_three_shapes_are_one_model():
    scores = {s: shapes.score(e.history()) for s, e in shapes.experiments(experiment_of("waiting-times")).items()}
    assert scores["full"].bic == pytest.approx(scores["diag"].bic) == pytest.approx(scores["spherical"].bic)
    assert shapes.best(scores) in [("full", "diag", "spherical"), ("tied",)]


def test_a_collapse_has_no_criterion_and_wins_nothing():
    experiment = replace(experiment_of("duplicates"), max_iter=100)
    scores = {shape: shapes.score(each.history()) for shape, each in shapes.experiments(experiment).items()}
    assert np.isnan(scores["full"].bic) and np.isfinite(scores["tied"].bic)
    assert "full" not in shapes.best(scores)
    only = {"full": scores["full"]}
    assert shapes.best(only) == () and shapes.margin(only, choices.SHAPES) == ""


def test_why_the_winner_wins_is_said_in_numbers():
    def score(n: int, height: float) -> shapes.Score:
        return shapes._scored(n, height, 100)

    say = lambda first, second: shapes.margin({"full": first, "tied": second}, choices.SHAPES)  # noqa: E731
    assert "with 5 parameters more it climbs 3.00 nats higher, too little" in say(score(10, -100), score(15, -97))
    assert "it saves 1 parameter and ends 40.00 nats lower" in say(score(10, -100), score(9, -140))
    assert "it has as many parameters and ends 4.00 nats lower" in say(score(10, -100), score(10, -104))
    assert "it has 2 parameters more and ends 1.00 nats lower" in say(score(10, -100), score(12, -101))


def test_the_figures_hold_the_runs(runs: dict[str, Any]):
    n_positions = shapes.longest(runs).n_positions
    curves = objectives_figure(list(runs.values()), list(runs), n_positions)
    assert curves.n_positions == n_positions
    for shape, history in runs.items():
        whole = next(trace for trace in curves.figure.data if trace.name == f"{shape}, whole")
        assert np.array_equal(whole.y, history.objective)
        small = small_figure(history, shape, n_positions)
        assert small.n_positions == n_positions and shape in small.figure.layout.title.text
        last = small.at(n_positions - 1)
        means = next(trace for trace in last.data if trace.name == "Means")
        np.testing.assert_array_equal(np.column_stack([means.x, means.y]), history.parameters[-1].means)
    # at the end every marker stands at its own run's end
    end = {trace.name: trace for trace in curves.at(n_positions - 1).data}
    for shape, history in runs.items():
        assert (end[f"{shape}, now"].x[0], end[f"{shape}, now"].y[0]) == (history.n_iterations, history.objective[-1])


def test_the_sentences_say_where_each_run_stands(runs: dict[str, Any]):
    said = shapes.captions(runs, choices.SHAPES)
    assert len(said) == shapes.longest(runs).n_positions
    tied = runs["tied"]
    assert f"tied {report.objective_text(tied, 3)}," in said[7]
    assert f"tied {report.objective_text(tied, tied.n_iterations)} (ended)" in said[-1]


# ---- The lesson ---------------------------------------------------------------------------------------------


def opened(**query: str) -> AppTest:
    return lesson("shapes.py", **query)


def predict(app: AppTest, shape: str) -> AppTest:
    run(next(radio for radio in app.radio if radio.key.startswith("guess shapes")).set_value(choices.SHAPES[shape]))
    return press(app, "Predict")


def test_the_answer_waits_for_a_prediction_and_stays_for_other_starts():
    app = opened()
    assert "lowest BIC:" not in words(app) and "2,952.5" not in words(app)
    predict(app, "full")
    assert "**The lowest BIC: tied**; you predicted full." in words(app)
    assert "<strong>2,952.5</strong>" in words(app)
    press(app, "Reseed start")
    assert "lowest BIC:" in words(app)
    press(app, "New data")
    assert "lowest BIC:" not in words(app)


@pytest.mark.parametrize(("preset", "winner"), WINNERS.items(), ids=list(WINNERS))
def test_every_example_is_a_press_away(preset: str, winner: str):
    app = press(opened(), DATASETS[preset].title)
    predict(app, winner)
    assert f"**The lowest BIC: {choices.SHAPES[winner].lower()}**, as you predicted." in words(app)


def test_the_best_of_several_starts_is_in_the_link_and_never_worse():
    app = press(opened(start_seed="0"), "Show me without")
    one = words(app)
    run(app.toggle(key="several").set_value(True))
    assert link(app)["several"] == "1"
    assert words(app) != one and "<strong>2,952.5</strong>" in words(app)


@pytest.mark.parametrize(
    "query",
    [
        {"preset": "waiting-times"},
        {"preset": "tiny", "components": "3"},
        {"preset": "duplicates"},
        {"components": "1"},
        {"components": "10", "start": "poor"},
        {"start": "grand-mean"},
        {"position": "9999"},
        {"several": "maybe"},
    ],
    ids=str,
)
def test_odd_data_and_links_leave_a_page(query: dict[str, str]):
    app = press(opened(**query), "Show me without")
    assert "What each shape costs" in words(app)


def test_a_file_of_equal_points_gets_a_sentence():
    app = opened()
    app.session_state["session"].own = OwnData.of("same.csv", ("a", "b"), np.ones((5, 2)))
    app.query_params["data"] = "file"
    app.query_params["file"] = "same.csv"
    run(app)
    assert any("the same" in warning.value for warning in app.warning)
    press(app, "Show me without")
    assert any("Every run collapsed" in warning.value for warning in app.warning)
