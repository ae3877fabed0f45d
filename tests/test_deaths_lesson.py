"""Slow convergence: the counts, the race with SQUAREM, the figure, and the lesson under AppTest."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from emcore import creep
from emcore.experiment import Experiment
from emcore.figures.deaths import counts_figure
from emcore.models import PoissonMixture, PoissonMixtureParameters
from emcore.report import captions
from emcore.sources.deaths import DailyCounts
from emcore.starts import At
from pages.parts import deaths
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "deaths.py")
REFERENCE = json.loads((Path(__file__).parent / "reference" / "classics.json").read_text())[
    "poisson_mixture_hasselblad1969"
]
START = PoissonMixtureParameters([0.3, 0.7], [1.0, 2.5])


@pytest.fixture(scope="module")
def history():
    return Experiment(DailyCounts(), PoissonMixture(2), "by-hand", 0, At.of(START), 200, 0.0).history()


@pytest.fixture(scope="module")
def leaps(history):
    return creep.accelerated(history)


# ---- The numbers ------------------------------------------------------------------------------------------


def test_the_counts_and_the_run_are_those_of_the_reference(history):
    X = DailyCounts().make().X
    assert np.bincount(X.astype(int)).tolist() == REFERENCE["counts"]
    assert np.allclose(history.objective, REFERENCE["ll_trace_first201"], rtol=0, atol=1e-8)
    w1, rate1, rate2, _ = REFERENCE["params"]["100"]
    theta = history.parameters[100]
    assert np.allclose([theta.weights[0], *theta.rates], [w1, rate1, rate2], rtol=0, atol=1e-8)


def test_the_race_ends_at_the_maximum_of_the_reference(history, leaps):
    race = creep.race(history, leaps)
    w1, rate1, rate2, top = REFERENCE["params"]["20000"]
    assert race.maximum == pytest.approx(top, abs=1e-9)
    assert np.allclose([race.parameters.weights[0], *race.parameters.rates], [w1, rate1, rate2], rtol=0, atol=2e-5)
    trace = np.array(REFERENCE["ll_trace_first201"])
    assert race.em_steps[0] == int(np.flatnonzero(trace >= top - 0.1)[0])
    assert race.em_steps[1] > 200  # after 200 steps more than 0.01 is missing
    assert all(plain > 4 * fast for plain, fast in zip(race.em_steps[1:], race.squarem_steps[1:], strict=True))
    for gap, steps in zip(creep.GAPS, race.squarem_steps, strict=True):
        cycle = leaps.em_steps.tolist().index(steps)
        assert leaps.history.objective[cycle] >= top - gap - 1e-9 > leaps.history.objective[cycle - 1] - 1e-9


def test_who_does_not_arrive_has_no_number():
    objective = np.array([-5.0, -1.05, -1.0])
    assert creep._arrivals(objective, np.array([0, 3, 7]), -1.0) == (3, 7, 7, 7, 7)
    assert creep._arrivals(objective, np.array([0, 3, 7]), 0.0) == (None,) * 5


def test_expected_days_are_those_of_scipy(history):
    fit = creep.count_fit(history)
    assert fit.observed.tolist() == [*REFERENCE["counts"], 0]
    for t in (0, 7):
        theta = history.parameters[t]
        for k in range(2):
            expected = 1096 * theta.weights[k] * poisson.pmf(fit.counts, theta.rates[k])
            assert np.allclose(fit.components[t, k], expected, rtol=1e-12)
    X = np.asarray(history.X)
    assert fit.single_rate == X.mean()
    assert fit.single_log_likelihood == pytest.approx(poisson.logpmf(X, X.mean()).sum(), rel=1e-12)
    assert creep.bic(-10.0, 3, 100) == pytest.approx(20 + 5 * np.log(100))


def test_the_captions_name_the_rate_and_its_weight(history):
    said = captions(history, creep.COUNT_WORDS).half_steps
    # the reference after the first M-step: weight 0.28569, rates 1.06139 and 2.59510: rate 2 moved farther
    assert "rate 2 moved +0.09510 to 2.5951, its weight is 0.7143" in said[2]
    assert "components 1 and 2 take 313.1 and 782.9 of 1,096 days" in said[1]


def test_the_picture_follows_the_run(history):
    fit = creep.count_fit(history)
    figure = counts_figure(history, fit)
    for position in (0, 9):
        shown = {trace.name: np.array(trace.y) for trace in figure.at(position).data}
        assert np.allclose(shown["Component 1"], fit.components[position // 2, 0])
        assert np.allclose(shown["Sum"], fit.components[position // 2].sum(axis=0))
        assert np.allclose(shown["One Poisson"], fit.single) and shown["Observed"].sum() == 1096


@pytest.mark.parametrize(
    "rows",
    [(), ((1, 2), (1, 3)), ((0, 5),), ((1, 0),), ((-1, 5),), ((0.5, 5),), ((201, 1),), ((1, 2000), (2, 1001))],
    ids=repr,
)
def test_counts_that_cannot_be(rows):
    with pytest.raises(ValueError, match="must"):
        DailyCounts(rows)


# ---- The lesson -------------------------------------------------------------------------------------------


def test_the_tolerance_stops_the_run_far_from_the_maximum():
    app = lesson(position="23")
    assert not app.warning and not app.error
    said = words(app)
    assert "After 11 iterations" in said and "0.2858" in said and "0.3599" in said
    assert "<td>237</td><td>36</td>" in said  # EM steps to within 0.01: EM and SQUAREM
    run(app.radio[0].set_value(0))
    said = words(press(app, "Predict"))
    assert "**More than 0.05** (you predicted" in said
    assert "The weight is 0.2858 at the end of the run and 0.3599 at the maximum" in said


def test_without_a_tolerance_the_forecast_names_what_is_missing():
    app = lesson(deaths="creep", max_iter="500", position="1001")
    missing = REFERENCE["params"]["20000"][3] - app.session_state["session"].rested[0].history().objective[500]
    said = words(app)
    assert f"Still missing to the maximum: {missing:.2g} nats" in said
    assert "from the gains so far alone: 0.00095 nats" in said
    assert "at the limit of iterations" in said


def test_an_example_sets_the_run_up_and_two_alone_begin_at_the_classic_place():
    app = lesson()
    assert link(app) == {}
    run(app.selectbox(key="deaths").set_value("creep"))
    values = app.session_state["session"].values
    assert (values["tol"], values["max-iter"]) == (0.0, 1000) and link(app) == {"deaths": "creep"}
    app = lesson(poissons="3", max_iter="20")
    assert app.selectbox(key="begin").disabled and "3 Poissons" in words(app)
    press(app, "Reseed start")
    assert link(app) == {"poissons": "3", "max-iter": "20", "start-seed": "1"}


def test_own_counts_and_a_single_distribution():
    app = lesson(deaths="own", own_counts="0,3;7,4", poissons="1")
    said = words(app)
    assert "Your own counts of 7 days" in said and "1 Poissons" not in said
    assert not any(button.label == "Predict" for button in app.button)
    app = lesson(deaths="own", own_counts="0,3;7,4", begin="classic")
    assert "How it ended" in words(app) and not app.error


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(deaths="births", own_counts="1,1;1,1", poissons="0", begin="end", start_seed="x")
    said = app.warning[0].value
    assert all(name in said for name in ("deaths", "own\\-counts", "poissons", "begin", "start\\-seed"))
    assert "How it ended" in words(app)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "nan,1", "1,1e300", "0,3", "2,2;2,2"], ids=repr)
def test_counts_in_a_link_that_cannot_be(text):
    refused = choices.read_link({"deaths": "own", "own-counts": text}, deaths.OFFER).refused
    assert len(refused) == 1 and refused[0].startswith("own-counts: ")


def test_the_offer_reads_back_what_it_writes():
    values = choices.read_link({"deaths": "own", "own-counts": "0,9;3,4", "poissons": "3"}, deaths.OFFER).values
    assert choices.read_link(choices.write_link(values, deaths.OFFER), deaths.OFFER).values == values
