"""The lesson on the number of components under AppTest: guess, criteria, held-out points, the test, new points."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from emcore import selection
from emcore.experiment import Experiment
from pages.parts import selection as parts
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import lesson, link, press, run

opened = partial(lesson, "how_many.py")


def visit(app: AppTest) -> Any:
    return app.session_state["session"]


def experiment(app: AppTest) -> Experiment:
    return choices.experiment(visit(app).values, visit(app).own)


def words(app: AppTest) -> str:
    said = [element.value for kind in ("info", "caption", "warning") for element in app.get(kind)]
    return apptest.words(app) + "\n".join(said)


def sweep(app: AppTest, most: int, tries: int) -> dict[int, selection.Fits]:
    values = visit(app).values
    return {
        k: selection.fits(selection.candidate(experiment(app), k, values["shape"]), 0, tries)
        for k in range(1, most + 1)
    }


def test_nothing_is_told_before_the_guess():
    app = opened()
    assert link(app) == {} and visit(app).values["components"] == 1
    said = words(app)
    assert "BIC" not in said and "groups" not in said.replace("guess", "")
    run(app.segmented_control(key="guessed").set_value(3))
    assert link(app) == {"guess": "3", "components": "3"}
    found = sweep(app, 8, 20)
    for sentence in (selection.about_likelihood, selection.about_choice, selection.about_restarts):
        assert sentence(found) in words(app)
    assert "made these points" not in words(app)
    press(app, "Show the truth")
    assert "**4 groups** made these points; you guessed 3. AIC chooses 7, BIC chooses 4 and ICL chooses 3." in words(
        app
    )


def test_other_data_ask_again_and_a_link_does_not():
    app = opened(guess="4", components="4", most="3", tries="1", truth="1")
    assert "BIC is lowest" in words(app)
    run(app.number_input(key="data-seed").set_value(2))
    assert visit(app).values["guess"] == 4
    run(app.selectbox(key="preset").set_value("old-faithful"))
    assert visit(app).values["guess"] == 0 and "BIC is lowest" not in words(app)
    assert not visit(app).values["truth"]
    run(app.segmented_control(key="guessed").set_value(2))
    assert "Nobody knows how many groups" in words(app)


def test_a_guess_after_a_start_by_hand_begins_elsewhere():
    app = opened(guess="2", components="2", most="2", tries="1", start="by-hand", by_hand="1,0,0,1,1,0;1,3,0,1,1,0")
    assert experiment(app).by_hand is not None and "fits one K only" in words(app)
    press(app, "Guess again")
    run(app.segmented_control(key="guessed").set_value(5))
    assert experiment(app).model.n_components == 5 and experiment(app).start == "random-points"


def test_the_table_holds_the_numbers_of_the_sweep():
    app = opened(preset="old-faithful", guess="2", most="4", tries="5")
    for fits in sweep(app, 4, 5).values():
        for name in ("log_likelihood", "aic", "bic", "icl"):
            assert f"{fits.value(name, fits.best):,.2f}".replace("-", "−") in words(app)


def test_the_best_run_for_a_k_goes_into_the_player():
    app = opened(guess="2", components="2", most="4", tries="10")
    run(app.segmented_control(key="best of").set_value(4))
    fits = sweep(app, 4, 10)[4]
    assert experiment(app).model.n_components == 4
    assert experiment(app).history().objective[-1] == pytest.approx(fits.log_likelihood[fits.best])
    assert "the best of 10" in words(app)


def test_all_shapes_are_compared_by_one_criterion():
    app = opened(preset="old-faithful", guess="2", most="3", tries="5", all_shapes="1", judge="icl")
    one = selection.fits(selection.candidate(experiment(app), 3, "tied"), 0, 5)
    assert "ICL of the best run, by covariance type" in words(app)
    assert f"{one.value('icl', one.best):,.2f}" in words(app)


def test_held_out_points_and_refusals():
    app = opened(view="held-out", guess="4", most="3", tries="1", folds="3")
    sums = {
        k: selection.together(
            [selection.held_out(selection.candidate(experiment(app), k, "full"), 3, fold, 1) for fold in range(3)]
        )
        for k in (1, 2, 3)
    }
    assert selection.about_held_out(sums) in words(app)
    few = opened(view="held-out", guess="1", preset="tiny", most="8", tries="1", folds="2")
    assert "2 folds" in words(few) or "is left out" in words(few)
    assert any("points to fit" in element.value or "there are" in element.value for element in few.info)


def test_too_many_components_are_refused_and_the_rest_stays():
    app = opened(preset="tiny", guess="2", most="8", tries="5")
    assert "only 3 distinct points" in words(app) and "So are all larger K" in words(app)
    assert "The best run for each K" in words(app)


def test_a_collapse_leaves_the_rest_on_screen():
    app = opened(data="groups", groups="1,0,1;1,5,1", guess="2", most="4", tries="5")
    assert "every run collapsed" in words(app) and "The best run for each K" in words(app)


def test_the_bootstrap_runs_when_it_is_asked():
    app = opened(view="test", guess="4", tries="1", preset="waiting-times")
    assert "p = (1" not in words(app)
    run(app.segmented_control(key="replicates").set_value(19))
    one = selection.candidate(experiment(app), 1, "full")
    ratios = [selection.replicate(one, 1, index) for index in range(19)]
    assert selection.about_test(1, selection.likelihood_ratio(one, 1), ratios) in words(app)


def test_a_stop_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "BLOCK_SIZE", 300 * 5)
    app = opened(guess="2", most="2", tries="1")
    jobs = tuple(
        ("fits", selection.candidate(experiment(app), k, "full"), first, min(max(1, 5 // k), 10 - first))
        for k in (1, 2)
        for first in range(0, 10, max(1, 5 // k))
    )
    ordered = ("sweep", *sorted(jobs, key=lambda key: key[2]))
    app.session_state["selection"].stopped.add(ordered)
    app.session_state["selection"].done[ordered[1]] = None
    app.session_state["selection"].done[ordered[2]] = None
    run(app.segmented_control(key="tries").set_value(10))
    assert f"Stopped: 2 of {len(jobs)} parts" in words(app)
    assert "<td>5</td>" in words(app) and "<td>2</td>" in words(app)
    press(app, "Go on")
    assert "Stopped" not in words(app) and words(app).count("<td>10</td>") == 2


def test_new_points_are_told_by_the_run_at_hand_and_kept_in_the_link():
    app = opened(view="predict", guess="2", components="2", new="0,0;-2.5,1")
    theta = experiment(app).history().parameters[-1]
    first, second = selection.predict(experiment(app).dataset().X, theta, [(0, 0), (-2.5, 1)])
    for said in (first, second):
        assert f"{said.responsibilities[0]:.3f}" in words(app)
    app.number_input(key=f"new 0 {visit(app).opened}").set_value(9.5)
    press(app, "Add this point")
    assert link(app)["new"].startswith("0,0;-2.5,1;9.5,")
    press(app, "Remove the last point")
    assert link(app)["new"] == "0,0;-2.5,1"
    press(app, "Remove all")
    assert "new" not in link(app) and "No new point yet" in words(app)
    full = opened(view="predict", guess="2", new=";".join(["1,2"] * 12))
    press(full, "Add this point")
    assert "room for 12 new points" in words(full)


def test_points_of_other_data_go_when_the_axes_change():
    app = opened(view="predict", guess="2", new="0,0", doubt="1")
    run(app.selectbox(key="preset").set_value("waiting-times"))
    assert visit(app).values["new"] == ()
    run(app.segmented_control(key="guessed").set_value(2))
    assert "No new point yet" in words(app)


@pytest.mark.parametrize("view", parts.VIEWS)
@pytest.mark.parametrize("query", [{"preset": "duplicates"}, {"preset": "tiny"}, {"start": "by-hand"}], ids=str)
def test_every_part_opens_on_data_of_every_kind(view: str, query: dict[str, str]):
    app = opened(view=view, guess="3", components="3", most="4", tries="1", replicates="19", doubt="1", **query)
    assert not app.error


def test_hostile_links_are_named_and_the_page_stands():
    app = opened(guess="99", most="1", tries="7", new="1;2,3", folds="1e9", view="<b>")
    (warning,) = app.warning
    for name in ("guess", "most", "tries", "new", "folds", "view"):
        assert f"\n- {name}" in warning.value
