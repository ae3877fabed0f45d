"""What several runs say in words: every number in a sentence is the runs' own."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from emcore import acceleration, verdict
from emcore.em import run
from emcore.experiment import Experiment, PresetData
from emcore.matching import relabelled
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.report import MINUS
from emcore.restarts import COLLAPSED, SADDLE, UNFINISHED, Maxima, Maximum, distinct, joined
from emcore.starts import STARTS


def maximum(objective: float, count: int, n_runs: int) -> Maximum:
    parameters = GaussianMixtureParameters(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    return Maximum(parameters, objective, count, count / n_runs, 0)


def sorted_out(outcome: list[int], heights: list[float]) -> Maxima:
    empty = [maximum(height, 0, 1) for height in heights]
    return verdict.counted(empty, np.array(outcome))


def three_peaks(seed: int, **more) -> Experiment:
    return Experiment(PresetData("three-peaks"), GaussianMixture(2), start_seed=seed, **more)


def test_counting_some_of_the_runs():
    found = sorted_out([1, SADDLE, 1, 0, COLLAPSED], [-5.0, -7.0])
    assert [one.count for one in found.maxima] == [1, 2]
    assert [one.share for one in found.maxima] == [0.2, 0.4]
    assert [one.representative for one in found.maxima] == [3, 0]
    assert sorted_out([SADDLE], [-5.0]).maxima[0].representative == -1


def test_maxima_are_counted_in_words_and_what_is_none_is_no_maximum():
    found = sorted_out([0] * 6 + [1] * 2 + [SADDLE, COLLAPSED], [-5.0, -7.0])
    text = verdict.count_of_maxima(found)
    assert text.startswith(f"10 starts reached 2 maxima: A at {MINUS}5.00 by 60 % and B at {MINUS}7.00 by 20 %.")
    assert "1 stalled" in text and "1 collapsed" in text and "stopped" not in text
    assert "the same maximum, A" in verdict.count_of_maxima(sorted_out([0, 0, 0], [-5.0]))
    assert verdict.count_of_maxima(sorted_out([UNFINISHED, UNFINISHED], [])).startswith("None of 2 starts")
    assert verdict.count_of_maxima(sorted_out([1], [-5.0, -7.0])) == (
        f"One start reached a maximum, at {MINUS}7.00: B unless a higher one is found."
    )
    assert "saddle" in verdict.count_of_maxima(sorted_out([SADDLE], []))


def test_a_known_maximum_that_no_run_reached_is_not_the_best_of_these_runs():
    found = sorted_out([1, 1], [-5.0, -7.0])
    assert verdict.best_of(found).indices == (1,)
    assert "reached B, the best of these runs, though a higher one is known" in verdict.chance_of_the_best(found, 3)


def test_maxima_of_equal_height_are_the_best_together():
    found = sorted_out([0, 1, 1, 2], [-5.0, -5.0 - 1e-12, -7.0])
    best = verdict.best_of(found)
    assert (best.names, best.indices, best.count, best.share, best.known) == ("A and B", (0, 1), 3, 0.75, True)
    assert "reached A and B, the best that is known, equally high: p = 0.75" in verdict.chance_of_the_best(found, 3)
    assert not verdict.equally_high(found.maxima[0], found.maxima[2])


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.95])
def test_the_restarts_needed_are_the_fewest(share: float):
    needed = verdict.restarts_needed(share)
    assert 1 - (1 - share) ** needed >= 0.95
    assert needed == 1 or 1 - (1 - share) ** (needed - 1) < 0.95
    assert verdict.restarts_needed(1.0) == 1 and verdict.restarts_needed(0.0) is None


def test_the_chance_of_the_best_is_worked_out():
    found = sorted_out([0] * 30 + [1] * 70, [-5.0, -7.0])
    text = verdict.chance_of_the_best(found, 4)
    assert "p = 0.3 " in text
    assert f"= {100 * (1 - 0.7**4):.0f} %" in text
    assert "take 9" in text  # 1 - 0.7^8 = 0.942, 1 - 0.7^9 = 0.960
    assert "nothing can be said" in verdict.chance_of_the_best(sorted_out([SADDLE] * 2, []), 4)
    assert "One run says nothing" in verdict.chance_of_the_best(sorted_out([0], [-5.0]), 4)


def test_shares_in_words():
    shares = (0.0, 0.0004, 0.004, 0.62, 0.9965, 0.9996, 1.0)
    written = ["0 %", "below 0.1 %", "0.4 %", "62 %", "99.7 %", "above 99.9 %", "100 %"]
    assert [verdict.percent(share) for share in shares] == written
    assert verdict.percent(0.9951) == "99.5 %" and verdict.percent(0.995) != "100 %"


def test_letters_go_on_after_z():
    assert [verdict.maximum_name(index) for index in (0, 25, 26, 51, 52)][:2] == ["A", "Z"]
    assert len({verdict.maximum_name(index) for index in range(200)}) == 200


def sorted_race(*experiments: Experiment) -> tuple[list, Maxima]:
    histories = [experiment.history() for experiment in experiments]
    return histories, distinct(experiments[0].dataset().X, joined([experiment.end() for experiment in experiments]))


def race(*experiments: Experiment) -> str:
    (first, second), found = sorted_race(*experiments)
    return verdict.race(first, second, tuple(found.outcome.tolist()), found.maxima)


def by_end(better: bool) -> list[int]:
    """Seeds of starts that reach the better, or the poorer, of the two mergers."""
    X = three_peaks(0).dataset().X
    runs = three_peaks(0).restarts(0, 40)
    found = distinct(X, runs)
    return np.flatnonzero(found.outcome == (0 if better else 1)).tolist()


def test_a_race_between_two_maxima():
    poorer, better = by_end(False)[0], by_end(True)[0]
    text = race(three_peaks(poorer), three_peaks(better))
    assert text.startswith("Different maxima: run 1 reached B") and "Run 2's maximum is higher" in text
    (first, second), found = sorted_race(three_peaks(poorer), three_peaks(better))
    assert f"by {found.maxima[0].objective - found.maxima[1].objective:.2f} nats" in text
    assert f"Run 1 took {first.n_iterations} iterations, run 2 {second.n_iterations}" in text


def test_a_race_to_the_same_maximum_names_the_swapped_labels():
    seeds = by_end(True)
    signs = {seed: np.sign(np.diff(three_peaks(seed).history().parameters[-1].means[:, 0]))[0] for seed in seeds}
    first = seeds[0]
    other = next(seed for seed in seeds if signs[seed] != signs[first])
    assert "component 1 is run 1's 2 and 2 is run 1's 1" in race(three_peaks(first), three_peaks(other))
    same = next(seed for seed in seeds[1:] if signs[seed] == signs[first])
    assert "Even the labels agree" in race(three_peaks(first), three_peaks(same))


def test_a_race_that_is_not_decided():
    better = by_end(True)[0]
    assert "Not decided. Run 2 was stopped before its end, after 3 iterations" in race(
        three_peaks(better), three_peaks(better, max_iter=3)
    )
    saddle = three_peaks(0, start="grand-mean")
    assert "Not decided. Run 2 stalled" in race(three_peaks(better), saddle)
    collapse = Experiment(PresetData("duplicates"), GaussianMixture(3), start_seed=5)
    text = race(collapse, collapse)
    assert collapse.history().reason in text


def test_relabelled_is_the_same_run_in_another_order():
    first, second = (three_peaks(seed).history() for seed in by_end(True)[:2])
    swapped = relabelled(second, first)
    assert swapped.objective is second.objective
    for before, after in zip(second.parameters, swapped.parameters, strict=True):
        assert sorted(before.means[:, 0]) == sorted(after.means[:, 0])
    apart = np.abs(swapped.parameters[-1].means - first.parameters[-1].means).max()
    assert apart < 0.1  # both ended at the same maximum


def test_captions_of_a_race_rest_where_a_run_has_ended():
    first, second = three_peaks(0, max_iter=2).history(), three_peaks(1, max_iter=4).history()
    captions = verdict.race_captions(first, second, 4, 4 + second.n_positions)
    assert "not branched off" in captions[3] and "Run 2: iteration 0" in captions[4]
    assert captions[-1].count("where it ended") == 2 and "Run 1: iteration 2" in captions[-1]


def test_ways_to_start_count_the_best_of_all():
    names = ("random-points", "grand-mean")
    runs = {name: three_peaks(0, start=name).restarts(0, 30) for name in names}
    found = distinct(three_peaks(0).dataset().X, joined(list(runs.values())))
    parts = dict(zip(names, (found.outcome[:30], found.outcome[30:]), strict=True))
    rows = verdict.ways_to_start({name: verdict.counted(found.maxima, part) for name, part in parts.items()}, runs)
    assert [row.title for row in rows] == [STARTS[name].title for name in names]
    assert [row.n_runs for row in rows] == [30, 1]
    assert rows[0].best_count == (found.outcome[:30] == 0).sum() and rows[1].best_count == 0
    assert rows[0].median_iterations == np.median(runs["random-points"].n_iterations)


def test_the_speed_sentence_tells_forecast_and_rate():
    experiment = Experiment(PresetData("heavy-overlap"), GaussianMixture(2), start_seed=3, max_iter=500, tol=1e-7)
    history = experiment.history()
    forecast = acceleration.aitken(history)
    rate = acceleration.rate(history.model, history.X, history.parameters[-1])
    text = verdict.speed(history, forecast, rate)
    assert f"leaves {rate:.4g} of the slowest error" in text
    assert f"about {math.ceil(math.log(0.5) / math.log(rate))} iterations to halve it" in text
    saddle = Experiment(PresetData("saddle"), GaussianMixture(2), start="grand-mean").history()
    assert "cannot be trusted" in verdict.speed(saddle, acceleration.aitken(saddle), 1.3)
    assert "a saddle or a plateau" in verdict.speed(saddle, acceleration.aitken(saddle), 1.3)


def test_squarem_is_compared_step_for_step():
    experiment = Experiment(PresetData("heavy-overlap"), GaussianMixture(2), start_seed=3, max_iter=500, tol=1e-7)
    history = experiment.history()
    fast = acceleration.squarem(history.model, history.X, history.parameters[0], max_iter=500, tol=1e-7)
    text = verdict.squarem(history, fast)
    assert f"{fast.em_steps[-1]:,} EM steps" in text and f"EM took {history.n_iterations:,}" in text
    assert "may reach another maximum" in text
    stuck = SimpleNamespace(history=run(history.model, history.X, history.parameters[0], max_iter=1), em_steps=[0, 1])
    assert "stopped at the limit" in verdict.squarem(history, stuck)
