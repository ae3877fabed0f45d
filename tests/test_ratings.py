"""The numbers of the lesson on ratings, against sums that are written down here anew."""

from __future__ import annotations

import numpy as np
import pytest

from emcore import ratings
from emcore.em import run
from emcore.experiment import Experiment
from emcore.figures.ratings import cells, errors_figure, table_figure
from emcore.models import MissingNormal
from emcore.sources.ratings import DISHES, EXAMPLES, FEWEST, KEPT, MECHANISMS, PEOPLE, Ratings
from emcore.starts import At


def experiment_of(source: Ratings, max_iter: int = 12, tol: float = 1e-6) -> Experiment:
    model = MissingNormal()
    start = At.of(model.independent(source.make().X))
    return Experiment(source, model, "by-hand", by_hand=start, max_iter=max_iter, tol=tol)


@pytest.fixture(scope="module")
def fit():
    source = Ratings(n_people=40, seed=5)
    experiment = experiment_of(source)
    data, table = experiment.dataset(), ratings.filling(experiment)
    return experiment.history(), data, table, ratings.errors(table, data)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_table_is_what_it_says(mechanism):
    data = Ratings(mechanism, 60, 35, 15, seed=2).make()
    assert data.X.shape == (60, len(DISHES))
    assert data.never.sum() == round(0.35 * 480) and data.hidden.sum() == round(0.15 * (480 - data.never.sum()))
    assert set(np.unique(data.whole)) == {1, 2, 3, 4, 5}
    seen = ~np.isnan(data.X)
    assert (data.X[seen] == data.whole[seen]).all() and not (data.hidden & seen).any()
    assert not any(array.flags.writeable for array in (data.X, data.whole, data.hidden))


def test_what_is_lost_does_not_touch_the_ratings():
    one, other = Ratings(seed=3).make(), Ratings("liking", missing=60, hidden=40, seed=3).make()
    assert (one.whole == other.whole).all()
    assert (Ratings(seed=3, hidden=40).make().never == one.never).all()
    assert (Ratings(seed=4).make().whole != one.whole).any()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_dish_keeps_some_ratings(mechanism, seed):
    data = Ratings(mechanism, FEWEST, 90, 90, seed).make()
    assert ((~np.isnan(data.X)).sum(axis=0) >= KEPT).all()
    MissingNormal().prepare(data.X)


def test_people_rate_what_they_like():
    by_liking, by_chance = Ratings("liking", 80).make(), Ratings("chance", 80).make()
    assert by_liking.whole[by_liking.never].mean() < by_liking.whole.mean() - 0.5
    assert abs(by_chance.whole[by_chance.never].mean() - by_chance.whole.mean()) < 0.2


@pytest.mark.parametrize(
    "wrong",
    [{"mechanism": "luck"}, {"n_people": 5}, {"n_people": 81}, {"missing": 95}, {"hidden": -1}, {"seed": 0.5}],
    ids=str,
)
def test_a_table_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="must be"):
        Ratings(**wrong)


def test_names_are_told_apart():
    assert len(set(PEOPLE)) == len(PEOPLE) == 80 and len(set(DISHES)) == len(DISHES)


def test_errors_are_root_mean_squares(fit):
    history, data, _, found = fit
    for t in (0, 5, history.n_iterations):
        off = [(history.posterior(t).filled[n, j] - data.whole[n, j]) ** 2 for n, j in np.argwhere(data.hidden)]
        assert found.hidden[t] == pytest.approx((sum(off) / len(off)) ** 0.5, rel=1e-12)
    assert len(found.hidden) == len(found.never) == history.n_iterations + 1


def test_those_within_two_sds_are_counted(fit):
    history, data, table, _ = fit
    posterior = history.posterior(6)
    off = [
        abs(posterior.filled[n, j] - data.whole[n, j]) / posterior.covariance_of(n)[j, j] ** 0.5
        for n, j in np.argwhere(data.never)
    ]
    assert ratings.covered(table, data, 6)[1] == pytest.approx(sum(each <= 2 for each in off) / len(off))


def test_averages_by_the_loop():
    X = np.array([[5.0, np.nan, 3.0], [4.0, 2.0, np.nan], [np.nan, np.nan, np.nan]])
    dish, person, both = ratings.mean_fillings(X)
    assert dish.tolist() == [[4.5, 2.0, 3.0]] * 3
    assert person[:, 0].tolist() == [4.0, 3.0, 3.5]  # the third rated nothing: the mean of all
    assert both == pytest.approx(np.array([[4.75, 2.25, 3.25], [4.25, 1.75, 2.75], [4.5, 2.0, 3.0]]))


def test_at_the_start_em_fills_in_the_means_of_the_dishes(fit):
    assert fit[3].hidden[0] == pytest.approx(fit[3].means_hidden[0], rel=1e-12)
    assert fit[3].never[0] == pytest.approx(fit[3].means_never[0], rel=1e-12)


def test_somebody_new_by_conditioning_one_rating_after_the_other(fit):
    """The normal distribution is conditioned on one number at a time: no matrix is inverted."""
    history = fit[0]
    theta = history.parameters[7]
    mean, covariance = theta.mean.copy(), theta.covariance.copy()
    given = {0: 5.0, 3: 1.0, 6: 4.0}
    for dish, stars in given.items():
        gain = covariance[:, dish] / covariance[dish, dish]
        mean = mean + gain * (stars - mean[dish])
        covariance = covariance - np.outer(gain, covariance[dish])
    found = ratings.told(history, 7, given)
    assert found.missing.tolist() == [1, 2, 4, 5, 7]
    assert found.expected == pytest.approx(mean[found.missing], rel=1e-9)
    assert found.left**2 == pytest.approx(np.diag(covariance)[found.missing], rel=1e-9)
    assert found.means + found.regression @ found.offsets == pytest.approx(found.expected, rel=1e-12)


def test_nobody_is_told_anything_by_no_rating(fit):
    found = ratings.told(fit[0], 3, {})
    theta = fit[0].parameters[3]
    assert found.expected == pytest.approx(theta.mean) and found.left == pytest.approx(theta.sds)
    with pytest.raises(ValueError, match="leave a dish open"):
        ratings.told(fit[0], 3, dict.fromkeys(range(8), 3.0))


def test_what_became_of_the_error():
    def course(*hidden):
        return ratings.course(ratings.Errors(np.array(hidden), np.array(hidden), np.ones(3), np.ones(3))).course

    assert course(1.0, 0.8, 0.7) == 0
    assert course(1.0, 0.7, 0.8) == 1
    assert course(1.0, 1.1, 1.2) == 2
    assert course(1.0, 0.7, 0.701) == 0  # the same, as far as it matters


def test_examples_show_what_they_are_for():
    ends = {}
    for name, example in EXAMPLES.items():
        source = Ratings(example.mechanism, example.n_people, seed=example.seed)
        experiment = experiment_of(source, example.max_iter)
        table = ratings.filling(experiment)
        ends[name] = experiment.history(), source.make(), table, ratings.errors(table, source.make())
    _, _, _, found = ends["chance"]
    assert ratings.course(found).course == 1
    assert found.hidden[found.best] < 0.8 * found.means_hidden.min() and found.hidden[-1] < found.means_hidden.min()
    _, data, table, found = ends["liking"]
    filled, true = ratings.mean_of_never(table, data, -1)
    assert filled > true + 0.5 and found.never[-1] > 1.3 * found.hidden[-1]
    history, data, table, found = ends["few"]
    assert history.stopped == "degenerate" and found.hidden[-1] > 1.5 * found.means_hidden.max()
    assert max(ratings.covered(table, data, -1)) < 0.5  # and is sure of it


def test_parameters_and_pairs_are_counted():
    assert ratings.n_parameters(8) == 8 + 8 + 28 == len(MissingNormal().independent(np.eye(8)).to_vector())
    assert ratings.fewest_pairs(np.array([[1, 2, np.nan], [1, np.nan, 3], [1, 2, np.nan]])) == 0
    assert ratings.fewest_pairs(np.array([[1.0, 2.0], [1.0, np.nan], [3.0, 2.0]])) == 2


def test_the_picture_holds_the_run_s_numbers(fit):
    history, data, table, _ = fit
    drawn = ratings.table_scene(table, data, 33)
    assert drawn.rows[-1] == 33 and drawn.place == len(drawn.rows) - 1 == ratings.MOST_SHOWN - 1
    figure = table_figure(history, drawn)
    assert len(figure.at(0).data[5].x) == 0  # at the bare start nothing is filled
    posterior = history.posterior(4)
    at, after_m_step = figure.at(9), figure.at(10)  # the E-step of iteration 4; the M-step fills nothing
    assert list(after_m_step.data[5].marker.size) == list(at.data[5].marker.size)
    for k in (0, len(drawn.empty) // 2, -1):
        row, dish = drawn.empty[k]
        sd = posterior.sds[drawn.rows[row], dish]
        full = figure.figure.data[0].marker.size
        assert at.data[5].marker.size[k] == pytest.approx(full * max(1 - sd / 1.6, 0.25))
    counted = sum(len(cells(drawn, trace)) for trace in range(6))
    assert counted == len(drawn.rows) * len(DISHES)
    for trace in range(7):
        points = cells(drawn, trace)
        assert figure.figure.data[trace].x.tolist() == points[:, 1].tolist()
    assert (data.hidden[drawn.rows][tuple(cells(drawn, 6).T)]).all()


def test_the_errors_are_drawn_as_they_become_known(fit):
    history, _, _, found = fit
    figure = errors_figure(history, found)
    names = [trace.name for trace in figure.figure.data]
    line = names.index("EM, hidden")
    assert len(figure.at(0).data[line].y) == 0
    assert list(figure.at(9).data[line].y) == pytest.approx(found.hidden[:5])
    assert [figure.at(position).data[line + 1].y[0] for position in (9, 10, 11)] == pytest.approx(
        found.hidden[[4, 4, 5]]
    )
    assert [trace.y[0] for trace in figure.figure.data[:3]] == pytest.approx(found.means_hidden)


def test_words_have_the_run_s_numbers(fit):
    history, data, table, found = fit
    words = ratings.rating_words(data, table, found)
    empty = int(np.isnan(data.X).sum())
    assert words.e_step(history, 2).startswith(f"{empty} empty cells filled in, with sd ")
    assert f"the {data.hidden.sum()} hidden ratings missed by {found.hidden[2]:.3f}" in words.e_step(history, 2)
    before, after = history.parameters[:2]
    moved = np.abs(after.correlations - before.correlations)
    i, j = np.unravel_index(np.argmax(np.tril(moved, -1)), moved.shape)
    assert words.m_step(history, 1).startswith(f"the correlation of {DISHES[j]} and {DISHES[i]} moved ")


def test_a_table_with_every_rating_is_fitted_at_once():
    source = Ratings(n_people=40, missing=0, hidden=0, seed=1)
    data = source.make()
    history = run(MissingNormal(), data.X, MissingNormal().independent(data.X), max_iter=5)
    assert history.parameters[1].covariance == pytest.approx(np.cov(data.whole.T, bias=True))
    experiment = experiment_of(source, 5)
    found = ratings.errors(ratings.filling(experiment), data)
    assert np.isnan(found.hidden).all()
    errors_figure(experiment.history(), found)
