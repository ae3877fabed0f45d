"""The lesson "Why it climbs" under AppTest: the cuts, the ledger, the variants, the clinic and the guesses."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pytest

from emcore import landscape, report, variants
from emcore.experiment import Experiment, PresetData
from emcore.figures import bound as figures
from emcore.figures.race import race_objective_figure
from emcore.models import GaussianMixture
from emcore.models.mixture import log_joint
from emcore.variants import FAULTS, VARIANTS
from pages.parts import clinic
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

opened = partial(apptest.lesson, "why_it_climbs.py")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment(PresetData("waiting-times"), GaussianMixture(2), max_iter=12)


@pytest.mark.parametrize("section", choices.SECTIONS)
@pytest.mark.parametrize("preset", ["waiting-times", "three-blobs", "tiny", "duplicates"])
def test_every_section_opens_from_its_link(section: str, preset: str):
    app = opened(section=section, preset=preset)
    assert not app.error and not app.warning
    shown = link(app)
    assert shown.get("section", "bound") == section
    friend = opened(**{name.replace("-", "_"): value for name, value in shown.items()})
    assert link(friend) == shown and words(friend) == words(app)


def test_it_opens_in_half_steps_at_the_bare_start_and_needs_no_link():
    app = opened()
    assert link(app) == {}
    assert app.session_state["session"].half_steps
    assert "There is no bound yet" in words(app)


def test_a_place_in_the_link_shows_the_identity_in_numbers():
    app = opened(position="4", half_steps="1")
    history = choices.experiment(app.session_state["session"].values).history()
    entry = landscape.ledger(history, 4)
    assert entry is not None
    for value in (entry.expected_log_joint, entry.entropy, entry.bound, entry.gap, entry.objective, entry.gain):
        assert report.number(value, 4) in words(app)


@pytest.mark.parametrize("section", ["bound", "staircase"])
def test_where_they_touch_the_gap_is_0(section: str):
    app = opened(section=section, position="5", half_steps="1")
    assert "+ KL(q || p)</th><td>0.0000" in words(app)


def test_every_parameter_can_be_cut_along():
    app = opened(preset="three-blobs", position="3", half_steps="1")
    box = app.selectbox(key="along")
    history = choices.experiment(app.session_state["session"].values).history()
    assert len(box.options) == 1 + len(history.parameters[0].names)
    run(box.set_value("atanh-correlation-2"))
    assert link(app)["along"] == "atanh-correlation-2"
    assert "per unit of atanh correlation 2" in words(app)
    assert "drawn anew" in words(app)


def test_a_cut_that_the_model_does_not_have_goes_back_to_the_line():
    app = opened(along="mean-9-y", since="900", section="bound")
    assert app.selectbox(key="along").value == choices.LINE
    assert app.number_input(key="since").value == 0
    assert "begins a new line" in words(app)


@pytest.mark.parametrize("step", variants.STEPS)
def test_every_partial_step_runs_beside_em_under_the_monitor(step: str):
    app = opened(section="partial", step=step)
    assert VARIANTS[step].reason in words(app)
    assert 'class="em-broken"' not in clinic.CSS
    assert ('class="em-broken"' in words(app)) == (step != "full")
    other = clinic.variant_run(clinic.shortened(choices.experiment(app.session_state["session"].values)), step)
    assert clinic.verdict(other, variants.monitor(other)) in words(app)


def test_the_verdict_says_in_numbers_which_promise_broke(experiment: Experiment):
    whole, part, hard, drawn = (clinic.variant_run(experiment, name) for name in ("full", "part", "hard", "drawn"))
    said = [clinic.verdict(history, variants.monitor(history)) for history in (whole, part, hard, drawn)]
    assert said[0].startswith("**Log-likelihood never falls**") and said[0].endswith("Every other promise holds.")
    lost = part.model.expected_log_joint(part.prepared, part.posterior(0), whole.parameters[1])
    lost -= part.model.expected_log_joint(part.prepared, part.posterior(0), part.parameters[1])
    assert "**Log-likelihood never falls**" in said[1]
    assert f"Broken: M-step 1 ends {report.number(lost, 2)} nats below the top of the bound." in said[1]
    own = [log_joint(hard.X, theta).max(axis=1).sum() for theta in hard.parameters]
    assert f"from {report.number(own[0], 2)} to {report.number(own[-1], 2)}, and its smallest gain" in said[2]
    falls = np.flatnonzero(np.diff(drawn.objective) < -1e-6) + 1
    by = report.number(drawn.objective[falls[0] - 1] - drawn.objective[falls[0]], 2)
    assert f"**Log-likelihood falls** at {len(falls)} of 12 iterations" in said[3]
    assert f"at iteration {falls[0]} the number falls by {by} nats" in said[3]


@pytest.mark.parametrize("section", ["bound", "you"])
def test_large_data_are_cut_to_a_fixed_part_and_the_page_says_so(section: str):
    app = opened(section=section, data="groups", groups="700,0,1;400,4,1", components="2", max_iter="90", tol="0")
    assert "500 of the 1,100 points, a fixed choice" in words(app)
    assert "the first 40 iterations" in words(app)


def test_the_picture_fits_the_iteration_on_show():
    app = opened(position="12", half_steps="1")
    press(app, "Fit to now")
    assert app.number_input(key="since").value == 5 and link(app)["since"] == "5"


def test_a_smaller_part_is_another_run():
    app = opened(section="partial")
    before = words(app)
    run(app.select_slider(key="percent").set_value(10))
    assert link(app)["percent"] == "10"
    assert "M-step 1 went 10 % of the way to the top of the bound" in words(app)
    assert words(app) != before


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_case_is_named_by_nobody_before_its_student(number: int):
    app = opened(section="clinic", case=str(number))
    secret = variants.secret(number)
    assert VARIANTS[secret].reason not in words(app)
    assert not any(name in "".join(link(app).values()) for name in FAULTS)
    wrong = next(name for name in FAULTS if name != secret)
    run(app.selectbox(key=f"diagnosis {number}").set_value(wrong))
    press(app, "Check")
    assert "Not this one" in app.error[0].value
    assert "With it, the number at iteration" in app.error[0].value
    run(app.selectbox(key=f"diagnosis {number}").set_value(secret))
    press(app, "Check")
    assert app.success[0].value.startswith("Right, at try 2.") and VARIANTS[secret].reason in app.success[0].value
    assert "Cases so far: 1. Named: 1, of these at the first try: 0." in words(app)
    assert "The monitor" in words(app)


def test_the_next_case_is_another():
    app = opened(section="clinic")
    press(app, "Show the mistake")
    assert VARIANTS[variants.secret(0)].reason in app.info[0].value
    press(app, "Next case")
    assert link(app)["case"] == "1"
    assert not app.info and app.selectbox(key="diagnosis 1").value is None


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_the_mistakes_of_a_case_can_be_told_apart(number: int):
    """No two of them look alike, nor like EM: the curves are some pixels apart, or the table's numbers are."""
    case = clinic.case_of(number)
    shown = {name: clinic.variant_run(case, name) for name in (*FAULTS, "full")}
    assert all(len(history.objective) == clinic.CASE_ITERATIONS + 1 for history in shown.values())
    for one, other in combinations(shown.values(), 2):
        drawn = race_objective_figure(one, shown["full"])
        apart = np.abs(one.objective - other.objective).max()
        assert apart > 0.4 and apart > 0.02 * np.ptp(drawn.figure.layout.yaxis.range), (one.model, other.model)
    for name, of in (("ridge", "covariances"), ("old-mean", "covariances"), ("fixed-weights", "weights")):
        pairs = zip(shown[name].parameters, shown["full"].parameters, strict=True)
        assert max(np.abs(np.log(getattr(a, of) / getattr(b, of))).max() for a, b in pairs) > 0.2, name
    for name in ("in-place", "over-points"):  # the sums are in the table
        rows = list(clinic.open_rows(shown["full"]))
        sums = np.array([shown[name].posterior(t).responsibilities[rows].sum(axis=1) for t in range(3)])
        assert np.abs(sums - 1).max() > 0.02, name


def test_a_guessed_mean_is_scored_kept_and_answered():
    app = opened(section="you", turn="2")
    history = choices.experiment(app.session_state["session"].values).history()
    answer = history.parameters[3].means[0, 0]
    assert f"{answer:.2f}" not in words(app)
    box = next(box for box in app.number_input if box.label.startswith("New mean 1"))
    run(box.set_value(60.0))
    press(app, "Check")
    loss = landscape.loss_of_mean(history, 2, 0, [60.0])[1]
    assert f"**{answer:.2f}**" in words(app) and report.number(loss, 3) in words(app)
    box = next(box for box in app.number_input if box.label.startswith("New mean 1"))
    run(box.set_value(round(answer, 2)))
    press(app, "Check")
    guesses = app.session_state["clinic"].guesses
    assert len(guesses) == 2 and guesses[1].loss < 0.01 < guesses[0].loss
    assert "Your guesses" in words(app)


def test_guessed_responsibilities_are_scored_by_their_divergence():
    app = opened(section="you", asked="shares")
    history = choices.experiment(app.session_state["session"].values).history()
    rows = landscape.asked_points(history, 0, 0, 0)
    answers = history.posterior(0).responsibilities[list(rows), 0]
    boxes = [box for box in app.number_input if box.label.startswith("Point ")]
    assert len(boxes) == 3
    for box, value in zip(boxes, answers, strict=True):
        box.set_value(float(value))
    press(app, "Check")
    assert app.session_state["clinic"].guesses[0].loss == pytest.approx(0, abs=1e-9)


def test_a_guess_of_the_impossible_costs_infinitely_much_and_the_page_says_so():
    app = opened(section="you", asked="shares", components="1")
    press(app, "Check")  # half of each point, where the one component takes all
    assert "**infinitely many nats**" in words(app) and "cannot have made it" in words(app)


def test_a_series_of_losses_is_drawn_with_its_extremes():
    drawn = figures.losses_figure([0.0, np.inf, 2.0], "nats")
    low, high = 10 ** np.array(drawn.layout.yaxis.range)
    shown = np.array(drawn.data[0].y)
    assert np.isfinite(shown).all() and (low < shown).all() and (shown < high).all()
    assert drawn.data[0].customdata[1] == np.inf


def test_the_loss_of_a_mean_is_its_mahalanobis_distance(experiment: Experiment):
    history = experiment.history()
    best, counts = history.parameters[1], history.posterior(0).counts
    answer, loss = landscape.loss_of_mean(history, 0, 1, best.means[1] + 2.0)
    assert np.array_equal(answer, best.means[1])
    assert loss == pytest.approx(0.5 * counts[1] * 4.0 / best.covariances[1, 0, 0])
    assert landscape.loss_of_mean(history, 0, 1, answer)[1] == 0


def test_the_loss_of_responsibilities_is_what_the_bound_loses(experiment: Experiment):
    from emcore import lower_bound

    history = experiment.history()
    rows = landscape.asked_points(history, 3, 0, 0)
    posterior = history.posterior(3)
    guess = np.array([0.2, 0.5, 0.9])
    answers, loss = landscape.loss_of_shares(history, 3, 0, rows, guess)
    changed = np.array(posterior.responsibilities)
    np.testing.assert_array_equal(answers, changed[list(rows), 0])
    changed[list(rows)] = np.column_stack([guess, 1 - guess])
    given = history.model.from_responsibilities(history.X, changed)
    bound = lower_bound(history.model, history.prepared, given, history.parameters[3])
    assert history.objective[3] - bound == pytest.approx(loss, rel=1e-6)
    with pytest.raises(ValueError, match="from 0 to 1"):
        landscape.loss_of_shares(history, 3, 0, rows, [0.2, 0.5, 1.2])
    with pytest.raises(ValueError, match="component must be from 0 to 1, got 2"):
        landscape.loss_of_shares(history, 3, 2, rows, guess)


def test_the_bound_figure_holds_the_slices_own_numbers(experiment: Experiment):
    history = experiment.history()
    slices = landscape.bound_slices(history, "mean 2")
    drawn = figures.bound_figure(history, slices)
    assert drawn.n_positions == history.n_positions
    for position in (1, 4, 5, history.n_positions - 1):
        at = {trace.name: trace for trace in drawn.at(position).data}
        low = drawn.figure.layout.yaxis.range[0]
        for name, values in (("Log-likelihood", slices.objective), ("Bound", slices.bound)):
            shown = np.asarray(at[name].y, dtype=float)
            seen = values[position] > low
            np.testing.assert_array_equal(shown[seen], values[position][seen])
            assert (shown[~seen] < low).all()
        assert at["Now"].y[0] == history.objective[position // 2]
        bottom, top = at["Gap"].y
        wanted = slices.gap[position] if position % 2 == 0 else np.nan_to_num(slices.closed[position])
        assert top - bottom == pytest.approx(wanted, abs=1e-9)
    assert figures.gap_texts(history, slices)[:3] == ["", "touches", f"KL(q || p) = {slices.gap[2]:.3f}"]


@pytest.mark.parametrize("percent", [10, 50, 100])
def test_a_partial_step_is_drawn_where_it_stopped(experiment: Experiment, percent: int):
    history = clinic.variant_run(experiment, "part", percent=percent)
    way = landscape.way_to_the_top(history, 3, experiment.model)
    assert way.stop == pytest.approx(percent / 100)
    drawn = {trace.name: trace for trace in figures.way_figure(history, way).data}
    before, stopped = drawn["Before"].y[0], drawn["Where it stopped"].y[0]
    assert before == pytest.approx(history.objective[3], abs=0.02)  # between the curve's points
    assert stopped == pytest.approx(history.objective[4], abs=0.02) and stopped > before
    assert np.nanmax(way.bound) <= drawn["Top of the bound"].y[0] + 0.02
    with pytest.raises(ValueError, match="iteration must be from 0 to 11, got 12"):
        landscape.way_to_the_top(history, 12, experiment.model)


def test_the_parts_appear_when_they_are_earned(experiment: Experiment):
    history = experiment.history()
    drawn = figures.parts_figure(history)
    q_gained, closed, gain = landscape.parts_of_gains(history)
    after_m, after_e = drawn.at(4), drawn.at(5)
    assert [len(trace.y) for trace in after_m.data] == [2, 1, 1]
    assert [len(trace.y) for trace in after_e.data] == [2, 2, 2]
    for trace, values in zip(after_e.data, (q_gained, closed, gain), strict=True):
        np.testing.assert_array_equal(trace.y, values[1:3])
    assert drawn.jumps[0].tolist()[:2] == [2, 4] and drawn.jumps[1].tolist()[:2] == [3, 5]


def test_the_captions_tell_both_halves(experiment: Experiment):
    history = experiment.history()
    said = figures.bound_captions(history).half_steps
    q_gained, closed, _ = landscape.parts_of_gains(history)
    assert f"The bound rose by {q_gained[1]:.3f}; the divergence KL(q || p) is now {closed[1]:.3f}." in said[2]
    assert f"It rose by {closed[1]:.3f}, the gap that was there." in said[3]


def test_the_offer_reads_what_it_writes():
    values = choices.defaults(offer=choices.WHY)
    assert choices.write_link(values, choices.WHY) == {}
    assert not set(choices.WHY.own) & set(choices.SETTINGS) and set(choices.WHY.own) == set(choices.WHY.usual)
    changed = values | {"section": "partial", "step": "part", "percent": 25}
    query = choices.write_link(changed, choices.WHY)
    assert query == {"section": "partial", "percent": "25"}
    assert choices.read_link(query, choices.WHY).values == changed
    hostile = {"along": "x" * 999, "step": "sd", "percent": "7", "case": "-1", "of": "99", "turn": "1e9", "asked": "?"}
    assert len(choices.read_link(hostile, choices.WHY).refused) == len(hostile)
