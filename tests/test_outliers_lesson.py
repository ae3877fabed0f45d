"""Outliers: Student's t beside the Gaussian, points that fade, the race with PX-EM, and the lesson under AppTest."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from emcore import tails
from emcore.em import History
from emcore.figures import style
from emcore.figures.outliers import outliers_figure
from emcore.scene import axis_range
from emcore.sources.outliers import EXAMPLES, NEWCOMB, OutlierExample, OwnPoints
from pages.parts import outliers
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "outliers.py")


@cache
def runs(sample: str = "one", nu: int = 3, begin: str = "gaussian") -> tuple[History, History]:
    """EM and PX-EM as the lesson runs them."""
    given = {"sample": sample, "nu": str(nu), "begin": begin}
    first, second = outliers.experiments(choices.read_link(given, outliers.OFFER).values)
    return first.history(), second.history()


# ---- Numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", EXAMPLES)
def test_the_gaussian_is_the_closed_form(sample):
    history = runs(sample)[0]
    fit = tails.gaussian(history)
    assert fit is not None
    np.testing.assert_allclose(fit.mean, history.X.mean(axis=0))
    np.testing.assert_allclose(fit.covariance, np.cov(history.X.T, ddof=0).reshape(fit.covariance.shape))
    normal = stats.multivariate_normal(fit.mean, fit.covariance)
    assert fit.log_likelihood == pytest.approx(normal.logpdf(history.X).sum(), rel=1e-12)
    np.testing.assert_allclose(history.parameters[0].mean, fit.mean)  # where both runs begin
    np.testing.assert_allclose(history.parameters[0].reduced_scale, fit.covariance)


@pytest.mark.parametrize("expanded", [0, 1], ids=["EM", "PX-EM"])
@pytest.mark.parametrize("sample", ["cloud", "darwin"])
def test_weights_are_those_of_the_formula(sample, expanded):
    history = runs(sample, 2)[expanded]
    d = history.X.shape[1]
    weights = tails.every_weight(history)
    for t in (0, 2, history.n_iterations):
        theta = history.parameters[t]
        offset = history.X - theta.mean
        squared = np.einsum("ni,ij,nj->n", offset, np.linalg.inv(theta.scale / theta.precision_scale), offset)
        expected = (2 + d) / (2 + squared)
        found = tails.counted(history, 2 * t + 1)
        np.testing.assert_allclose(found.weights, expected)
        np.testing.assert_allclose(found.squared_distances, squared, atol=1e-10)
        np.testing.assert_allclose(weights[t], expected * 2 / (2 + d))
        assert expected[found.order[0]] == expected.min() and weights.max() <= 1 + 1e-12
    assert tails.counted(history, 0) is None


def test_the_density_is_student_s():
    history = runs("newcomb")[1]
    drawn = tails.curves(history, (-60.0, 60.0))
    for t in (0, history.n_iterations):
        theta = history.parameters[t]
        scale = np.sqrt(theta.reduced_scale[0, 0])
        np.testing.assert_allclose(drawn.student[t], stats.t.pdf(drawn.x, 3, theta.mean[0], scale), rtol=1e-10)
    np.testing.assert_allclose(drawn.gaussian, stats.norm.pdf(drawn.x, np.mean(NEWCOMB), np.std(NEWCOMB)))


def test_newcomb_s_measurements_give_what_a_direct_search_finds():
    assert len(NEWCOMB) == 66 and np.mean(NEWCOMB) == pytest.approx(26.2121, abs=1e-4)  # Stigler (1977), table 5
    _, place, scale = stats.t.fit(NEWCOMB, fdf=3)
    for history in runs("newcomb"):
        end = history.parameters[-1]
        assert end.mean[0] == pytest.approx(place, abs=1e-3)
        assert np.sqrt(end.reduced_scale[0, 0]) == pytest.approx(scale, abs=1e-3)


@pytest.mark.parametrize("nu", [1, 3, 10])
@pytest.mark.parametrize("sample", EXAMPLES)
def test_both_runs_end_at_one_place_and_the_expanded_one_sooner(sample, nu):
    first, second = runs(sample, nu)
    assert first.objective[-1] == pytest.approx(second.objective[-1], abs=1e-4)
    assert second.n_iterations < first.n_iterations
    assert first.objective[0] == pytest.approx(second.objective[0], rel=1e-12)


def test_the_pull_of_a_far_point_weakens_and_that_on_the_gaussian_does_not():
    cloud = OwnPoints(tuple(map(tuple, runs()[0].X[:-1].tolist())))
    values = choices.read_link({"nu": "3"}, outliers.OFFER).values
    ends = [
        outliers._experiment(source, runs()[0].model, values).history()
        for source in (cloud, OutlierExample("one", 0, (8, -6)), OutlierExample("one", 0, (80, -60)))
    ]
    assert tails.pull(ends[2], ends[0]) < 0.5 * tails.pull(ends[1], ends[0])
    assert tails.gaussian_pull(ends[2]) > 9 * tails.gaussian_pull(ends[1])


def test_captions_go_on_for_whoever_runs_longer():
    first, second = runs()
    for history, other in ((first, second), (second, first)):
        n_positions = max(first.n_positions, second.n_positions)
        said = tails.race_captions(history, other, "The other", n_positions)
        assert len(said.half_steps) == len(said.labels) == n_positions and len(said.iterations) == n_positions // 2
        assert f"where it ended after {other.n_iterations}" in said.half_steps[-1]
        assert "ended" not in said.half_steps[3]


# ---- Figures as data --------------------------------------------------------------------------------------


def test_points_fade_as_they_count_less():
    history = runs()[0]
    weights = tails.every_weight(history)
    figure = outliers_figure(history, weights, ("x", "y"), gaussian=tails.gaussian(history), movable=True)
    names = [trace.name for trace in figure.figure.data]
    far = names.index("Far point")
    assert len(figure.figure.data[0].x) == 30 and len(figure.figure.data[far].x) == 1
    assert figure.drags[far].all() and set(figure.clicks) == {0, far}
    end = figure.at(history.n_positions - 1)
    order = np.argsort(weights[-1][:30])
    assert (np.diff(np.asarray(end.data[0].marker.size)[order]) >= 0).all()
    assert len(set(end.data[0].marker.size)) > 5
    assert end.data[far].marker.size[0] < figure.at(1).data[far].marker.size[0] < figure.at(0).data[far].marker.size[0]
    grey, blue = style.rgb(style.NEUTRAL), style.rgb(style.COMPONENT_COLOURS[0])
    seen = np.array([eval_rgb(colour) for colour in end.data[far].marker.color])
    assert np.abs(seen[0] - grey.astype(int)).max() <= 3  # it counts for nothing
    assert np.abs(np.array(eval_rgb(figure.at(0).data[0].marker.color[0])) - blue).max() <= 1


def eval_rgb(colour: str) -> list[int]:
    return [int(value) for value in colour.removeprefix("rgb(").removesuffix(")").split(",")]


@pytest.mark.parametrize("sample", ["cloud", "newcomb"])
def test_the_gaussian_stays_and_student_s_t_moves(sample):
    history = runs(sample)[0]
    axes = EXAMPLES[sample].axes
    curves = tails.curves(history, axis_range(history.X[:, 0])) if len(axes) == 1 else None
    figure = outliers_figure(
        history, tails.every_weight(history), axes, gaussian=tails.gaussian(history), curves=curves
    )
    moved = {figure.figure.data[track.trace].name for track in figure.tracks}
    assert moved == {"Points", "Student's t", "Mean of Student's t"}
    mean = next(trace for trace in figure.at(7).data if trace.name == "Mean of Student's t")
    assert mean.x[0] == pytest.approx(history.parameters[3].mean[0])
    assert not figure.drags


# ---- The lesson -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", outliers.TITLES)
def test_every_sample_opens_from_its_link(sample):
    app = lesson(sample=sample)
    assert not app.warning and not app.error
    said = words(app)
    assert "How it ended" in said and "PX-EM took" in said and "Both fits at iteration 0" in said
    assert link(app) == ({} if sample == "one" else {"sample": sample})


def test_the_far_point_is_in_the_link_and_its_pull_is_predicted():
    app = lesson(far_x="20")
    assert app.number_input(key="far-x").value == 20
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    assert "**Weaker** (you predicted" in said
    run(app.number_input(key="far-y").set_value(-50.0))
    assert link(app) == {"far-x": "20", "far-y": "-50"}


def test_the_other_question_is_answered_from_the_run():
    app = lesson(sample="newcomb")
    run(app.radio[0].set_value(0))
    assert "**Less than a tenth** (as you predicted). Point 6 counts" in words(press(app, "Predict"))


def test_the_picture_can_follow_px_em_beyond_its_end():
    last = str(runs("darwin", 2)[0].n_positions - 1)
    app = lesson(sample="darwin", follow="px", position=last)
    assert not app.warning
    assert f"Both fits at iteration {runs('darwin', 2)[1].n_iterations}" in words(app)


def test_a_random_point_to_begin_at_can_be_reseeded():
    app = lesson(begin="point")
    press(app, "Reseed start")
    assert link(app) == {"begin": "point", "start-seed": "1"}


@pytest.mark.parametrize("rows", ["1,1;2,2;3,3;4,4", "2;2;2;2", "1,5;2,5;3,5"], ids=["a line", "one place", "flat"])
def test_points_that_cannot_be_fitted_are_answered_in_words(rows):
    app = lesson(sample="own", own_points=rows)
    assert not app.error
    assert "How it ended: in a collapse" in words(app)


def test_what_is_typed_into_the_table_is_in_the_link_and_stays_while_it_is_not_legal(monkeypatch):
    typed = [(1.0, None), (2.0, None), (4.0, None), (30.0, None)]
    monkeypatch.setattr("streamlit.data_editor", lambda *_, **__: pd.DataFrame(typed, columns=["x", "y"], dtype=float))
    app = lesson(sample="own")
    assert link(app) == {"sample": "own", "own-points": "1;2;4;30"}
    assert "of 4</caption>" in words(app)
    typed[0] = (None, None)
    app = run(app)
    assert "point 1 must be" in app.error[0].value and "of 4</caption>" in words(app)
    typed[:] = [(1.0, 2.0), (2.0, 1.0), (4.0, 4.0), (30.0, 7.0)]
    app = run(app)
    assert not app.error and link(app)["own-points"] == "1,2;2,1;4,4;30,7"


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(sample="two", nu="6", far_x="1e9", far_y="nan", begin="here", follow="us", own_points="1;2")
    said = app.warning[0].value
    assert all(name in said for name in ("sample", "nu", "far\\-x", "far\\-y", "begin", "follow", "own\\-points"))
    assert "How it ended" in words(app)


@pytest.mark.parametrize("text", ["1;2", "1,2;3;4", "1,2,3;1,2,3;1,2,3", "1;2;nan", "1;2;1e7", "", "a;b;c"], ids=repr)
def test_points_that_cannot_be(text):
    found = choices.read_link({"sample": "own", "own-points": text}, outliers.OFFER)
    assert len(found.refused) == 1 and found.refused[0].startswith("own-points: ")


@pytest.mark.parametrize(
    "make",
    [
        lambda: OutlierExample("two"),
        lambda: OutlierExample("one"),
        lambda: OutlierExample("cloud", 0, (1, 2)),
        lambda: OutlierExample("one", 0, (1, float("nan"))),
        lambda: OutlierExample("one", 0, (1e9, 0)),
        lambda: OutlierExample("cloud", -1),
        lambda: OwnPoints(((1.0,),) * 201),
    ],
    ids=["name", "no far point", "a far point", "nan", "too far", "seed", "too many"],
)
def test_what_is_no_data(make):
    with pytest.raises(ValueError, match="must"):
        make()


def test_the_offer_reads_back_what_it_writes():
    given = {"sample": "own", "own-points": "1,2;3,5;5,6", "nu": "10", "follow": "px"}
    values = choices.read_link(given, outliers.OFFER).values
    assert choices.write_link(values, outliers.OFFER) == given
