"""An experiment decides its run bit for bit; and the cache makes each run once, for everybody."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event, Thread, current_thread

import numpy as np
import pytest

import emcore.experiment
from emcore.datasets import DATASETS, Group
from emcore.experiment import BoundedCache, Experiment, OwnData, PresetData, SyntheticData, kept, n_bytes
from emcore.models import GaussianMixture, KMeans
from emcore.starts import STARTS, At, ByHand

GROUPS = (Group(40, (-2.0, 0.0), ((1.0, 0.0), (0.0, 1.0))), Group(30, (2.0, 1.0), ((1.0, 0.3), (0.3, 1.0))))
OWN = OwnData.of("points.csv", ("x",), [[1.0], [2.0], [4.0]])
BLOBS = Experiment(PresetData("three-blobs"), GaussianMixture(3))


class OtherKMeans(KMeans):
    """Another model with the same fields."""


def by_hand(mean):
    return ByHand((0.5, 0.5), ((mean,), (3.0,)), (((1.0,),), ((1.0,),)))


def tiny_from(mean):
    return Experiment(PresetData("tiny"), GaussianMixture(2), start="by-hand", by_hand=by_hand(mean))


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    cache = BoundedCache(16 * 2**20)
    monkeypatch.setattr(emcore.experiment, "_cache", cache)
    return cache


def in_threads(n_threads, work):
    """What `work(i)` gives in thread i of as many as set off together."""
    barrier, results = Barrier(n_threads), [None] * n_threads

    def body(i):
        barrier.wait(10)
        results[i] = work(i)

    threads = [Thread(target=body, args=(i,), daemon=True) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return results


# Identity


def test_a_digest_tells_apart_what_hash_does_not():
    one, other = tiny_from(-1.0), tiny_from(-2.0)
    assert one != other and hash(one) == hash(other)  # because hash(-1.0) == hash(-2.0)
    assert one.digest != other.digest
    assert not np.array_equal(one.history().objective, other.history().objective)


def test_every_part_of_an_experiment_is_in_its_digest():
    base = Experiment(SyntheticData(GROUPS), GaussianMixture(2))
    others = [
        replace(base, source=SyntheticData(GROUPS, 1)),
        replace(base, source=SyntheticData(GROUPS[::-1])),
        replace(base, source=PresetData("three-blobs")),
        replace(base, source=PresetData("three-blobs", 1)),
        replace(base, source=PresetData("tiny")),
        replace(base, source=OWN),
        replace(base, source=replace(OWN, name="others.csv")),
        replace(base, source=replace(OWN, columns=("y",))),
        replace(base, source=OwnData.of("points.csv", ("x",), [[1.0], [2.0], [5.0]])),
        replace(base, source=replace(OWN, columns=("x", "y"))),
        replace(base, source=replace(OWN, columns=("x,y",))),
        replace(base, source=replace(OWN, columns=("x','y",))),
        replace(base, model=GaussianMixture(3)),
        replace(base, model=GaussianMixture(2, "tied")),
        replace(base, model=KMeans(2)),
        replace(base, model=OtherKMeans(2)),
        replace(base, start="k-means"),
        replace(base, start_seed=1),
        replace(base, start="by-hand", by_hand=by_hand(1.0)),
        replace(base, start="by-hand", by_hand=by_hand(1.0 + 2**-52)),
        replace(base, max_iter=99),
        replace(base, tol=0.0),
    ]
    assert len({experiment.digest for experiment in [base, *others]}) == 1 + len(others)


def test_equal_experiments_have_equal_digests():
    same = Experiment(PresetData("three-blobs", np.int64(0)), GaussianMixture(np.int64(3)), max_iter=np.int32(100))
    assert same == BLOBS and same.digest == BLOBS.digest and hash(same) == hash(BLOBS)
    assert tiny_from(0.0) == tiny_from(-0.0) and tiny_from(0.0).digest == tiny_from(-0.0).digest
    assert replace(BLOBS, tol=0).digest == replace(BLOBS, tol=0.0).digest
    lists = ByHand([0.5, 0.5], [[1], [3]], np.ones((2, 1, 1)))
    assert replace(tiny_from(1.0), by_hand=lists).digest == tiny_from(1.0).digest
    again = OwnData.of("points.csv", ["x"], np.array([[1.0], [2.0], [4.0]]))
    assert Experiment(again, KMeans(2)).digest == Experiment(OWN, KMeans(2)).digest


def test_a_digest_is_the_same_in_another_process():
    script = (
        "from emcore.experiment import *; from emcore.models import *; "
        "print(Experiment(PresetData('three-blobs'), GaussianMixture(3)).digest)"
    )
    root = Path(__file__).parents[1]
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
    printed = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == BLOBS.digest and len(BLOBS.digest) == 32


# What must hold


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "three-blobs"}, "source must be PresetData, SyntheticData, OwnData or the like, got 'three-blobs'"),
        ({"start": "lucky"}, "start must be one of random-points, .*, got 'lucky'"),
        ({"start_seed": -1}, "start_seed must be a whole number from 0 up, got -1"),
        ({"start_seed": 1.5}, "start_seed must be a whole number"),
        ({"start_seed": True}, "start_seed must be a whole number"),
        ({"max_iter": -1}, "max_iter must be a whole number from 0 up, got -1"),
        ({"max_iter": 10.0}, "max_iter must be a whole number"),
        ({"tol": -1e-9}, "tol must be a finite number from 0 up, got -1e-09"),
        ({"tol": float("nan")}, "tol must be a finite number"),
        ({"tol": float("inf")}, "tol must be a finite number"),
        ({"tol": "small"}, "tol must be a finite number from 0 up, got 'small'"),
        ({"tol": None}, "tol must be a finite number"),
        ({"start": "by-hand"}, "needs weights, means and covariances .* got None; set them or try another start"),
        ({"start": "by-hand", "by_hand": ((1.0,),)}, "needs weights, means and covariances"),
        ({"by_hand": by_hand(1.0)}, 'by_hand must be None for the start "random-points"'),
    ],
)
def test_an_impossible_experiment_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(BLOBS, **changes)


def test_impossible_sources_are_refused():
    with pytest.raises(ValueError, match=r"must be one of three-blobs, .*, got 'no-such-data'"):
        PresetData("no-such-data")
    for source in (lambda: PresetData("tiny", -1), lambda: SyntheticData(GROUPS, 0.5)):
        with pytest.raises(ValueError, match="seed must be a whole number from 0 up"):
            source()
    with pytest.raises(ValueError, match="columns must name the 2 columns of X"):
        OwnData.of("points.csv", ("x",), [[1.0, 2.0]])
    with pytest.raises(ValueError, match="at least one group"):
        Experiment(SyntheticData(()), KMeans(1)).dataset()


def test_a_start_by_hand_that_does_not_fit_is_refused_when_it_runs():
    with pytest.raises(ValueError, match="a row for every component"):
        replace(tiny_from(1.0), model=GaussianMixture(3)).history()


# Data and runs


@pytest.mark.parametrize("name", DATASETS)
def test_a_preset_and_its_set_up_make_an_experiment(name):
    preset = DATASETS[name]
    experiment = Experiment(
        PresetData(name, 3),
        GaussianMixture(preset.n_components, preset.covariance_type),
        preset.start,
        preset.start_seed,
        preset.by_hand,
        min(preset.max_iter, 3),
        preset.tol,
    )
    np.testing.assert_array_equal(experiment.dataset().X, preset(3).X)
    assert experiment.history().X is experiment.dataset().X
    assert STARTS[experiment.start].title and experiment.history().n_iterations <= 3


def test_own_data_come_back_to_the_bit():
    X = np.random.default_rng(0).standard_normal((50, 2))
    for given in (X, X[::-1].T[::-1].T, np.asfortranarray(X)):
        source = OwnData.of("points.csv", ("x", "y"), given)
        np.testing.assert_array_equal(source.make().X, given)
        assert source.make().axes == ("x", "y") and source.make().truth is None


def test_data_and_start_have_seeds_of_their_own():
    X = BLOBS.dataset().X
    assert replace(BLOBS, model=GaussianMixture(5), start_seed=7).dataset().X is X
    reseeded = replace(BLOBS, start_seed=7).history()
    assert not np.array_equal(reseeded.parameters[0].means, BLOBS.history().parameters[0].means)


def test_the_same_experiment_is_the_same_history_and_equal_to_the_bit_after_eviction(empty_cache):
    first = BLOBS.history()
    assert replace(BLOBS).history() is first  # an equal key, not the same one
    empty_cache.max_bytes = empty_cache.n_bytes
    for seed in (1, 2):
        replace(BLOBS, source=PresetData("three-blobs", 1), start_seed=seed).history()
    again = BLOBS.history()
    assert again is not first and again.X is not first.X  # both were driven out
    np.testing.assert_array_equal(again.X, first.X)
    np.testing.assert_array_equal(again.objective, first.objective)
    assert len(again.parameters) == len(first.parameters) > 5
    for ours, theirs in zip(again.parameters, first.parameters, strict=True):
        for name in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_models_with_equal_fields_do_not_share_a_history():
    clusters = replace(BLOBS, model=KMeans(3))
    assert clusters != BLOBS and clusters.digest != BLOBS.digest
    assert isinstance(BLOBS.history().model, GaussianMixture)
    assert isinstance(clusters.history().model, KMeans)
    assert clusters.history().X is BLOBS.history().X  # but the data


# The cache


def test_what_is_asked_for_again_is_not_made_again():
    cache, made = BoundedCache(10_000), []

    def make():
        made.append(1)
        return object()

    assert cache.get("a", make) is cache.get("a", make)
    assert len(made) == 1


def test_the_least_recently_used_goes_first_and_the_weight_stays_within_bounds():
    weight = n_bytes(("a", bytes(1000)))
    cache = BoundedCache(3 * weight)
    for key in ("a", "b", "c"):
        cache.get(key, lambda: bytes(1000))
    assert cache.n_bytes == 3 * weight
    cache.get("a", pytest.fail)
    cache.get("d", lambda: bytes(1000))  # b was used least recently
    assert cache.n_bytes == 3 * weight
    for key in ("a", "c", "d"):
        cache.get(key, pytest.fail)
    assert cache.get("b", lambda: b"again") == b"again"
    assert cache.n_bytes <= cache.max_bytes


def test_what_is_too_heavy_is_returned_and_drives_out_nothing():
    cache = BoundedCache(5_000)
    cache.get("light", lambda: bytes(100))
    before = cache.n_bytes
    assert len(cache.get("heavy", lambda: bytes(10_000))) == 10_000
    assert cache.n_bytes == before
    cache.get("light", pytest.fail)
    assert cache.get("heavy", lambda: b"made again") == b"made again"


def test_keys_are_weighed_too(empty_cache):
    source = OwnData.of("points.csv", ("x", "y"), np.random.default_rng(0).standard_normal((20_000, 2)))
    empty_cache.get(source, lambda: None)
    assert 320_000 < empty_cache.n_bytes < 325_000


def test_eight_threads_with_a_new_key_make_the_value_once():
    cache, made, go_on = BoundedCache(10_000), [], Event()

    def make():
        made.append(current_thread())
        assert go_on.wait(10)
        return object()

    def work(i):
        if i == 7:  # another key is not kept waiting: it is this one that lets the others go on
            return cache.get("other", lambda: go_on.set() or "other")
        return cache.get("key", make)

    *results, other = in_threads(8, work)
    assert len(made) == 1 and other == "other"
    assert results[0] is not None and all(value is results[0] for value in results)


def test_a_class_that_opens_one_link_shares_one_run(monkeypatch):
    runs = []
    run = emcore.experiment.em.run
    monkeypatch.setattr(emcore.experiment.em, "run", lambda *given, **options: runs.append(1) or run(*given, **options))
    histories = in_threads(8, lambda i: replace(BLOBS).history())
    assert len(runs) == 1 and all(history is histories[0] for history in histories)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_passes_to_all_who_wait_and_nothing_is_kept(error):
    cache, made, asked, all_asked = BoundedCache(10_000), [], set(), Event()

    class Key:
        """All are equal, and the look-up of each is seen, so that the error can wait until everybody has asked."""

        def __hash__(self):
            asked.add(current_thread())
            if len(asked) == 4:
                all_asked.set()
            return 1

        def __eq__(self, other):
            return isinstance(other, Key)

    def make():
        made.append(1)
        assert all_asked.wait(10)
        raise error("no such thing")

    def ask(_):
        with pytest.raises(error, match="no such thing") as caught:
            cache.get(Key(), make)
        return caught.type

    assert in_threads(4, ask) == [error] * 4
    assert len(made) == 1 and cache.n_bytes == 0
    assert cache.get(Key(), lambda: "now it works") == "now it works"


def test_a_history_weighs_what_it_keeps_in_memory(empty_cache):
    BLOBS.history()  # whatever is made once and for all
    experiment = replace(BLOBS, source=PresetData("three-blobs", 9), max_iter=200, tol=0.0)
    experiment.dataset()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        history = experiment._run()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    weight = n_bytes(history) - n_bytes(history.X)
    assert weight == pytest.approx(kept, rel=0.25)
    assert "prepared" in vars(history)  # laid out before it was weighed
    _ = history.lower_bounds
    assert n_bytes(history) - weight - n_bytes(history.X) == pytest.approx(history.lower_bounds.nbytes, abs=500)


def test_a_view_weighs_as_much_as_what_it_keeps_alive():
    whole = np.zeros(10_000)
    assert n_bytes(whole[:1]) > whole.nbytes
    assert n_bytes((whole, whole[1:], whole)) < whole.nbytes + 1_000


def test_restarts_are_the_single_runs_of_their_seeds_and_are_kept():
    experiment = Experiment(PresetData("three-peaks"), GaussianMixture(2), start_seed=7)
    runs = experiment.restarts(3, 4)
    assert experiment.restarts(3, 4) is runs
    assert replace(experiment, start_seed=1).restarts(3, 4) is runs
    for seed, objective, n_iterations, stopped in zip(
        range(3, 7), runs.objective, runs.n_iterations, runs.stopped, strict=True
    ):
        end = replace(experiment, start_seed=seed).end()
        assert end.objective[0] == pytest.approx(objective, rel=1e-12)
        assert (end.n_iterations[0], end.stopped) == (n_iterations, (stopped,))


def test_where_nothing_is_random_one_restart_is_all():
    assert len(Experiment(PresetData("three-peaks"), GaussianMixture(2), start="farthest-points").restarts(0, 50)) == 1
    with pytest.raises(ValueError, match="GaussianMixture"):
        Experiment(PresetData("three-peaks"), KMeans(2)).restarts(0, 2)


def test_the_end_of_a_collapse_says_why():
    experiment = Experiment(PresetData("duplicates"), GaussianMixture(3), start_seed=5)
    assert experiment.history().stopped == "degenerate"
    assert experiment.end().reasons == (experiment.history().reason,)


def test_what_is_kept_is_made_once_per_kind():
    key = ("surface", PresetData("tiny"))
    assert kept(key, lambda: 1.5) == 1.5
    assert kept(key, lambda: pytest.fail("made twice")) == 1.5
    assert kept(("basins", PresetData("tiny")), lambda: 2.5) == 2.5


def test_a_model_s_own_start_and_one_at_coordinates():
    source = PresetData("waiting-times")
    own = Experiment(source, GaussianMixture(2), start="own", start_seed=3)
    first = own.history().parameters[0]
    X = own.dataset().X
    assert np.array_equal(
        first.to_vector(), GaussianMixture(2).initialize(X, np.random.default_rng([3, 1])).to_vector()
    )
    later = own.history().parameters[4]
    again = Experiment(source, GaussianMixture(2), start="by-hand", by_hand=At.of(later))
    np.testing.assert_allclose(again.history().objective[0], own.history().objective[4], rtol=1e-12)
    assert hash(again) == hash(Experiment(source, GaussianMixture(2), start="by-hand", by_hand=At.of(later)))
    assert again.digest != own.digest
    with pytest.raises(ValueError, match="vector must have shape"):
        _ = Experiment(source, GaussianMixture(2), start="by-hand", by_hand=At((1.0, 2.0))).history()
