"""The lesson on hidden Markov models: its sequences, what it says of a run, its pictures as data, and the page."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from emcore import chains
from emcore.experiment import Experiment
from emcore.figures.hidden_markov import emissions_figure, graph_figure, timeline_figure
from emcore.models import CategoricalHiddenMarkov, CategoricalHiddenMarkovParameters
from emcore.report import captions
from emcore.sources.sequences import EXAMPLES, MAX_STEPS, SimulatedSequences, TypedSequences
from emcore.starts import OWN, At

APP = str(Path(__file__).parents[1] / "app.py")


def experiment(source, n_components=2, **options) -> Experiment:
    return Experiment(source, source.make().model(n_components), OWN, **options)


def of_example(name: str, n_components: int = 2):
    """The history of an example as the lesson opens it, and its sequences."""
    example = EXAMPLES[name]
    source = SimulatedSequences(name, example.data_seed)
    run = experiment(source, n_components, start_seed=example.start_seed, max_iter=example.max_iter)
    return run.history(), source.make()


# ---- Sequences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_drawn_from_its_truth(name):
    """Of many draws, the shares are those of the stated parameters."""
    example = EXAMPLES[name]
    k = example.truth.n_components
    drawn = [SimulatedSequences(name, seed).make() for seed in range(80)]
    assert np.array_equal(drawn[3].X, SimulatedSequences(name, 3).make().X)
    assert not np.array_equal(drawn[3].X, drawn[4].X)
    states = np.array([one.states for one in drawn])
    first = np.cumsum((0, *example.lengths[:-1]))
    np.testing.assert_allclose(
        [(states[:, first] == j).mean() for j in range(k)], example.truth.initial, atol=0.15, err_msg="initial"
    )
    follows = np.setdiff1d(np.arange(1, states.shape[1]), first)
    before, after = states[:, follows - 1], states[:, follows]
    for i, j in product(range(k), repeat=2):
        share = (after[before == i] == j).mean()
        assert share == pytest.approx(example.truth.transitions[i, j], abs=0.02)
    X = np.array([one.X[:, 0] for one in drawn])
    for j in range(k):
        shown = X[states == j]
        if example.symbols:
            shares = np.bincount(shown.astype(int), minlength=len(example.symbols)) / len(shown)
            np.testing.assert_allclose(shares, example.truth.probabilities[j], atol=0.03)
        else:
            assert shown.mean() == pytest.approx(example.truth.means[j, 0], abs=0.1)
            assert shown.std() == pytest.approx(example.truth.sds[j, 0], rel=0.05)


@pytest.mark.parametrize(
    ("text", "kind", "values", "symbols", "lengths"),
    [
        pytest.param("1 1 3 2", "symbols", [0, 0, 2, 1], ("1", "2", "3"), (), id="spaces"),
        pytest.param("10,9,10", "symbols", [1, 0, 1], ("9", "10"), (), id="by size"),
        pytest.param("HHTH\nTT", "symbols", [0, 0, 1, 0, 1, 1], ("H", "T"), (4, 2), id="letters, two lines"),
        pytest.param("sun rain sun;  rain,rain", "symbols", [1, 0, 1, 0, 0], ("rain", "sun"), (3, 2), id="words"),
        pytest.param("1.5 -2e1\n\n , 3", "numbers", [1.5, -20, 3], (), (2, 1), id="numbers"),
    ],
)
def test_what_is_typed_is_read(text, kind, values, symbols, lengths):
    read = TypedSequences(text, kind).make()
    assert read.X[:, 0].tolist() == values
    assert (read.symbols, read.lengths) == (symbols, lengths)
    assert len(read.model(2).prepare(read.X)) == len(values)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        pytest.param("", "symbols", "at least 2 steps", id="nothing"),
        pytest.param("1;2;3", "symbols", "at least 2 steps", id="single steps"),
        pytest.param("1 1 1", "symbols", "at least 2 different", id="one symbol"),
        pytest.param("a b c d e f g h i", "symbols", "at most 8 different", id="many symbols"),
        pytest.param("extraordinary a", "symbols", "at most 8 printable", id="long symbol"),
        pytest.param("1 x 3", "numbers", "must be like 3, 1.5 or -2e3", id="no number"),
        pytest.param("1 nan 3", "numbers", "from -1e9 to 1e9", id="NaN"),
        pytest.param("1 1e99 3", "numbers", "from -1e9 to 1e9", id="huge"),
        pytest.param("4 4 4", "numbers", "not all be the same", id="all the same"),
        pytest.param("1 2 " * MAX_STEPS, "symbols", f"at most {MAX_STEPS} steps in all, got 1,000", id="long"),
        pytest.param("1 2", "words", "symbols or numbers", id="kind"),
    ],
)
def test_what_cannot_be_fitted_is_refused(text, kind, message):
    with pytest.raises(ValueError, match=message):
        TypedSequences(text, kind)


# ---- What is said -----------------------------------------------------------------------------------------


def test_states_are_matched_by_where_they_are():
    history, sequences = of_example("diary")
    names = chains.names_of_states(history, sequences)
    assert set(names) == {"State 1 (cold)", "State 2 (hot)"}
    swapped = history.parameters[-1]
    turned = type(swapped)(swapped.initial[::-1], swapped.transitions[::-1, ::-1], swapped.probabilities[::-1])
    other = Experiment(
        SimulatedSequences("diary", 1), CategoricalHiddenMarkov(2, 3), "by-hand", by_hand=At.of(turned), max_iter=1
    ).history()
    assert chains.names_of_states(other, sequences)[::-1] == tuple(
        name.replace("1", "x").replace("2", "1").replace("x", "2") for name in names
    )
    assert chains.names_of_states(history, sequences, truth=False) == ("State 1", "State 2")


def test_more_states_than_there_were_stand_for_nothing():
    history, sequences = of_example("diary", 3)
    partner = chains.matched(history, sequences)
    assert sorted(partner) == [-1, 0, 1]
    rows = chains.entries(history, sequences, 5)
    unmatched = int(np.flatnonzero(partner == -1)[0])
    assert all(entry.truth is None for entry in rows[unmatched])
    cold = rows[int(np.flatnonzero(partner == 0)[0])]
    assert cold[1 + int(np.flatnonzero(partner == 1)[0])].truth == pytest.approx(0.1)
    assert cold[1 + unmatched].truth is None


@pytest.mark.parametrize("name", ["diary", "channel"])
def test_a_step_is_worked_with_its_own_numbers(name):
    """Each column follows from those before it, and the last is the posterior."""
    history, sequences = of_example(name)
    assert chains.read_step(history, 0, 3) is None
    n = history.n_samples
    for position in (1, 4, history.n_positions - 1):
        posterior = history.snapshot(position).posterior
        for row in (0, 1, 40, n - 1, *np.cumsum(sequences.lengths)[:-1]):
            read = chains.read_step(history, position, int(row))
            filtered = read.predicted * read.densities
            np.testing.assert_allclose(read.filtered, filtered / filtered.sum(), atol=1e-12)
            smoothed = read.filtered * read.backward
            np.testing.assert_allclose(read.smoothed, smoothed / smoothed.sum(), atol=1e-12)
            np.testing.assert_array_equal(read.smoothed, posterior.responsibilities[row])
            assert read.begins == (row in {0, *np.cumsum(sequences.lengths)[:-1]})
            assert read.ends == (row == n - 1)
    position = history.n_positions - 1
    divisors = [chains.read_step(history, position, row).predictive for row in range(n)]
    assert np.log(divisors).sum() == pytest.approx(history.objective[-1], rel=1e-12)
    with pytest.raises(ValueError, match="row must be from 0"):
        chains.read_step(history, 1, n)


@pytest.mark.parametrize("name", ["diary", "channel"])
def test_counts_make_the_next_parameters(name):
    history, sequences = of_example(name)
    assert all(
        entry.count is None and entry.next is None for row in chains.entries(history, sequences, 0) for entry in row
    )
    for position in (1, 2, 9, history.n_positions - 1):
        counts = chains.expected_counts(history, position)
        for row in chains.entries(history, sequences, position):
            assert row[0].next == pytest.approx(row[0].count / counts.initial.sum())
            for entry in row[1:3]:
                assert entry.next == pytest.approx(entry.count / sum(other.count for other in row[1:3]))
            if name == "diary":
                assert row[-1].next == pytest.approx(row[-1].count / sum(other.count for other in row[3:]))
        if position < history.n_positions - 1:
            after = history.parameters[(position + 1) // 2]
            assert chains.entries(history, sequences, position)[1][2].next == after.transitions[1, 1]


def test_paths_are_weighed():
    """On a short sequence: the share of each path is its part of the sum over all."""
    source = TypedSequences("1 1 2 3 3 1 3", "symbols")
    history = experiment(source, max_iter=2, start_seed=3).history()
    sequences = source.make()
    found = chains.compare_paths(history, sequences, 3)
    theta = history.parameters[1]
    y = sequences.X[:, 0].astype(int)

    def joint(path):
        steps = pairwise(path)
        return (
            theta.initial[path[0]]
            * np.prod([theta.transitions[step] for step in steps])
            * np.prod(theta.probabilities[list(path), y])
        )

    total = sum(joint(path) for path in product((0, 1), repeat=7))
    assert np.exp(found.log_share) == pytest.approx(max(joint(path) for path in product((0, 1), repeat=7)) / total)
    assert np.exp(found.log_share_of_likeliest) == pytest.approx(joint(tuple(found.likeliest.tolist())) / total)
    assert found.right is None
    assert chains.compare_paths(history, sequences, 0) is None


def test_where_path_and_posterior_differ_is_said():
    history, sequences = of_example("casino")
    found = chains.compare_paths(history, sequences, history.n_positions - 1)
    text = chains.about_paths(found, sequences)
    assert f"at {len(found.differs)} rolls: {found.differs[0] + 1}," in text
    assert "Right by the truth: 87 %" in text
    assert found.log_share > found.log_share_of_likeliest


def test_likeliest_states_that_cannot_follow_each_other():
    model = CategoricalHiddenMarkov(3, 2)
    begin = CategoricalHiddenMarkovParameters(
        [0.4, 0.3, 0.3],
        [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.6, 0.0, 0.4]],
        [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]],
    )
    for text in ("1 2 2 1", "1 2 1 2", "2 1 1 2 1", "1 1 2 2 2 1 1", "2 2 1 2 1 1 2 2"):
        source = TypedSequences(text, "symbols")
        history = Experiment(source, model, "by-hand", by_hand=At.of(begin), max_iter=0).history()
        found = chains.compare_paths(history, source.make(), 1)
        moves = begin.transitions[found.likeliest[:-1], found.likeliest[1:]]
        assert (found.log_share_of_likeliest == -np.inf) == bool((moves == 0).any())
        assert ("cannot follow each other" in chains.about_paths(found, source.make())) == bool((moves == 0).any())


def test_the_table_has_every_step():
    history, sequences = of_example("channel")
    assert list(chains.step_table(history, sequences, 0)) == ["sample", "sequence", "Current (pA)", "truth"]
    columns = chains.step_table(history, sequences, 5)
    assert all(len(values) == history.n_samples for values in columns.values())
    assert columns["sequence"].count(2) == 70 and columns["truth"][0] in ("open", "closed")
    shares = np.array([columns["p(state 1)"], columns["p(state 2)"]])
    assert np.array_equal(shares.argmax(axis=0) + 1, columns["likeliest state"])
    assert columns["Viterbi path"] == (chains.compare_paths(history, sequences, 5).path.states + 1).tolist()


def test_captions_speak_of_the_run():
    history, sequences = of_example("diary")
    said = captions(history, chains.words(sequences))
    counts = history.posterior(0).counts
    assert f"states 1 and 2 take {counts[0]:.1f} and {counts[1]:.1f} of 62 days" in said.half_steps[1]
    assert "most changed: p(2 | state 1) +0.266 to 0.484" in said.half_steps[2]
    alone = experiment(TypedSequences("1 2 4 3", "numbers"), 1, max_iter=3)
    said = captions(alone.history(), chains.words(alone.dataset()))
    assert "state 1 takes 4.0 of 4 steps" in said.half_steps[1]
    assert "nothing changed" in said.half_steps[4]


def test_states_that_begin_alike_stay_alike():
    for name in ("diary", "returns"):
        sequences = SimulatedSequences(name).make()
        model = sequences.model(3)
        begin = chains.beginning("alike", model, sequences)
        history = Experiment(SimulatedSequences(name), model, "by-hand", by_hand=At.of(begin)).history()
        assert np.ptp(history.objective) < 1e-9 * abs(history.objective[0])
    with pytest.raises(ValueError, match="a truth of 3 states"):
        chains.beginning("truth", model, sequences)


def test_a_lonely_observation_is_outvoted():
    history, _ = of_example("diary")
    found = chains.loneliest(history)
    assert found.smoothed < 0.5 < found.alone
    three = chains.loneliest(experiment(SimulatedSequences("channel"), 4).history())
    assert three is None or three.smoothed < 0.5 < three.alone
    read = chains.read_step(history, history.n_positions - 1, found.row)
    assert found.smoothed == read.smoothed[found.state] and found.filtered == read.filtered[found.state]
    assert chains.loneliest(experiment(TypedSequences("1 2 4 3", "numbers"), 1).history()) is None


@pytest.mark.parametrize(
    ("probability", "text"), [(0, "0.00"), (1e-9, "< 0.01"), (0.25, "0.25"), (1 - 1e-9, "> 0.99"), (1, "1.00")], ids=str
)
def test_what_is_not_quite_0_or_1_says_so(probability, text):
    assert chains.chance(probability) == text


# ---- Pictures ---------------------------------------------------------------------------------------------


def trace(figure, name):
    return next(one for one in figure.data if one.name == name)


@pytest.mark.parametrize("name", ["diary", "channel"])
def test_the_timeline_holds_the_run(name):
    history, sequences = of_example(name)
    scene = chains.chain_scene(history, sequences)
    figure = timeline_figure(scene, sequences, names=("a", "b"), row=4, truth=True)
    assert figure.n_positions == history.n_positions
    start = figure.at(0)
    assert np.isnan(np.array(trace(start, "Posterior 1").y, dtype=float)).all()
    for position in (1, 2, history.n_positions - 1):
        drawn, posterior = figure.at(position), history.snapshot(position).posterior
        band = np.array(trace(drawn, "Posterior 1").y, dtype=float)
        np.testing.assert_allclose(band, np.repeat(posterior.responsibilities[:, 0], 2), atol=1e-6)
        assert np.all(np.array(trace(drawn, "Posterior 2").y) == 1)
        found = chains.compare_paths(history, sequences, position)
        path = np.array(trace(drawn, "Viterbi path").y, dtype=float)
        assert np.array_equal(path[~np.isnan(path)], np.repeat(found.path.states + 1, 2))
        assert np.isnan(path).sum() == max(len(sequences.lengths) - 1, 0)
        marks = np.array(trace(drawn, "Likeliest, if another").y, dtype=float)
        assert np.array_equal(np.flatnonzero(~np.isnan(marks)), found.differs)
        if name == "channel":
            theta = history.snapshot(position).parameters
            assert trace(drawn, "Mean 2").y[0] == pytest.approx(theta.means[1, 0], rel=1e-6)
    assert figure.figure.data[figure.clicks[0]].name == "Observations"
    lines = [shape.x0 for shape in figure.figure.layout.shapes]
    assert lines == [border + 0.5 for border in scene.borders] + [5]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_graph_has_every_number(k):
    history, sequences = of_example("diary", k)
    scene = chains.chain_scene(history, sequences)
    graph = graph_figure(scene, names=("a",) * k)
    for position in (0, 5):
        theta = history.parameters[position // 2]
        text = list(trace(graph.at(position), "Probabilities").text)
        shown = [chains.chance(p) if p >= 0.005 else "\N{NO-BREAK SPACE}" for p in theta.transitions.ravel()]
        assert text[: k * k] == shown
        assert all(chains.chance(p) in one for p, one in zip(theta.initial, text[k * k :], strict=True))
    for i, j in product(range(k), repeat=2):
        probability = theta.transitions[i, j]
        arrow = trace(graph.at(5), f"{i + 1} to {j + 1}")
        across = np.hypot(arrow.x[0] - arrow.x[-1], arrow.y[0] - arrow.y[-1])
        assert across == pytest.approx(2 * (0.008 * min(probability / 0.02, 1) + 0.085 * probability), rel=1e-4)
    labels = np.array([trace(graph.figure, "Probabilities").x, trace(graph.figure, "Probabilities").y]).T
    apart = np.linalg.norm(labels[:, None] - labels, axis=2)[np.triu_indices(len(labels), 1)]
    assert len(apart) == 0 or apart.min() > 0.15  # no number lies on another


def test_what_each_state_shows():
    history, sequences = of_example("casino")
    scene = chains.chain_scene(history, sequences)
    bars = emissions_figure(scene, sequences, truth=True)
    last = bars.at(history.n_positions - 1)
    heights = np.array(trace(last, "State 2").y, dtype=float).reshape(6, 5)[:, 1]
    np.testing.assert_allclose(heights, history.parameters[-1].probabilities[1], atol=1e-7)
    partner = chains.matched(history, sequences)
    truth = np.array(trace(last, "Truth of state 2").y, dtype=float).reshape(6, 3)[:, 0]
    np.testing.assert_allclose(truth, sequences.truth.probabilities[partner[1]])
    history, sequences = of_example("returns")
    scene = chains.chain_scene(history, sequences)
    curves = emissions_figure(scene, sequences, truth=True).at(history.n_positions - 1)
    area = np.trapezoid(np.array(trace(curves, "State 1").y, dtype=float), scene.grid)
    assert area == pytest.approx(1, abs=0.01)


# ---- The page ---------------------------------------------------------------------------------------------


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60)
    app.run()
    app.switch_page("pages/lessons/hidden_markov.py")
    for name, value in query.items():
        app.query_params[name.replace("_", "-")] = value
    return run(app)


def run(app_or_widget) -> AppTest:
    app = app_or_widget.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def words(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


def link(app: AppTest) -> dict[str, str]:
    return {name: values[0] if isinstance(values, list) else values for name, values in app.query_params.items()}


def test_every_example_opens_with_what_suits_it():
    app = opened()
    for name in [*list(EXAMPLES)[1:], "diary"]:
        run(app.selectbox(key="sequence").set_value(name))
        assert not app.warning and not app.error
        assert f"{EXAMPLES[name].step.capitalize()} {EXAMPLES[name].look_at}:" in words(app)
        assert "How it ended: converged" in words(app)
        assert link(app) == ({} if name == "diary" else {"sequence": name})


def test_model_start_and_truth():
    app = opened(sequence="channel", states="3", begin="alike", position="1", truth="1")
    assert not app.warning
    assert "truth" in words(app)
    run(app.number_input(key="states").set_value(2))
    run(app.selectbox(key="begin").set_value("truth"))
    assert link(app).items() >= {"sequence": "channel", "begin": "truth", "truth": "1"}.items()
    run(app.number_input(key="states").set_value(1))  # no truth of one state
    assert app.session_state["session"].values["begin"] == "random"
    run(app.number_input(key="step to look at").set_value(100))
    assert "Sample 100:" in words(app)
    run(app.selectbox(key="sequence").set_value("diary"))
    run(app.number_input(key="step to look at").set_value(62))
    assert "Day 62:" in words(app)


def test_one_sd_for_all_states():
    app = opened(sequence="returns", tied="1", begin="truth", position="9")
    theta = app.session_state["session"].rested[0].history().parameters
    assert all(one.sds[0, 0] == one.sds[1, 0] for one in theta)
    assert not app.warning and not app.error
    run(app.selectbox(key="sequence").set_value("diary"))
    assert app.toggle(key="tied").disabled


def test_an_own_sequence_is_typed():
    app = opened(sequence="own", position="3")
    before = words(app)
    area = app.text_area[0]
    run(area.set_value("HHTHT\nTTTHH"))
    assert not app.error and words(app) != before
    assert link(app)["typed"] == "HHTHT\nTTTHH"
    shown = words(app)
    run(app.text_area[0].set_value("H"))
    assert "at least 2 steps" in app.error[0].value.replace("\\", "")
    assert app.text_area[0].value == "H" and words(app) == shown  # what was typed stays, what was legal is on show
    run(app.text_area[0].set_value("1.5 2 0.5 7 8 7.5 1 2"))
    run(app.segmented_control[0].set_value("numbers"))
    assert not app.error and link(app)["kind"] == "numbers"
    friend = opened(**link(app))
    assert friend.text_area[0].value == "1.5 2 0.5 7 8 7.5 1 2" and not friend.warning


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        pytest.param({"sequence": "own", "typed": "1"}, "at least 2 steps", id="typed"),
        pytest.param({"sequence": "own", "kind": "numbers", "typed": "a b"}, "must be like", id="kind"),
        pytest.param({"begin": "truth", "states": "3"}, "the truth is unknown", id="truth"),
        pytest.param({"states": "9", "at": "0"}, "whole number from 1 to 4", id="states"),
    ],
)
def test_a_hostile_link_is_answered(query, sentence):
    app = opened(**query)
    assert sentence in app.warning[0].value.replace("\\", "")


def test_symbols_are_text_and_nothing_else():
    app = opened(sequence="own", typed="<u>x, $y$ <u>x <img> $y$ <img> <u>x {{z}}", position="3")
    assert "<u>" not in words(app) and "<img>" not in words(app)
    assert "p(&lt;u&gt;x)" in words(app)


def test_a_collapse_is_said_and_the_page_stays():
    app = opened(sequence="own", kind="numbers", typed="0 0.1 0.05 0.12 9 0.02 0.07 0.11", states="3")
    assert "in a collapse" in words(app)
    assert not app.error and not app.warning


def test_prediction_and_answer():
    app = opened()
    assert not any("can outvote" in one.value for one in app.markdown)
    run(app.radio[0].set_value(2))
    predict = next(button for button in app.button if button.label == "Predict")
    run(predict.click())
    said = next(one.value for one in app.markdown if "can outvote" in one.value)
    assert said.startswith("**It falls below one half** (as you predicted)")
