"""Collapse and priors: the start, the remedies and their numbers, their pictures as data, and the lesson."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from emcore import collapse, run
from emcore.collapse import Ghosts
from emcore.experiment import Experiment, OwnData, PresetData
from emcore.figures.collapse import at_iteration, panel, sd_figure, slice_figure, with_ghosts
from emcore.figures.mixture import mixture_figure
from emcore.figures.objective import objective_figure
from emcore.models import GaussianMixture, GaussianPrior, KMeans
from emcore.starts import STARTS
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, words
from tests.cases import log_prior, mixture_log_likelihood

lesson = partial(apptest.lesson, "collapse.py")
DUPLICATES = Experiment(PresetData("duplicates"), GaussianMixture(3), "random-points", 5)
WAITING = Experiment(PresetData("waiting-times"), GaussianMixture(2), "random-points", 1)


def prior_of(experiment: Experiment, ghosts: Ghosts | None = None) -> GaussianPrior:
    model = experiment.model
    return (ghosts or Ghosts()).prior(experiment.dataset().X, model.n_components, model.covariance_type)


@cache
def found(width: float = 0.5) -> collapse.Remedies:
    X = DUPLICATES.dataset().X
    start = collapse.planted(DUPLICATES, 0, collapse.magnet(X), width)
    return collapse.remedies(DUPLICATES, start, 0.1, prior_of(DUPLICATES))


# ---- The start ---------------------------------------------------------------------------------------------


def test_the_magnet_is_what_was_recorded_most_often_or_the_loneliest_point():
    X = DUPLICATES.dataset().X
    assert X[collapse.magnet(X)].tolist() == [2.5, 2.5] and collapse.copies(X, collapse.magnet(X)) == 12
    for n_features in (1, 2):
        points = np.random.default_rng(3).normal(size=(60, n_features))
        distances = cdist(points / points.std(axis=0), points / points.std(axis=0))
        np.fill_diagonal(distances, np.inf)
        assert collapse.magnet(points) == distances.min(axis=1).argmax()
        assert collapse.copies(points, 0) == 1
    assert collapse.magnet([[3.0]]) == 0


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_the_start_is_the_sidebars_but_for_one_component(covariance_type):
    experiment = replace(DUPLICATES, model=GaussianMixture(3, covariance_type))
    X = experiment.dataset().X
    start = collapse.planted(experiment, 1, 7, 0.25)
    before, after = experiment.history().parameters[0], start.history().parameters[0]
    assert after.means[1].tolist() == X[7].tolist()
    assert np.array_equal(after.means[[0, 2]], before.means[[0, 2]]) and np.array_equal(after.weights, before.weights)
    wanted = (
        0.25 * X.std(axis=0) if covariance_type != "spherical" else np.full(2, 0.25 * np.sqrt(X.var(axis=0).mean()))
    )
    if covariance_type == "tied":  # pooled: it cannot be narrow alone
        assert np.ptp(after.covariances, axis=0).max() == 0
    else:
        np.testing.assert_allclose(after.sds[1], wanted, rtol=1e-12)
        np.testing.assert_allclose(after.covariances[[0, 2]], before.covariances[[0, 2]], rtol=1e-12)
    distances = cdist(before.means / X.std(axis=0), X / X.std(axis=0))
    assert [collapse.nearest(experiment, row) for row in range(20)] == distances.argmin(axis=0)[:20].tolist()
    for component, row in ((3, 0), (-1, 0), (0, len(X)), (0, -1)):
        with pytest.raises(ValueError, match="component must be from 0 to 2 and row from 0 to 131"):
            collapse.planted(experiment, component, row, 0.5)
    with pytest.raises(ValueError, match="must be a GaussianMixture"):
        collapse.planted(replace(experiment, model=KMeans(3)), 0, 0, 0.5)


def test_the_narrowest_sd_is_the_root_of_the_smallest_eigenvalue():
    history = found().plain
    for t in (0, 3):
        a, b, c = history.parameters[t].covariances[0][[0, 0, 1], [0, 1, 1]]
        smallest = (a + c) / 2 - np.hypot((a - c) / 2, b)
        assert collapse.narrowest(history, 0)[t] == pytest.approx(np.sqrt(smallest), rel=1e-12)


def test_the_fate_of_each_width_is_that_of_its_run():
    row = collapse.magnet(DUPLICATES.dataset().X)
    found = collapse.fates(DUPLICATES, 0, row)
    assert [fate.percent for fate in found] == list(collapse.WIDTHS)
    assert found[0].collapsed_at == 1 < found[-1].collapsed_at
    start = DUPLICATES.history().parameters[0]
    for fate in found[3:6]:
        means, covariances = np.array(start.means), np.array(start.covariances)
        means[0], covariances[0] = (2.5, 2.5), np.diag((fate.percent / 100 * DUPLICATES.dataset().X.std(axis=0)) ** 2)
        alone = run(DUPLICATES.model, DUPLICATES.dataset().X, replace(start, means=means, covariances=covariances))
        assert (alone.stopped, alone.n_iterations + 1) == ("degenerate", fate.collapsed_at)
        assert fate.sd == pytest.approx(np.sqrt(np.linalg.eigvalsh(alone.parameters[-1].covariances[0])[0]), rel=1e-9)
    X = WAITING.dataset().X
    waiting = [fate.collapsed_at for fate in collapse.fates(WAITING, 0, collapse.magnet(X))]
    assert waiting[0] and waiting[-1] is None


# ---- The remedies ------------------------------------------------------------------------------------------


def test_three_remedies_from_one_start():
    remedies = found()
    plain, restarted = remedies.plain, remedies.restarted
    assert plain.stopped == "degenerate" and remedies.began == plain.n_iterations + 1
    assert np.array_equal(restarted.objective[: remedies.began], plain.objective)
    falls = np.flatnonzero(np.diff(restarted.objective) < -1e-9)
    assert falls.tolist() == [remedies.began - 1]  # where the new start begins, and nowhere else
    assert restarted.stopped != "degenerate"
    for history in (remedies.floored, remedies.mapped):
        assert history.stopped == "converged"
        assert (np.diff(history.objective) >= -1e-12 * np.abs(history.objective[1:])).all()
        assert np.array_equal(history.parameters[0].to_vector(), plain.parameters[0].to_vector())
    assert min(collapse.narrowest(remedies.floored, k).min() for k in range(3)) == pytest.approx(0.1, rel=1e-9)
    assert remedies.floored.model.objective_name == "Log-likelihood (every sd at least 0.1)"
    assert remedies.n_positions == max(history.n_positions for history in remedies.histories)
    assert "begins at iteration 16" in collapse.how_restarted(remedies)
    assert "holds component 1" in collapse.floor_acts(remedies.floored)


def test_the_restart_takes_the_first_start_that_does_not_collapse():
    remedies = found()
    stopped = [replace(DUPLICATES, start_seed=seed).history().stopped for seed in range(remedies.tries)]
    assert stopped == ["degenerate"] * (remedies.tries - 1) + [stopped[-1]] and stopped[-1] != "degenerate"


def test_where_nothing_collapses_no_restart_is_needed():
    start = collapse.planted(WAITING, 0, 0, 1.0)
    remedies = collapse.remedies(WAITING, start, 1e-3, prior_of(WAITING))
    assert remedies.began is None and remedies.restarted is remedies.plain
    assert "does not collapse" in collapse.how_restarted(remedies)
    assert "holds no component" in collapse.floor_acts(remedies.floored)
    assert np.array_equal(remedies.floored.objective, remedies.plain.objective)


def test_where_every_start_collapses_it_says_so():
    data = OwnData.of("three", ("x",), [[0.0], [5.0], [9.0]])  # as many points as components
    three_values = Experiment(data, GaussianMixture(3), "random-points")
    start = collapse.planted(three_values, 0, 0, 0.1)
    remedies = collapse.remedies(three_values, start, 0.1, prior_of(three_values))
    assert remedies.began is None and remedies.tries == collapse.MOST_TRIES
    assert f"{collapse.MOST_TRIES} other starts were tried" in collapse.how_restarted(remedies)
    assert remedies.mapped.stopped == remedies.floored.stopped == "converged"


# ---- No maximum --------------------------------------------------------------------------------------------


def test_the_likelihood_rises_without_limit_by_as_much_as_is_said():
    X = DUPLICATES.dataset().X
    row = collapse.magnet(X)
    start, prior = collapse.planted(DUPLICATES, 0, row, 0.5), prior_of(DUPLICATES)
    drawn = collapse.shrink(start, 0, 0.05, prior)
    per_decade = np.polyfit(np.log10(drawn.sds[:30]), drawn.log_likelihood[:30], 1)[0]
    assert per_decade == pytest.approx(-12 * 2 * np.log(10), rel=1e-9)
    assert "12 · 2 · ln 10 = 55.26 nats" in collapse.without_limit(X, row, "full")
    # against scipy, at a few widths
    theta = start.history().parameters[0]
    for i in (60, 100, 139):
        covariances = theta.covariances.copy()
        covariances[0] = np.diag((drawn.sds[i] * X.std(axis=0)) ** 2)
        there = replace(theta, covariances=covariances)
        assert drawn.log_likelihood[i] == pytest.approx(mixture_log_likelihood(X, there), rel=1e-12)
        added = log_prior(there, prior, "full")
        assert drawn.log_posterior[i] == pytest.approx(mixture_log_likelihood(X, there) + added, rel=1e-12)
    # the line is above all else to the left of where it is said to be
    there = theta.covariances.copy()
    for beyond, above in ((-0.02, True), (0.02, False)):
        there[0] = np.diag((10 ** (drawn.overtakes + beyond) * X.std(axis=0)) ** 2)
        higher = (
            DUPLICATES.model.e_step(X, replace(theta, covariances=there)).objective > drawn.log_likelihood[120:].max()
        )
        assert higher == above
    # with the prior there is a maximum, inside
    assert drawn.sds[0] < drawn.peak < drawn.sds[-1]
    assert drawn.log_posterior[0] < drawn.log_posterior.max() - 1e6


def test_a_line_that_overtakes_beyond_the_picture_is_followed():
    """One point alone in one dimension gains 2.3 nats a decade: it takes very many of them."""
    X = WAITING.dataset().X
    values, counts = np.unique(X, return_counts=True)
    row = int(np.flatnonzero(X[:, 0] == values[counts == 1][0])[0])
    drawn = collapse.shrink(collapse.planted(WAITING, 0, row, 0.5), 0, 0.05, prior_of(WAITING))
    needed = (drawn.log_likelihood.max() - drawn.log_likelihood[0]) / np.log(10)
    assert drawn.overtakes == pytest.approx(-6 - needed, rel=1e-6)
    assert f"$10^{{-{6 + needed:.1f}}}$ times the data's" in collapse.overtaking(drawn)
    slices = {"rises": -np.arange(4.0), "falls": np.arange(4.0)}
    rises, falls = (
        collapse.overtaking(replace(drawn, sds=np.logspace(-3, 0, 4), log_likelihood=heights))
        for heights in slices.values()
    )
    assert "rises all the way" in rises and falls == "Towards narrow sds it falls."


def test_tied_covariances_cannot_shrink_alone():
    experiment = replace(DUPLICATES, model=GaussianMixture(3, "tied"))
    X = experiment.dataset().X
    start = collapse.planted(experiment, 0, collapse.magnet(X), 0.5)
    drawn = collapse.shrink(start, 0, 0.05, prior_of(experiment))
    assert drawn.log_likelihood[0] < drawn.log_likelihood.max() - 1e6
    assert "has a maximum" in collapse.without_limit(X, 0, "tied")
    low, high = slice_figure(drawn, remedies=False).layout.yaxis.range
    assert high - low < 1e5 < np.ptp(drawn.log_likelihood)  # or the top could not be seen
    assert start.history().stopped != "degenerate"


# ---- The prior, its price and its arithmetic ---------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("experiment", [DUPLICATES, WAITING], ids=["2d", "1d"])
def test_ghosts_are_what_the_settings_say(experiment, covariance_type):
    X = experiment.dataset().X
    k, d = experiment.model.n_components, X.shape[1]
    mean = (1.5, -2.0)[:d]
    prior = Ghosts(2.5, 9.0, 0.3, 4.0, mean).prior(X, k, covariance_type)
    ghosts = prior.ghost_points(k, covariance_type)
    assert (ghosts.mean_count, ghosts.weight_count, ghosts.mean.tolist()) == (2.5, 4.0, list(mean))
    assert ghosts.spread_count == pytest.approx(9, rel=1e-12)
    covariance = np.atleast_2d(np.cov(X, rowvar=False, bias=True))
    if covariance_type in ("full", "tied"):
        np.testing.assert_allclose(ghosts.spread, 0.09 * covariance, rtol=1e-12)
    least = collapse.fewest(d, k, covariance_type)
    Ghosts(spread_count=least).prior(X, k, covariance_type)
    with pytest.raises(ValueError, match="spread_count"):
        Ghosts(spread_count=least - 0.11).prior(X, k, covariance_type)
    theirs = Ghosts.fraley_raftery(X, k, covariance_type).prior(X, k, covariance_type)
    weak = GaussianPrior.fraley_raftery(X, k, covariance_type)
    assert theirs.degrees_of_freedom == pytest.approx(weak.degrees_of_freedom, rel=1e-12)
    if covariance_type in ("full", "tied"):
        np.testing.assert_allclose(theirs.scatter, np.array(weak.scatter) * (1 - 1 / len(X)), rtol=1e-12)


def test_data_without_a_covariance_have_no_ghosts_of_their_shape():
    with pytest.raises(ValueError, match="all points have the same value on axis 2"):
        Ghosts().prior([[1.0, 2.0], [3.0, 2.0]], 2, "full")
    on_a_line = Ghosts().prior([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]], 2, "full")
    assert on_a_line.scatter[0][1] == 0


def test_the_arithmetic_gives_the_m_step():
    """Each sum that is written, worked out, is the result beside it, and that is the run's next parameter."""
    prior = prior_of(DUPLICATES, Ghosts(3.0, 8.0, 0.2, 2.0))
    start = collapse.planted(DUPLICATES, 0, 1, 0.5)
    history = replace(start, model=replace(start.model, prior=prior)).history()
    for t in (0, 4):
        rows = collapse.arithmetic(history, 0, t)
        after = history.parameters[t + 1]
        wanted = [after.weights[0], *after.means[0], *np.diag(after.covariances[0])]
        assert [row[0] for row in rows] == ["Weight", "Mean x", "Mean y", "Variance x", "Variance y"]
        for (_, made, result), value in zip(rows, wanted, strict=True):
            assert float(result.replace("−", "-")) == pytest.approx(value, abs=6e-4)
            assert eval(made.replace("·", "*").replace("−", "-")) == pytest.approx(value, abs=3e-3)
    tied = replace(
        start, model=GaussianMixture(3, "tied", prior_of(replace(DUPLICATES, model=GaussianMixture(3, "tied"))))
    )
    assert len(collapse.arithmetic(tied.history(), 0, 0)) == 3


def test_the_price_of_a_prior():
    prior = prior_of(WAITING)
    paid = collapse.price(WAITING, WAITING.history().parameters[-1], prior)
    X = WAITING.dataset().X
    before, after = (mixture_log_likelihood(X, theta) for theta in (paid.fitted, paid.mode))
    assert paid.lost == pytest.approx(before - after, abs=1e-8) and paid.lost > 0
    assert paid.gained > paid.lost  # or EM would have stayed
    still = run(WAITING.model, X, paid.fitted, max_iter=1, tol=0)
    assert abs(np.diff(still.objective)[0]) < 1e-6
    assert f"changes by −{paid.lost:.2f} nats" in collapse.costs(paid)


def test_collapses_are_counted_run_by_run():
    outlier = Experiment(PresetData("outlier"), GaussianMixture(2), "farthest-points")
    prior, X = prior_of(outlier), outlier.dataset().X
    counted = collapse.collapses(outlier, 0.2, prior)
    begun = [STARTS["random-points"](outlier.model, X, np.random.default_rng([seed, 1])) for seed in range(20)]
    assert counted.plain == sum(run(outlier.model, X, start).stopped == "degenerate" for start in begun) > 5
    assert (counted.n_starts, counted.floored, counted.mapped) == (20, 0, 0)
    assert f"of 20 random starts {counted.plain} collapse by maximum likelihood" in collapse.buys(counted)


# ---- Words -------------------------------------------------------------------------------------------------


def test_the_answer_and_the_guess():
    collapsed, steps = found().plain, found().plain.n_iterations + 1
    assert f"M-step {steps} has no result" in collapse.foretold(collapsed, 0)
    assert collapse.judged(collapsed, True, steps).endswith("to the M-step.")
    assert f"was {steps}, you said 3" in collapse.judged(collapsed, True, 3)
    assert "other way round" in collapse.judged(collapsed, False, None)
    fine = collapse.planted(WAITING, 0, 0, 1.0).history()
    assert "does not collapse" in collapse.foretold(fine, 0) and "right" in collapse.judged(fine, False, None)


def test_captions_and_standings_follow_all_three():
    remedies = found()
    said = collapse.captions(remedies, 0)
    assert len(said) == remedies.n_positions
    assert [i for i, text in enumerate(said) if "a new start" in text] == [2 * remedies.began, 2 * remedies.began + 1]
    rows = collapse.standing(remedies, 0, 2 * remedies.began + 1)
    assert [row[0] for row in rows] == ["Restart", "Floor", "Prior"] and rows[0][4] == "new start"
    assert len({row[1] for row in rows}) == 3
    last = collapse.standing(remedies, 0, remedies.n_positions - 1)
    assert [row[4] for row in last][1:] == ["converged", "converged"]


# ---- Pictures ----------------------------------------------------------------------------------------------


def test_the_sd_is_drawn_on_a_log_axis():
    history = found().plain
    sds = collapse.narrowest(history, 0)
    drawn = sd_figure(history, sds, 0)
    assert drawn.figure.layout.yaxis.type == "log"
    np.testing.assert_array_equal(drawn.figure.data[0].y, sds)
    for t in (0, 5, history.n_iterations):
        at = drawn.at(2 * t + 1)
        assert (at.data[2].x[0], at.data[2].y[0]) == (t, sds[t])
        assert len(at.data[1].x) == t + 1
    low, high = drawn.figure.layout.yaxis.range
    assert low < np.log10(sds.min()) and np.log10(sds.max()) < high


@pytest.mark.parametrize("experiment", [DUPLICATES, WAITING], ids=["2d", "1d"])
def test_ghosts_in_the_picture_have_their_covariance_around_each_mean(experiment):
    prior = prior_of(experiment)
    start = collapse.planted(experiment, 0, collapse.magnet(experiment.dataset().X), 0.5)
    history = replace(start, model=replace(start.model, prior=prior)).history()
    ghosts = prior.ghost_points(experiment.model.n_components, "full")
    drawn = with_ghosts(mixture_figure(history), history, ghosts)
    for t in (0, 3):
        picture = drawn.at(2 * t + 1)
        for k in range(experiment.model.n_components):
            trace = next(one for one in picture.data if one.name == f"Ghost points of component {k + 1}")
            places = np.column_stack([trace.x, trace.y])[:, : len(ghosts.mean)]
            assert len(places) == 8
            np.testing.assert_allclose(places.mean(axis=0), history.parameters[t].means[k], atol=1e-9)
            covariance = np.cov(places, rowvar=False, bias=True).reshape(ghosts.spread.shape)
            np.testing.assert_allclose(covariance, ghosts.spread, rtol=1e-9)
    # all that the picture tells and reports stays with its traces
    names = [trace.name for trace in picture.data]
    assert names.index("Ghosts that pull the means") < names.index("Means ground")
    assert [names[trace] for trace in drawn.clicks] == ["Points"] and [names[t] for t in drawn.drags] == ["Means"]
    before, after = mixture_figure(history).at(7), drawn.at(7)
    others = [trace for trace in after.data if not trace.name.startswith("Ghost")]
    for trace, same in zip(before.data, others, strict=True):
        assert same.name == trace.name
        np.testing.assert_array_equal(np.array(same.x, float), np.array(trace.x, float))


def test_panels_name_what_they_show():
    remedies = found()
    curve = at_iteration(objective_figure(remedies.restarted), remedies.began, "new start")
    small = panel(curve, remedies.restarted.model.objective_name, height=250)
    texts = [note.text for note in small.figure.layout.annotations]
    assert texts == ["new start", "Log-likelihood"]
    assert small.figure.layout.height == 250 and small.n_positions == curve.n_positions
    assert small.figure.layout.shapes[0].x0 == remedies.began - 0.5


def test_the_slice_shows_the_top_that_a_prior_makes():
    X = DUPLICATES.dataset().X
    start = collapse.planted(DUPLICATES, 0, collapse.magnet(X), 0.5)
    drawn = collapse.shrink(start, 0, 0.05, prior_of(DUPLICATES))
    alone, beside = slice_figure(drawn, remedies=False), slice_figure(drawn, remedies=True)
    assert len(alone.data) == 1
    names = [trace.name for trace in beside.data]
    assert names[:3] == ["Log-likelihood", "Log-likelihood + log prior", "Its maximum"]
    top = beside.data[2]
    assert (top.x[0], top.y[0]) == (drawn.peak, drawn.log_posterior.max())
    low, high = beside.layout.yaxis.range
    assert low < top.y[0] < high and beside.data[3].x == (0.05, 0.05)


# ---- The lesson --------------------------------------------------------------------------------------------


def test_it_asks_first_and_then_answers():
    app = lesson()
    assert "Will component 1 collapse onto this point?" in words(app)
    assert "It collapses:" not in words(app) and "no maximum" not in words(app)
    assert "where 12 points lie" in app.caption[0].value
    fate = next(radio for radio in app.radio if radio.label == "Your prediction")
    app = apptest.run(fate.set_value("It collapses"))
    at = next(number for number in app.number_input if number.label == "M-step")
    app = press(apptest.run(at.set_value(4)), "Show the run")
    assert "You guessed right; the M-step was 16, you said 4." in words(app)
    assert "The likelihood has no maximum" in words(app) and link(app) == {}
    app = apptest.run(app.select_slider(key="width").set_value(100))  # another start, another question
    assert "Will component 1 collapse" in words(app) and link(app) == {"width": "100"}


@pytest.mark.parametrize(
    ("section", "preset"),
    [
        *((section, "tiny") for section in ("collapse", "remedies", "ghosts")),
        ("collapse", "outlier"),
        ("ghosts", "outlier"),
        ("remedies", "waiting-times"),
        ("ghosts", "waiting-times"),
    ],
)
def test_every_section_opens_on_all_kinds_of_data(section, preset):
    app = lesson(section=section, preset=preset, predict="0")
    assert not app.warning and not app.error
    assert app.title[0].value == "Collapse and priors"


def test_each_remedy_stands_beside_its_own_objective():
    app = lesson(section="remedies", predict="0", floor="10")
    said = words(app)
    for name in ("Log-likelihood", r"Log-likelihood (every sd at least 0.13)", "Log-likelihood + log prior"):
        assert f"<td>{name}</td>" in said
    assert "Floor: at the end it holds component 1" in said and "Restart: this start collapses" in said


def test_ghosts_can_be_added_weighed_and_put_back():
    app = lesson(section="ghosts", predict="0")
    app.number_input(key="pull").set_value(50.0)
    app = apptest.run(app.number_input(key="pull-x").set_value(4.0))
    assert link(app) == {"section": "ghosts", "predict": "0", "pull": "50", "pull-x": "4"}
    made = re.search(r"Mean x</th><td><span class=\"em-sum\">([^<]*)<", words(app))
    assert made and "+ 50 · 4.000) / (" in made[1]
    app = press(app, "As Fraley & Raftery")
    assert link(app) == {"section": "ghosts", "predict": "0", "spread": "20.41"}
    assert "15 collapse by maximum likelihood, none with the floor and none with the prior" in words(app)


def test_many_runs_on_large_data_wait_until_they_are_asked_for(monkeypatch):
    monkeypatch.setattr("pages.parts.shrinking.QUICK", 100)
    app = lesson(section="ghosts", predict="0")
    assert "random starts" not in words(app)
    assert "of 20 random starts 15 collapse" in words(press(app, "Work it out"))


def test_data_that_allow_no_prior_keep_the_rest_of_the_page():
    groups = {"data": "groups", "groups": "40,0,0,1,1,0", "components": "2", "predict": "0"}
    app = lesson(**groups)
    flat = OwnData.of("flat", ("x", "y"), [[0.0, 1.0], [1.0, 1.0], [5.0, 1.0]])
    visit = app.session_state["session"]
    visit.own, visit.values["data"] = flat, "file"
    for section, refused in (("collapse", 0), ("remedies", 1), ("ghosts", 1)):
        app.session_state["data"], app.session_state["section"] = "file", section
        app = apptest.run(app)
        assert [warning.value.startswith("There is no such prior") for warning in app.warning] == [True] * refused
        assert app.title[0].value == "Collapse and priors" and "begins with its mean on point 3" in app.caption[0].value


def test_a_link_that_does_not_fit_is_put_right():
    app = lesson(section="ghosts", predict="0", row="9999", component="9", ghosts="1", pull="0", width="33", floor="x")
    refused = app.warning[0].value
    for name in ("pull must be", "width must be", "floor must be"):
        assert name in refused
    assert link(app) == {"section": "ghosts", "predict": "0", "ghosts": "5.1"}


def test_settings_of_a_section_stay_out_of_the_links_of_others():
    app = lesson(predict="0", ghosts="20", floor="7")
    assert link(app) == {"predict": "0"}
    assert app.session_state["session"].values["ghosts"] == 20


def test_the_lesson_is_in_the_menu():
    from pages import LESSONS

    assert [row.title for row in LESSONS if row.file == "collapse.py"] == ["Collapse and priors"]
    assert choices.MAX_SAMPLES >= 132
