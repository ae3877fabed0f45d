"""Files to take away: they open, they show what the app shows, and numbers come back as they were."""

import csv
import io
import itertools
import re
import threading

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from emcore.em import run
from emcore.export.pictures import _Panels, animation, picture
from emcore.export.tables import data_csv, parameters_csv
from emcore.figures import style
from emcore.figures.style import Look
from emcore.models import GaussianMixture
from emcore.models.gaussian_mixture import GaussianMixtureParameters
from emcore.scene import climb, mix
from tests.test_scene import collapsing, one_dimensional, two_dimensional

TRUTH = GaussianMixtureParameters([0.3, 0.7], [[-2.0], [3.0]], [[[0.25]], [[1.0]]])


def pixels(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def frames(file):
    image = Image.open(io.BytesIO(file))
    for number in range(image.n_frames):
        image.seek(number)
        yield np.asarray(image.convert("RGB"))


def has(image, colour):
    return (image == style.rgb(colour)).all(axis=-1).sum()


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional])
def test_panels_hold_the_numbers_of_their_position(make):
    history = make()
    panels = _Panels(history, look=Look(), truth=None, axes=("x", "y"), half_steps=True)
    for position in range(history.n_positions):
        panels.show(position)
        snapshot = history.snapshot(position)
        t, theta = snapshot.iteration, snapshot.parameters
        drawn = [marker for marker in panels.markers if len(marker.get_offsets())]
        x = np.concatenate([marker.get_offsets()[:, 0] for marker in drawn])
        colours = np.concatenate([marker.get_facecolors()[:, :3] for marker in drawn])
        grey = np.broadcast_to(style.rgb(style.NEUTRAL), (history.n_samples, 3))
        expected = grey
        if snapshot.posterior is not None:
            expected = mix(snapshot.posterior.responsibilities, style.palette(history.model.n_components))
        order = np.argsort(history.X[:, 0])
        assert (np.sort(x) == history.X[order, 0]).all()
        np.testing.assert_allclose(colours[np.argsort(x)], expected[order] / 255, atol=1e-12)
        for k, (mean, trail) in enumerate(zip(panels.mean_markers, panels.trails, strict=True)):
            assert mean.get_xdata()[0] == panels.mean_grounds[k].get_xdata()[0] == theta.means[k, 0]
            assert list(trail.get_xdata()) == [past.means[k, 0] for past in history.parameters[: t + 1]]
        shapes = [line.get_xydata() for line, _, _ in panels.lines]
        if history.X.shape[1] == 2:
            inner, outer = (np.linalg.norm(np.ptp(shape, axis=0)) for shape in shapes[:2])
            assert outer == pytest.approx(2 * inner)
            assert shapes[0][:, 0].max() - theta.means[0, 0] == pytest.approx(theta.sds[0, 0])
        else:  # the peak of the first component, drawn after the sum
            assert shapes[1][:, 1].max() == pytest.approx(theta.weights[0] * norm.pdf(0, 0, theta.sds[0, 0]))
        assert panels.climbed.get_ydata().tolist() == history.objective[: t + 1].tolist()
        assert panels.stairs.get_ydata().tolist() == history.lower_bounds[1 : position + 1].tolist()
        height = climb(history, half_steps=True).heights[position]
        assert panels.now.get_xydata().tolist() == [[t, height]]
        assert f"Iteration {t} of {history.n_iterations}" in panels.caption.get_text()


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional, collapsing])
def test_png_opens_and_holds_the_components_colours(make):
    history = make()
    image = pixels(picture(history, history.n_positions - 1))
    assert image.shape[1] > 1500
    for k in range(history.model.n_components):
        assert has(image, style.COMPONENT_COLOURS[k]) > 100
    assert has(image, style.OBJECTIVE) > 100
    assert (image[0, 0] == 255).all()


def test_contours_follow_the_run_in_every_file():
    history = two_dimensional()
    panels = _Panels(history, look=Look(), truth=None, axes=("x", "y"), contours=True, half_steps=False)
    contour, x, y = panels.lines[-1]
    low, high = panels.figure.axes[0].get_xlim()
    shown = []
    for position in (1, history.n_positions - 1):
        panels.show(position)
        shown.append(contour.get_xydata())
        t = position // 2
        assert np.array_equal(shown[-1], np.column_stack([x[t], y[t]]), equal_nan=True)
        assert low <= np.nanmin(shown[-1][:, 0]) and np.nanmax(shown[-1][:, 0]) <= high
    assert not np.array_equal(*shown, equal_nan=True)
    for plain, drawn in (
        (picture(history, 3), picture(history, 3, contours=True)),
        (animation(history), animation(history, contours=True)),
    ):
        dark = [(pixels(file).max(axis=-1) < 225).sum() for file in (plain, drawn)]
        assert dark[1] > 1.05 * dark[0]
    alone = one_dimensional()
    assert picture(alone, 3, contours=True) == picture(alone, 3), "curves have none"


def test_axes_of_the_objective_have_separators():
    panels = _Panels(two_dimensional(n_samples=2000), look=Look(), truth=None, axes=("x", "y"), half_steps=False)
    panels.figure.draw_without_rendering()
    labels = [label.get_text() for label in panels.figure.axes[1].get_yticklabels()]
    assert labels and all(re.fullmatch(r"−\d,\d{3}(\.\d+)?", label) for label in labels)


def test_the_panels_keep_their_distance():
    panels = _Panels(two_dimensional(), look=Look(projector=True), truth=None, axes=("x", "y"), half_steps=False)
    left, right = panels.figure.axes
    gap = right.get_tightbbox().x0 - left.get_window_extent().x1
    assert gap > 10, "pixels"


def test_few_points_have_no_bars():
    X = np.array([[1.0], [2.0], [3.0]])
    model = GaussianMixture(2)
    history = run(model, X, model.from_means(X, [[1.0], [3.0]]), max_iter=2)
    for make, bars in ((history, 0), (one_dimensional(), 1)):
        panels = _Panels(make, look=Look(), truth=None, axes=("x",), half_steps=False)
        assert (len(panels.figure.axes[0].patches) > 0) == bars


def test_the_bare_start_is_grey():
    history = one_dimensional()
    start, after = (pixels(picture(history, position)) for position in (0, 1))
    coloured = [(np.ptp(image, axis=-1) > 12).sum() for image in (start, after)]
    assert coloured[1] > 1.2 * coloured[0]


def test_pdf_is_one_and_the_same_run_gives_the_same_bytes():
    history = one_dimensional()
    files = [picture(history, 3, truth=TRUTH, half_steps=True, format="pdf") for _ in range(2)]
    assert files[0].startswith(b"%PDF-") and files[0].rstrip().endswith(b"%%EOF")
    assert files[0] == files[1]
    assert picture(history, 3) == picture(history, 3)


def test_options_change_the_picture():
    history = one_dimensional()
    options = [
        {},
        {"look": Look(projector=True)},
        {"truth": TRUTH},
        {"half_steps": True},
        {"axes": ("length",)},
    ]
    assert len({picture(history, 4, **option) for option in options}) == len(options)


def test_a_name_with_dollars_is_not_mathematics():
    assert pixels(picture(one_dimensional(), 1, axes=(r"price in $ or \frac{$",))).any()


def test_animation_has_a_frame_for_each_iteration_and_the_apps_colours():
    history = two_dimensional()
    shown = list(frames(animation(history)))
    assert len(shown) == history.n_iterations + 1
    for image in shown:
        assert (image[0, 0] == 255).all()
        for k in range(3):
            assert has(image, style.COMPONENT_COLOURS[k]) > 20
    assert all((one != other).any() for one, other in itertools.pairwise(shown))


def test_animation_of_half_steps_and_of_chosen_positions():
    history = one_dimensional()
    assert len(list(frames(animation(history, half_steps=True)))) == history.n_positions
    chosen = list(frames(animation(history, positions=[0, 5])))
    assert len(chosen) == 2
    whole = list(frames(animation(history)))
    different = (np.abs(chosen[1].astype(int) - whole[2]).max(axis=-1) > 60).mean()
    assert different < 0.002, "position 5 is the third of the whole iterations"


def test_a_long_run_is_thinned_with_first_and_last():
    history = two_dimensional(max_iter=300)
    seen = []
    file = animation(history, max_frames=7, progress=seen.append)
    shown = list(frames(file))
    assert len(shown) == 7
    np.testing.assert_allclose(seen, np.arange(1, 8) / 7)
    for frame, position in ((shown[0], 1), (shown[-1], history.n_positions - 1)):
        alone = next(frames(animation(history, positions=[position, position])))
        right = frame[60:, 620:].astype(int), alone[60:, 620:].astype(int)
        assert (np.abs(right[0] - right[1]).max(axis=-1) > 60).mean() < 0.002


def test_progress_can_stop_the_work():
    class Stop(Exception):
        pass

    def stop(part):
        if part > 0.4:
            raise Stop

    with pytest.raises(Stop):
        animation(two_dimensional(), progress=stop)


def test_sixty_iterations_are_a_moderate_file():
    assert len(animation(two_dimensional(max_iter=60, n_samples=2000))) < 3e6


def test_threads_do_not_disturb_each_other():
    history = one_dimensional()
    alone = picture(history, 3)
    made = [b""] * 4

    def make(number):
        made[number] = picture(history, 3)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [alone] * 4


@pytest.mark.parametrize("ask", [
    lambda history: picture(history, history.n_positions),
    lambda history: picture(history, 1, format="svg"),
    lambda history: animation(history, positions=[]),
    lambda history: animation(history, positions=[-1, 2]),
    lambda history: animation(history, max_frames=1),
])  # fmt: skip
def test_what_cannot_be_made_is_refused(ask):
    with pytest.raises(ValueError, match="must"):
        ask(one_dimensional())


@pytest.mark.parametrize("make", [one_dimensional, two_dimensional, collapsing])
def test_parameters_come_back_exactly(make):
    history = make()
    n_features = history.X.shape[1]
    table = list(csv.DictReader(io.StringIO(parameters_csv(history))))
    assert len(table) == history.n_iterations + 1
    for t, (row, theta) in enumerate(zip(table, history.parameters, strict=True)):
        assert int(row["iteration"]) == t
        assert float(row["log-likelihood"]) == history.objective[t]
        for k in range(history.model.n_components):
            assert float(row[f"weight {k + 1}"]) == theta.weights[k]
            for i, axis in enumerate("xy"[:n_features]):
                assert float(row[f"mean {k + 1} {axis}"]) == theta.means[k, i]
                assert float(row[f"variance {k + 1} {axis}"]) == theta.covariances[k, i, i]
                assert float(row[f"sd {k + 1} {axis}"]) == np.sqrt(theta.covariances[k, i, i])
            if n_features == 2:
                assert float(row[f"covariance {k + 1} x y"]) == theta.covariances[k, 0, 1]


def test_data_come_back_exactly_with_responsibilities():
    history = two_dimensional()
    r = history.posterior(2).responsibilities
    rows = list(csv.reader(io.StringIO(data_csv(history.X, ("width", "length"), responsibilities=r))))
    assert rows[0] == ["width", "length", "p(component 1)", "p(component 2)", "p(component 3)"]
    assert (np.array(rows[1:], dtype=float) == np.hstack([history.X, r])).all()
    assert data_csv([[1.5, np.nan]], ("a", "b")) == "a,b\n1.5,\n"


def test_names_from_outside_are_no_formulas():
    names = ('=HYPERLINK("x")', "@sum", "+1", "-1", "\t=2", "plain, with a comma")
    header = next(csv.reader(io.StringIO(data_csv(np.zeros((1, 6)), names))))
    assert header == ['\'=HYPERLINK("x")', "'@sum", "'+1", "'-1", "'=2", "plain, with a comma"]


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="X must have shape"):
        data_csv(np.zeros((3, 2)), ("x",))
    with pytest.raises(ValueError, match="responsibilities must have shape"):
        data_csv(np.zeros((3, 1)), ("x",), responsibilities=np.ones((2, 1)))
