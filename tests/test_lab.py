"""The local-maxima lab under AppTest: log, many starts, map, race, speed, and the questions to predict."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from emcore import verdict
from emcore.experiment import Experiment
from emcore.restarts import distinct
from pages.parts import lab as bench
from pages.parts import settings as choices
from pages.parts import tasks
from pages.parts.settings import Beginning
from tests import apptest
from tests.apptest import link, press, run, words

LESSON = "pages/lessons/local_maxima.py"
opened = partial(apptest.lesson, "local_maxima.py")


def opened_by_the_menu() -> AppTest:
    """The lesson in the whole app, where the menu leads to others."""
    app = run(AppTest.from_file(apptest.APP, default_timeout=60))
    app.switch_page(LESSON)
    return run(app)


def turn_to(app: AppTest, lesson: str) -> AppTest:
    """By the menu, which names no settings."""
    app.query_params.clear()
    app.switch_page(lesson)
    return run(app)


def visit(app: AppTest) -> Any:
    return app.session_state["session"]


def experiment(app: AppTest) -> Experiment:
    return choices.experiment(visit(app).values, visit(app).own)


def log(app: AppTest) -> tuple[Beginning, ...]:
    return visit(app).values["log"]


def test_the_lab_opens_on_data_with_two_maxima_and_needs_no_link():
    app = opened()
    assert link(app) == {}
    assert experiment(app).source.name == choices.LAB.preset
    assert len(log(app)) == 1


def test_one_press_is_one_start_and_one_line():
    app = opened()
    first = experiment(app)
    for presses in (1, 2, 3):
        press(app, "Reseed start")
        assert len(log(app)) == presses + 1
        assert log(app)[-1] == choices.beginning(visit(app).values)
    assert experiment(app).source == first.source and experiment(app) != first
    lines = app.radio(key="log line").options
    assert len(lines) == 4
    end = experiment(app).end()
    assert f"{end.n_iterations[0]} iteration" in lines[0]  # the newest first
    found = distinct(first.dataset().X, experiment(app).end())
    assert ("maximum" in lines[0]) == (found.outcome[0] >= 0)


def test_a_line_of_the_log_loads_its_run_and_adds_none():
    app = opened()
    first = experiment(app)
    press(app, "Reseed start")
    run(app.radio(key="log line").set_value(0))
    assert experiment(app) == first
    assert len(log(app)) == 2 and app.radio(key="log line").value == 0


def test_the_log_goes_into_the_link_and_comes_back():
    app = opened()
    press(app, "Reseed start")
    press(app, "Reseed start")
    friend = opened(**link(app))
    assert log(friend) == log(app) and experiment(friend) == experiment(app)
    assert link(friend) == link(app)


def test_the_log_belongs_to_its_data_and_lives_through_the_visit():
    app = opened_by_the_menu()
    press(app, "Reseed start")
    before = log(app)
    run(app.number_input(key="components").set_value(3))
    assert len(log(app)) == 1
    run(app.number_input(key="components").set_value(2))
    assert log(app) == before
    turn_to(app, "pages/lessons/playground.py")
    turn_to(app, LESSON)
    assert log(app) == before


def test_lessons_do_not_touch_each_other_s_choices():
    app = opened_by_the_menu()
    run(app.number_input(key="components").set_value(4))
    turn_to(app, "pages/lessons/playground.py")
    playground = experiment(app)
    assert playground.model.n_components == 3  # the default example's
    run(app.number_input(key="components").set_value(5))
    turn_to(app, LESSON)
    assert experiment(app).model.n_components == 4
    assert app.number_input(key="components").value == 4


def test_a_collapse_in_the_log_says_why():
    app = opened(preset="duplicates")
    end = experiment(app).end()
    assert end.reasons[0]
    assert any(end.reasons[0] in str(caption) for caption in app.radio(key="log line").proto.captions)


def test_the_log_is_bounded_and_can_be_cleared():
    text = "_".join(f"random-points:{seed}" for seed in range(choices.MAX_LOG))
    app = opened(log=text)
    press(app, "Reseed start")
    assert len(log(app)) == choices.MAX_LOG
    press(app, "Clear the log")
    assert log(app) == (choices.beginning(visit(app).values),)


@pytest.mark.parametrize("number", ["10 starts", "100 starts"])
def test_many_starts_are_those_of_their_seeds(number: str):
    app = opened(room="many")
    press(app, number)
    n_runs = int(number.split()[0])
    runs = experiment(app).restarts(0, n_runs)
    found = distinct(experiment(app).dataset().X, runs)
    assert verdict.count_of_maxima(found) in words(app)
    assert link(app)["runs"] == str(n_runs)
    assert verdict.chance_of_the_best(found, visit(app).values["restarts"]) in words(app)
    table = words(app)
    for maximum in found.maxima:
        assert f"<td>{maximum.count}</td>" in table


def test_a_run_to_a_maximum_can_be_watched():
    app = opened(room="many", runs="100")
    found = distinct(experiment(app).dataset().X, experiment(app).restarts(0, 100))
    press(app, "Watch a run to B")
    assert found.outcome[experiment(app).start_seed] == 1
    assert experiment(app).history().objective[-1] == pytest.approx(found.maxima[1].objective, abs=0.1)


def test_all_ways_to_start_are_compared_on_the_same_best():
    app = opened(room="many", runs="10", compare="1")
    text = words(app)
    assert "Ways to start" in text
    for title in ("Random points", "k-means++", "All at the grand mean"):
        assert title in text


def test_a_start_that_is_not_random_runs_once_and_says_so():
    app = opened(room="many", runs="100", start="farthest-points")
    assert any("nothing in this start is random" in element.value for element in app.info)
    assert "One start" in words(app)


def test_what_takes_long_asks_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "LONG", 0.0)
    app = opened(room="many", runs="100")
    assert any("take about" in element.value for element in app.warning)
    assert "reached" not in words(app)
    press(app, "Run them")
    assert "100 starts reached" in words(app)


def test_a_stop_keeps_what_is_there():
    app = opened(room="many")
    laboratory = app.session_state["lab"]
    key = (choices.experiment(choices.defaults(offer=choices.LAB) | {"start-seed": 0}), 1_000)
    laboratory.many[key] = {0: key[0].restarts(0, 50), 90: key[0].restarts(90, 10)}  # one came after the stop
    laboratory.stopped.add(key)
    press(app, "1,000 starts")
    assert "50 starts reached" in words(app)
    press(app, "Go on")
    assert "1,000 starts reached" in words(app)


def test_a_race_matches_the_log_and_reseeds_its_rival():
    app = opened(room="race", log="random-points:0_random-points:5")
    assert len(app.selectbox(key="rival line").options) >= 2
    before = words(app)
    press(app, "Reseed run 2")
    assert link(app)["rival"].startswith("random-points:")
    assert words(app) != before
    friend = opened(**link(app))
    assert visit(friend).values["rival"] == visit(app).values["rival"]


def test_a_branch_runs_on_from_a_moved_mean():
    app = opened(room="race")
    app.number_input(key=f"branch to {experiment(app).digest}").set_value(-4.0)
    press(app, "Branch off")
    values = visit(app).values
    assert values["rival"][0].start == "by-hand"
    assert values["rival"][0].rows[0][1] == -4.0
    assert "Run 1 took" in words(app)


def test_a_branch_goes_with_its_run():
    query = {"room": "race", "rival": "by-hand:0.5,-4,3;0.5,5,3", "branch": "3"}
    app = opened(**query)
    assert "from where it branched off at iteration 3" in words(app) and link(app) == query
    press(app, "Reseed start")
    assert visit(app).values["rival"] == () and visit(app).values["branch"] == 0
    assert "branched off at" not in words(app)


@pytest.mark.parametrize(
    "query",
    [
        {"room": "race", "rival": "random-points:4", "branch": "900"},
        {"room": "many", "runs": "10", "tol": "0.01"},
        {"preset": "duplicates", "tol": "0.01"},
        {
            "room": "map",
            "preset": "tiny",
            "components": "3",
            "start": "random-points",
            "max-iter": "200",
            "tol": "1e-6",
        },
        {"room": "many", "preset": "mirror", "runs": "100", "start": "random-points"},
        {"room": "speed", "preset": "duplicates"},
    ],
    ids=str,
)
def test_links_that_once_broke_the_page(query: dict[str, str]):
    opened(**query)


def test_the_speed_room_tells_rate_and_forecast():
    app = opened(room="speed", squarem="1")
    assert "SQUAREM from the same start took" in words(app)
    assert "Around this iteration" in words(app)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_question_takes_a_prediction_before_it_answers(name: str):
    task = tasks.TASKS[name]
    app = opened()
    run(app.selectbox(key="task").set_value(name))
    assert experiment(app) == choices.experiment(choices.read_link({"preset": task.preset}, choices.LAB).values)
    assert visit(app).values["room"] == task.room
    assert task.afterwards not in words(app) and "iteration" not in words(app).lower().replace(
        task.question.lower(), ""
    )
    run(app.radio(key=f"guess {name}").set_value(0))
    press(app, "Predict")
    if task.first:
        assert task.afterwards not in words(app)
        run(app.segmented_control(key="room").set_value("many"))
        press(app, "100 starts")
    run(app.toggle(key=f"shown {name}").set_value(True))
    assert task.afterwards in words(app)
    assert link(app)["task"] == name
    run(app.number_input(key="components").set_value(1))
    assert task.afterwards not in words(app)
    press(app, "Set them up again")
    assert experiment(app).model.n_components == choices.setup(task.preset)["components"]


def test_a_link_to_a_question_alone_offers_its_data():
    app = opened(task="mirror")
    press(app, "Set up its data and its start")
    assert experiment(app).source.name == "mirror" and app.radio(key="guess mirror").options


def test_a_question_is_set_up_whatever_was_on_show_before():
    app = opened()
    for name in ("mirror", "all", "equal", "mirror", "overlap"):
        run(app.selectbox(key="task").set_value(name))
        usual = choices.read_link({"preset": tasks.TASKS[name].preset}, choices.LAB).values
        assert experiment(app) == choices.experiment(usual), name
    assert set(tasks.TASKS) == set(choices.TASK_TITLES)


def test_the_answers_are_what_the_captions_promise():
    """The option that each question's own data make true: should a preset change, its question must too."""
    expected = {"rivals": 1, "equal": 1, "mirror": 2, "overlap": 2}
    for name, option in expected.items():
        task = tasks.TASKS[name]
        shown = choices.experiment(choices.defaults("preset", task.preset, choices.LAB) | {"preset": task.preset})
        many = distinct(shown.dataset().X, shown.restarts(0, 100))
        evidence = tasks.Evidence(shown.history(), None, many)
        assert task.answer(evidence)[0] == option, name


def slow(value: str) -> Any:
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "preset", ["three-groups", "duplicates", slow("one-takes-all"), slow("tiny"), slow("waiting-times"), slow("ring")]
)
@pytest.mark.parametrize("room", choices.ROOMS)
def test_every_room_opens_on_data_of_every_kind(preset: str, room: str):
    app = opened(preset=preset, room=room, runs="10", squarem="1", contours="1")
    assert not app.error


@pytest.mark.parametrize("components", ["1", slow("4")])
@pytest.mark.parametrize("room", choices.ROOMS)
def test_every_room_opens_with_one_component_and_with_many(components: str, room: str):
    opened(components=components, room=room, runs="10")
    opened(components=components, room=room, runs="10", preset="three-blobs", shape="tied")
