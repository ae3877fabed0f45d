"""Links: what is written reads back to the same experiment, and nothing hostile gets through."""

from __future__ import annotations

import random

import pytest

from emcore.datasets import DATASETS
from emcore.experiment import OwnData
from emcore.starts import STARTS
from pages.parts import settings as choices

ROWS_1D = ((0.25, -3.5, 0.1), (0.75, 1e5, 2.0))
ROWS_2D = ((1, 0.1, 0.2, 1.5, 2.5, -0.3), (2, 1 / 3, 4, 1, 1, 0))


def chosen(**changes):
    values = choices.defaults(changes.get("data", "preset"), changes.get("preset", choices.DEFAULT_PRESET))
    return values | {name.replace("_", "-"): value for name, value in changes.items()}


def test_the_default_page_needs_no_link():
    assert choices.write_link(choices.defaults()) == {}
    link = choices.read_link({})
    assert link.values == choices.defaults() and not link.refused and link.position == 0


@pytest.mark.parametrize("preset", DATASETS)
def test_a_preset_alone_brings_its_own_set_up(preset):
    link = choices.read_link({"preset": preset})
    assert not link.refused
    assert link.values["components"] == DATASETS[preset].n_components
    assert link.values["start"] == DATASETS[preset].start
    expected = {} if preset == choices.DEFAULT_PRESET else {"preset": preset}
    assert choices.write_link(link.values) == expected


def test_every_link_reads_back_to_the_same_experiment():
    dice = random.Random(3)
    for _ in range(300):
        preset = dice.choice(list(DATASETS))
        values = chosen(data=dice.choice(["preset", "groups"]), preset=preset)
        values |= {
            "components": dice.choice([2, 2, 5]),
            "shape": dice.choice(list(choices.SHAPES)),
            "start": dice.choice([name for name in STARTS if name != "by-hand"]),
            "start-seed": dice.randrange(1000),
            "data-seed": dice.randrange(1000),
            "max-iter": dice.randint(1, 1000),
            "tol": dice.choice(choices.TOLERANCES),
            "truth": dice.random() < 0.5,
            "contours": dice.random() < 0.5,
            "projector": dice.random() < 0.5,
            "groups": dice.choice([choices.DEFAULT_GROUPS, ((10, 0.1, 0.3), (20, 5, 1)), ((7, 1, 2, 3, 4, 0.1),)]),
        }
        rows = ROWS_1D if choices.n_features(values) == 1 else ROWS_2D
        if values["components"] == 2 and dice.random() < 0.5:
            values |= {"start": "by-hand", "by-hand": rows}
        link = choices.read_link(choices.write_link(values))
        assert not link.refused
        assert choices.experiment(link.values) == choices.experiment(values)
        assert [link.values[name] for name in ("truth", "contours", "projector")] == [
            values[name] for name in ("truth", "contours", "projector")
        ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("components", "0"),
        ("components", "11"),
        ("components", "-1"),
        ("components", "2.5"),
        ("components", "three"),
        ("components", "\N{ARABIC-INDIC DIGIT THREE}"),
        ("components", "9" * 5000),
        ("components", ""),
        ("max-iter", "1001"),
        ("max-iter", "0"),
        ("tol", "nan"),
        ("tol", "-1"),
        ("tol", "1e-999"),
        ("preset", "<script>alert(1)</script>"),
        ("preset", "__class__"),
        ("shape", "round"),
        ("start", "telepathy"),
        ("start-seed", "1e3"),
        ("data-seed", "1000000"),
        ("truth", "yes"),
        ("position", "-3"),
        ("position", "4000"),
        ("half-steps", "2"),
        ("groups", "1,2"),
        ("groups", "10,0,0"),
        ("groups", "10,0,-1"),
        ("groups", "10.5,0,1"),
        ("groups", "20001,0,1"),
        ("groups", "inf,0,1"),
        ("groups", "10,nan,1"),
        ("groups", "10,0,1;5,0,0,1,1,0"),
        ("groups", "10,0,0,1,1,1"),
        ("groups", ";" * 4000),
        ("groups", "10,0,1;" * 11 + "10,0,1"),
        ("by-hand", "0,1,1"),
        ("by-hand", "1,1e400,1"),
        ("file", "x" * 121),
        ("file", "a\nb"),
        ("colour", "red"),
    ],
)
def test_what_is_not_legal_falls_back_and_is_named(name, text):
    link = choices.read_link({name: text})
    assert len(link.refused) == 1 and link.refused[0].startswith(name)
    assert len(link.refused[0]) < 400
    assert link.values == choices.defaults() and link.position == 0 and not link.half_steps


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("by-hand", "1,0,0,-1,1,0", "sd x in row 1 must be from 0.000001 to 1e9, got -1;"),
        ("by-hand", "1,0,1;0,0,1", "weight in row 2 must be from 0.000001 to 1e6, got 0;"),
        ("by-hand", "1,0,0,1,1,0;1,0,,1,1,0", "mean y in row 2 is empty;"),
        ("by-hand", "1,0,0,1,1,0.99999", "correlation in row 1 must be from -0.9999 to 0.9999, got 0.99999;"),
        ("groups", "9,0,1;2.5,0,1", "points in row 2 must be a whole number, got 2.5;"),
        ("groups", "9,2e9,1", "mean in row 1 must be from -1e9 to 1e9, got 2000000000;"),
        ("groups", "9,0,1e-7", "sd in row 1 must be from 0.000001 to 1e9, got 1e-7;"),
        ("groups", "15000,0,1;15000,0,1", "the points of all rows together must be at most 20,000, got 30,000;"),
        ("groups", "1,2", "each row must have 3 numbers (1D: points, mean, sd) or each 6 (2D: points, mean x,"),
        ("groups", "a,b,c", "it must be rows of numbers, with commas in a row and semicolons between rows;"),
        ("tol", "1e-9", "one of 0, 0.01, 0.001, 0.0001, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12;"),
    ],
)
def test_what_is_not_legal_is_named_by_its_value_and_column(name, text, said):
    (sentence,) = choices.read_link({name: text}).refused
    assert said in sentence


@pytest.mark.parametrize("rows", ["1,0,0,-1,1,0", "1,0", "x"])
def test_a_bad_start_by_hand_is_named_once(rows):
    link = choices.read_link({"start": "by-hand", "by-hand": rows})
    assert len(link.refused) == 1


def test_a_start_by_hand_that_does_not_fit_says_what_would():
    link = choices.read_link({"start": "by-hand", "by-hand": "0.5,1,1", "components": "2"})
    assert link.refused == (
        "by-hand: there must be 2 rows, one for each component, of 6 numbers (the data are 2D), got 1 of 3 numbers.",
    )


def test_tables_without_rows_and_with_too_many():
    for check in choices.CHECKS.values():
        with pytest.raises(ValueError, match="at least one row"):
            check(())
        with pytest.raises(ValueError, match="at most 10 rows, got 11"):
            check(((1.0, 0.0, 1.0),) * 11)
        check(((1.0, 0.0, 1.0),) * 10)


@pytest.mark.parametrize("tol", choices.TOLERANCES)
def test_tolerances_are_read_as_they_are_written_and_as_they_once_were(tol):
    text = choices.SETTINGS["tol"].write(tol)
    assert "e-0" not in text
    for one in (text, f"{tol:g}"):
        link = choices.read_link({"tol": one})
        assert link.values["tol"] == tol and not link.refused


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1e-6, "1e-6"), (1e-10, "1e-10"), (20001, "20001"), (-3e20, "-3e20"), (1e100, "1e100")],
)
def test_numbers_are_written_as_people_type_them(value, text):
    assert choices.number(value) == text
    assert float(text) == value


ROUND = ((10.0, 1.0, 0.0, 2.0, 2.0, 0.0), (20.0, 5.0, 0.0, 1.0, 1.0, 0.0))


def test_groups_find_their_way_back_from_1d():
    flat = choices.in_1d(choices.DEFAULT_GROUPS)
    assert flat == ((150, 0, 1), (100, 4, 1.5), (50, 1, 0.8))
    assert choices.in_2d(flat, choices.DEFAULT_GROUPS) == choices.DEFAULT_GROUPS
    assert choices.in_2d(((10.0, 1.0, 2.0), (20.0, 5.0, 1.0))) == ROUND
    edited = ((7, 9, 3), (8, 1, 2))
    assert choices.in_2d(edited, choices.DEFAULT_GROUPS[:1]) == ((7, 9, 0, 3, 1, 0.5), (8, 1, 0, 2, 2, 0))


@pytest.mark.parametrize("rows", [((10.0, 0.1, 0.3),), choices.DEFAULT_GROUPS, ((19_999.0, 1e9, 0, 1, 1, 0),)])
def test_groups_can_be_added_until_there_is_no_room(rows):
    for _ in range(20):
        choices.check_groups(rows)
        more = choices.one_more_group(rows)
        if more is None:
            break
        assert more[:-1] == rows
        rows = more
    assert len(rows) == choices.MAX_COMPONENTS or sum(row[0] for row in rows) == 20_000


def test_one_bad_value_does_not_cost_the_others():
    link = choices.read_link({"components": "99", "start-seed": "7", "shape": "tied"})
    assert link.values == chosen(start_seed=7, shape="tied")
    assert len(link.refused) == 1


@pytest.mark.parametrize("rows", ["0.5,1,1", "1,0,1;1,1,1"])
def test_a_start_by_hand_that_does_not_fit_is_refused(rows):
    link = choices.read_link({"start": "by-hand", "by-hand": rows, "components": "2"})
    assert len(link.refused) == 1 and "by-hand" in link.refused[0]
    assert link.values["start"] != "by-hand" or choices.fits_by_hand(link.values, link.values["by-hand"])
    choices.experiment(link.values).history()


def test_foreign_names_are_left_alone():
    names = ("embed", "embed_options", "utm_source", "UTM_medium", "fbclid", "gclid", "ref", "source", "mc_cid")
    assert not choices.read_link(dict.fromkeys(names, "x")).refused
    mistakes = ("component", "reference", "sources", "embedding", "seed", "mcid")
    assert len(choices.read_link(dict.fromkeys(mistakes, "x")).refused) == len(mistakes)


def test_a_link_to_a_file_names_it():
    values = chosen(data="file", file="heights.csv")
    query = choices.write_link(values)
    assert query == {"data": "file", "file": "heights.csv"}
    assert choices.read_link(query).values["file"] == "heights.csv"
    own = OwnData.of("heights.csv", ("cm",), [[1.0], [2.0], [4.0]])
    assert choices.experiment(values, own).source is own


def test_weights_are_divided_by_their_sum_and_correlations_become_covariances():
    start = choices.by_hand(ROWS_2D)
    assert start.weights == (1 / 3, 2 / 3)
    assert start.covariances[0][0][1] == pytest.approx(-0.3 * 1.5 * 2.5)
    assert choices.rows_of(start)[0][1:] == pytest.approx((0.1, 0.2, 1.5, 2.5, -0.3))


def test_a_moved_mean_keeps_everything_else():
    start = choices.experiment(chosen(preset="two-squares")).history().parameters[0]
    rows = choices.moved(start, 1, (7.123456, 6.0))
    assert rows[0] == choices.rows_of(start)[0]
    assert rows[1] == (0.5, 7.123, 6.0, 1.0, 1.0, 0.0)


def test_a_drag_far_away_stays_within_what_a_link_may_hold():
    start = choices.experiment(chosen(preset="two-squares")).history().parameters[0]
    for far in (1e10, -1e120, 1e300):
        rows = choices.moved(start, 0, (far, 0.0))
        assert choices.SETTINGS["by-hand"].parse(choices.SETTINGS["by-hand"].write(rows)) == rows


# ---- The lab's own settings --------------------------------------------------------------------------------


def lab(query: dict[str, str]) -> choices.Link:
    return choices.read_link(query, choices.LAB)


def test_the_lab_needs_no_link_either():
    values = choices.defaults(offer=choices.LAB)
    assert choices.write_link(values, choices.LAB) == {}
    assert lab({}).values == values and values["preset"] == choices.LAB.preset
    assert not set(choices.LAB.own) & set(choices.SETTINGS)
    assert set(choices.LAB.own) == set(choices.LAB.usual)


def test_the_lab_s_names_are_not_the_playground_s():
    assert choices.read_link({"room": "map"}).refused == ("room is not the name of a setting.",)


def test_every_link_of_the_lab_reads_back():
    dice = random.Random(5)
    starts = [name for name in STARTS if name != "by-hand"]
    for _ in range(200):
        values = choices.defaults(offer=choices.LAB) | {
            "components": 2,
            "room": dice.choice(list(choices.ROOMS)),
            "runs": dice.choice([0, *choices.RUN_NUMBERS]),
            "restarts": dice.randint(1, choices.MAX_RESTARTS),
            "plane": dice.choice(["means-1-2", "sd-2"]),
            "profile": dice.random() < 0.5,
            "branch": dice.randrange(50),
            "squarem": dice.random() < 0.5,
            "compare": dice.random() < 0.5,
        }
        values["start-seed"] = dice.randrange(1000)
        log = {choices.Beginning(name, dice.randrange(99) if STARTS[name].random else 0) for name in starts}
        log.add(choices.Beginning("by-hand", 0, ROWS_1D))
        values["log"] = tuple(log)
        values["rival"] = dice.choice([(), tuple(log)[:1]])
        query = choices.write_link(values, choices.LAB)
        link = lab(query)
        assert not link.refused
        assert choices.write_link(link.values, choices.LAB) == query
        room = values["room"]
        kept = {"log", "runs", "start-seed", "room"} | {
            "many": {"restarts", "compare"},
            "map": {"plane", "profile"},
            "race": {"rival"} | ({"branch"} if values["rival"] else set()),
            "speed": {"squarem"},
        }.get(room, set())
        assert {name: link.values[name] for name in kept} == {name: values[name] for name in kept}


def test_a_log_in_a_link_is_no_longer_than_a_link_can_be():
    rows = tuple((0.1, k + 1 / 3, 2 / 3, 1.23456, 2.34567, 0.123456) for k in range(10))
    values = choices.defaults(offer=choices.LAB) | {"preset": "ring", **choices.setup("ring"), "components": 10}
    values["log"] = tuple(
        choices.Beginning("by-hand", 0, ((0.1 + n, *rows[0][1:]), *rows[1:])) for n in range(choices.MAX_LOG)
    )
    text = choices.write_link(values, choices.LAB)["log"]
    assert len(text) <= choices.LONGEST_LIST
    link = lab({"preset": "ring", "components": "10", "log": text})
    assert not link.refused
    assert link.values["log"] == values["log"][-len(link.values["log"]) :]  # the latest ones


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        "random-points",
        "random-points:",
        "random-points:-1",
        "random-points:1e3",
        "random-points:1000000",
        "nowhere:1",
        "by-hand:",
        "by-hand:1,2",
        "by-hand:1,nan,2;1,0,1",
        "random-points:1__random-points:2",
        "random-points:1_" * 50,
        "x" * 100_000,
        "_".join(f"random-points:{seed}" for seed in range(choices.MAX_LOG + 1)),
    ],
)
def test_a_log_that_is_none_is_refused_in_words(text: str):
    link = lab({"log": text})
    assert len(link.refused) == 1 and link.refused[0].startswith("log: ")
    assert link.values["log"] == ()


def test_runs_by_hand_that_do_not_fit_the_model_are_left_out_of_the_log():
    fitting = choices.Beginning("by-hand", 0, ROWS_1D)
    text = "by-hand:0.5,0,1;0.5,1,1;0.5,2,1_by-hand:0.25,-3.5,0.1;0.75,1e5,2_by-hand:1,0,0,1,1,0;1,1,1,1,1,0"
    link = lab({"log": text})
    assert link.values["log"] == (fitting,)
    assert len(link.refused) == 1 and "left out" in link.refused[0]
    assert lab({"rival": "by-hand:0.5,0,1"}).values["rival"] == ()


@pytest.mark.parametrize("name, text", [("plane", "means-0-1"), ("plane", "x" * 999), ("runs", "50"), ("room", "x")])
def test_other_settings_of_the_lab_are_refused_one_by_one(name: str, text: str):
    link = lab({name: text})
    assert len(link.refused) == 1 and link.values[name] == choices.LAB.usual[name]


def test_the_planes_of_a_map_are_named_as_the_parameters_are():
    for preset, shape in (("three-peaks", "full"), ("three-peaks", "tied"), ("three-blobs", "full")):
        values = choices.defaults(preset=preset) | {"preset": preset, "shape": shape, "components": 3}
        experiment = choices.experiment(values)
        names = experiment.history().parameters[0].names
        planes = choices.planes(choices.n_features(values), 3, shape)
        assert planes
        for key, pair in planes.items():
            assert set(pair) <= set(names)
            assert choices.LAB.own["plane"].parse(key) == key
