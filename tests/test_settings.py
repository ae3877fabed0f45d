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
    link = choices.read_link({"embed": "true", "embed_options": "dark_theme", "utm_source": "mail"})
    assert not link.refused


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
