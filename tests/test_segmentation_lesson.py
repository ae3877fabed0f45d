"""Image segmentation: pictures as data, the file that is brought, what is painted, and the lesson under AppTest."""

from __future__ import annotations

import struct
import zlib
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emcore.em import History
from emcore.experiment import Experiment
from emcore.figures import style
from emcore.figures.segmentation import colours_figure, original_figure, segmented_figure
from emcore.models import GaussianMixture
from emcore.segments import PAINTS, agreement, grid, mean_colours, painted, segments, shuffled, still
from emcore.sources import pictures
from emcore.sources.pictures import EXAMPLES, ExamplePicture, OwnPicture, as_data, read_ppm
from pages.parts import picture_file, segmentation
from pages.parts import settings as choices
from tests import apptest
from tests.apptest import link, press, run, words

lesson = partial(apptest.lesson, "segmentation.py")
PALETTE = style.palette(4)


@cache
def experiment(channels: str = "rgb") -> Experiment:
    return Experiment(ExamplePicture("drawn", channels), GaussianMixture(4), "k-means-plus-plus", 1, max_iter=6)


def history(channels: str = "rgb") -> History:
    return experiment(channels).history()


# ---- Pictures as data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_spreading_takes_nothing_from_the_colours(name):
    picture = ExamplePicture(name).make()
    assert picture.X.shape == (picture.pixels.size // 3, 3)
    np.testing.assert_array_equal(np.rint(picture.X).reshape(picture.pixels.shape), picture.pixels)
    assert len(np.unique(picture.X, axis=0)) == len(picture.X)
    rounded = ExamplePicture(name, spread=False).make()
    np.testing.assert_array_equal(rounded.X.reshape(picture.pixels.shape), picture.pixels)


@pytest.mark.parametrize(("name", "author"), [("flower", "vultilion"), ("china", "danielbuechele")])
def test_a_photograph_carries_its_author_and_licence(name, author):
    content = Path(pictures.__file__).with_name(f"{name}.ppm").read_bytes()
    for said in (content[:200].decode("ascii"), EXAMPLES[name].caption):
        assert author in said and "CC BY 2.0" in said and "scaled down" in content[:300].decode("latin-1")
    assert max(read_ppm(content).shape) == 240


@pytest.mark.parametrize(
    "content", [b"", b"P5\n1 1\n255\n\0\0\0", b"P6\n2 1\n255\n\0\0\0", b"P6\n#\n", b"P6\n1 1\n65535\n\0\0\0"], ids=repr
)
def test_what_is_no_pixmap(content):
    with pytest.raises(ValueError, match="portable pixmap"):
        read_ppm(content)


def test_intensity_is_what_the_eye_sees_as_bright():
    pixels = np.array([[[255, 255, 255], [255, 0, 0]], [[0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    X = as_data(pixels, "intensity", False, "").X
    np.testing.assert_array_equal(X[:, 0], [255, 76, 150, 29])  # as Pillow's "L" of the same colours
    np.testing.assert_array_equal(X[:, 0], np.asarray(Image.fromarray(pixels).convert("L")).ravel())


@pytest.mark.parametrize(
    "make",
    [
        lambda: ExamplePicture("lena"),
        lambda: ExamplePicture("drawn", "cmyk"),
        lambda: ExamplePicture("drawn", seed=-1),
        lambda: OwnPicture("a", 5, bytes(3 * 23)),
        lambda: OwnPicture("a", 600, bytes(3 * 600 * 10)),
        lambda: OwnPicture("a", 10, bytes(3 * 10 * 2)),
    ],
    ids=["name", "channels", "seed", "not full rows", "too wide", "too low"],
)
def test_what_is_no_picture(make):
    with pytest.raises(ValueError, match="must"):
        make()


# ---- What is painted --------------------------------------------------------------------------------------


def test_paints_by_hand():
    shares = np.array([[0.7, 0.3], [0.2, 0.8]])
    means = np.array([[10.0, 20.0, 30.0], [110.0, 220.0, 300.0]])
    palette = PALETTE[:2]
    assert painted(shares, means, "mean", palette).tolist() == [[10, 20, 30], [110, 220, 255]]
    assert painted(shares, means, "mixed", palette).tolist() == [[40, 80, 111], [90, 180, 246]]
    assert painted(np.eye(2), means, "palette", palette).tolist() == palette.tolist()
    assert mean_colours(np.array([[99.6]])).tolist() == [[100, 100, 100]]
    with pytest.raises(ValueError, match="paint must be one of"):
        painted(shares, means, "oil", palette)


@pytest.mark.parametrize("paint", PAINTS)
def test_the_small_pictures_are_those_of_the_whole_one(paint):
    """Drawn pixel by pixel from a run with 13,824 pixels: all are shown, and each iteration is as `still` has it."""
    data = experiment().dataset()
    drawn = segments(history(), data, paint, PALETTE)
    for t in (0, 3, 6):
        whole = still(history(), 2 * t + 1, data, paint, PALETTE)
        np.testing.assert_array_equal(drawn.painted[t], whole.picture)
    np.testing.assert_array_equal(drawn.original, data.pixels)
    assert whole.shares.sum() == pytest.approx(1)


@pytest.mark.parametrize(("shape", "most"), [((512, 512), 24_000), ((4, 512), 100), ((4, 4), 1), ((30, 20), 10_000)])
def test_the_grid_is_even_and_small_enough(shape, most):
    rows, columns = grid(*shape, most)
    assert len(rows) * len(columns) <= most
    for places, size in ((rows, shape[0]), (columns, shape[1])):
        assert places[0] >= 0 and places[-1] < size and len(set(places.tolist())) == len(places)
        assert np.ptp(np.diff(places)) <= 1 if len(places) > 1 else True


def test_agreement_does_not_depend_on_names():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert agreement(np.array([3, 3, 0, 0, 1, 1]), labels) == 1
    assert agreement(np.array([0, 0, 0, 0, 0, 0]), labels) == pytest.approx(1 / 3)
    assert np.isnan(agreement(labels, None))


def test_the_drawn_picture_can_be_found_and_missed():
    def right(seed: int) -> tuple[float, float]:
        run_ = Experiment(ExamplePicture("drawn"), GaussianMixture(4), "k-means-plus-plus", seed, max_iter=200)
        end = run_.history()
        return still(end, end.n_positions - 1, run_.dataset(), "mean", PALETTE).right, float(end.objective[-1])

    (found, high), (missed, low) = right(1), right(0)
    assert found > 0.9 and missed < 0.75 and high > low + 500


def test_the_order_of_the_pixels_does_not_matter():
    assert shuffled(history()) == pytest.approx(float(history().objective[-1]), rel=1e-12)


# ---- Figures as data --------------------------------------------------------------------------------------


def test_figures_draw_the_run():
    data = experiment().dataset()
    drawn = segments(history(), data, "mean", PALETTE)
    segmented, original = segmented_figure(history(), drawn), original_figure(history(), drawn)
    assert (np.asarray(segmented.at(0).data[0].z) == style.rgb(style.NEUTRAL)).all()
    for position in (1, 2, 7, 13):
        np.testing.assert_array_equal(segmented.at(position).data[0].z, drawn.painted[(position - 1) // 2])
        np.testing.assert_array_equal(original.at(position).data[0].z, data.pixels)
    scatter = colours_figure(history(), drawn, data.axes, (0, 2))
    theta = history().parameters[3]
    at = scatter.at(7)
    np.testing.assert_allclose(at.data[-1].x, theta.means[:, 0])
    np.testing.assert_allclose(at.data[-1].y, theta.means[:, 2])
    ring = np.stack([at.data[1].x, at.data[1].y], axis=1) - theta.means[0, [0, 2]]
    inverse = np.linalg.inv(theta.covariances[0][np.ix_([0, 2], [0, 2])])
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", ring, inverse, ring), 1)


def test_intensities_are_a_histogram():
    data = experiment("intensity").dataset()
    drawn = segments(history("intensity"), data, "mean", PALETTE)
    figure = colours_figure(history("intensity"), drawn, data.axes)
    assert figure.figure.layout.xaxis.title.text == "Intensity" and figure.figure.data[0].type == "bar"
    assert (drawn.painted[..., 0] == drawn.painted[..., 2]).all()


# ---- The file that is brought -----------------------------------------------------------------------------


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def two_tone(mode: str = "RGB", size: tuple[int, int] = (20, 10)) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, (200, 0, 0))
    image.paste((0, 0, 200), (size[0] // 2, 0, *size))
    return image.convert(mode)


def clear_right() -> Image.Image:
    image = two_tone("RGBA")
    image.paste((0, 0, 0, 0), (10, 0, 20, 10))
    return image


def deep() -> Image.Image:
    return Image.fromarray(np.tile(np.array([0, 65535], dtype=np.uint16).repeat(10), (10, 1)))


@pytest.mark.parametrize(
    ("content", "left", "right", "note"),
    [
        (saved(two_tone()), (200, 0, 0), (0, 0, 200), ""),
        (saved(two_tone("P")), (200, 0, 0), (0, 0, 200), ""),
        (saved(two_tone("L")), (60, 60, 60), (23, 23, 23), ""),
        (saved(two_tone("L").point(lambda v: 255 * (v > 40)).convert("1")), (255, 255, 255), (0, 0, 0), ""),
        (saved(clear_right()), (200, 0, 0), (255, 255, 255), "transparent"),
        (saved(deep()), (0, 0, 0), (255, 255, 255), "16 bits"),
        (saved(two_tone(), save_all=True, append_images=[two_tone("L")]), (200, 0, 0), (0, 0, 200), "2 pictures"),
        (saved(two_tone(), "JPEG", quality=100), (200, 0, 0), (0, 0, 200), ""),
        (saved(two_tone("CMYK"), "JPEG", quality=100), (200, 0, 0), (0, 0, 200), "print"),
        (saved(two_tone(size=(3000, 1500)), "JPEG"), (200, 0, 0), (0, 0, 200), "3,000 × 1,500 to 512 × 256"),
    ],
    ids=["rgb", "palette", "grey", "1 bit", "transparent", "16 bit", "animated", "jpeg", "cmyk", "large"],
)
def test_pictures_that_are_read(content, left, right, note):
    read = picture_file.read_picture(content)
    assert np.abs(read.pixels[2, 1].astype(int) - left).max() <= 4
    assert np.abs(read.pixels[2, -2].astype(int) - right).max() <= 4
    assert note in " ".join(read.notes) and bool(read.notes) == bool(note)


def test_a_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    read = picture_file.read_picture(saved(two_tone(), "JPEG", exif=exif, quality=100))
    assert read.pixels.shape == (20, 10, 3)


def claimed(n_columns: int, n_rows: int) -> bytes:
    """A PNG of a hundred bytes that says how large it would be."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", n_columns, n_rows, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (b"name,value\n1,2\n", "something else"),
        (saved(two_tone(), "GIF"), "got a GIF"),
        (saved(two_tone(), "WEBP"), "a WebP"),
        (b"<svg xmlns='x'/>", "an SVG"),
        (saved(two_tone())[:60], "broken or cut short"),
        (saved(two_tone(size=(200, 200)), "JPEG")[:500], "broken or cut short"),
        (b"\xff\xd8\xff" + bytes(300), "broken or cut short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "broken or cut short"),
        (claimed(30, 30), "broken or cut short"),
        (claimed(60_000, 60_000), "25 million pixels"),
        (claimed(12_000, 9_000), "25 million pixels"),
        (claimed(6_000, 6_000), "6,000 × 6,000"),
        (saved(Image.new("RGB", (1, 1))), "at least 4 pixels a side"),
        (saved(two_tone(size=(4000, 6))), "got 512 × 1"),
        (saved(Image.new("RGB", (50, 50), "teal")), "a single colour"),
        (bytes(5 * 2**20 + 1), "at most 5 MB, got 5.0 MB"),
    ],
    ids=[
        "empty", "text", "gif", "webp", "svg", "cut png", "cut jpeg", "bad jpeg", "bad png", "false png", "bomb",
        "large", "larger than it may be", "one pixel", "a line", "one colour", "heavy",
    ],
)  # fmt: skip
def test_pictures_that_are_refused_in_words(content, said):
    with pytest.raises(ValueError) as refused:
        picture_file.read_picture(content)
    assert said in str(refused.value)


# ---- The lesson -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture", segmentation.TITLES)
def test_every_picture_opens_from_its_link(picture):
    app = lesson(picture=picture, max_iter="5")
    assert not app.warning and not app.error
    assert "How it ended" in words(app)
    assert link(app) == {"max-iter": "5"} | ({} if picture == "flower" else {"picture": picture})
    assert bool(app.info) == (picture == "own")


def test_a_brought_picture_stays_and_a_broken_one_leaves_it():
    app = lesson(picture="own", max_iter="3")
    run(app.file_uploader[0].set_value(("mine [x](y).png", saved(two_tone(size=(40, 30))), "image/png")))
    assert not app.info and "All 1,200 pixels" in _captions(app)
    run(app.file_uploader[0].set_value(("broken.png", saved(two_tone())[:60], "image/png")))
    assert "broken or cut short" in app.error[0].value and "All 1,200 pixels" in _captions(app)


def _captions(app) -> str:
    return "".join(str(image.proto) for image in app.get("image"))


def test_the_question_about_the_lake_is_answered_by_the_run():
    app = lesson(picture="drawn", start_seed="0")
    run(app.radio[0].set_value(2))
    said = words(press(app, "Predict"))
    assert "**Less than 75%** (you predicted" in said
    assert "in the component of the part they were drawn as" in words(lesson(picture="drawn", position="5"))


def test_broken_parts_of_a_link_are_named_and_the_page_stays_usable():
    app = lesson(picture="lena", segments="11", channels="cmyk", paint="oil", plane="x", spread="2", max_iter="2")
    said = app.warning[0].value
    assert all(name in said for name in ("picture", "segments", "channels", "paint", "plane", "spread"))
    assert "How it ended" in words(app)


def test_the_offer_reads_back_what_it_writes():
    given = {"picture": "china", "channels": "intensity", "segments": "2", "covariance": "tied", "spread": "0"}
    values = choices.read_link(given, segmentation.OFFER).values
    assert choices.write_link(values, segmentation.OFFER) == given


def test_a_link_cannot_ask_for_hours():
    """512 x 512 pixels, ten components, a thousand iterations: the most that the settings allow."""
    own = OwnPicture("large", 512, bytes(range(256)) * 3 * 1024)
    values = choices.read_link({"picture": "own", "segments": "10", "max-iter": "1000"}, segmentation.OFFER).values
    assert segmentation.experiment_of(values, own).max_iter == 41
    for segments_, said in (("2", False), ("10", True)):
        app = lesson(picture="drawn", segments=segments_, max_iter="1000", tol="0.01")
        assert any("a run has at most 795 iterations" in each.value for each in app.caption) == said
    assert segmentation.experiment_of({**values, "picture": "flower"}, None).max_iter == 286


def test_a_picture_of_two_colours_collapses_in_words_where_rounding_is_left():
    pixels = np.asarray(two_tone(size=(40, 30)))
    own = OwnPicture("two", 40, pixels.tobytes(), spread=False)
    values = {**choices.read_link({"picture": "own", "segments": "2", "spread": "0"}, segmentation.OFFER).values}
    run_ = segmentation.experiment_of(values, own)
    assert run_.history().stopped == "degenerate" and run_.history().advice
    assert segmentation.experiment_of({**values, "spread": True}, own).history().stopped == "converged"


def test_with_a_prior_few_colours_do_not_collapse():
    app = lesson(prior="1")
    model = app.session_state["session"].rested[0].model
    assert model.objective_name == "Log-likelihood + log prior" and link(app) == {"prior": "1"}
    colours = np.array([[10, 30, 20], [200, 90, 60], [90, 180, 250], [250, 240, 20]], dtype=np.uint8)
    own = OwnPicture("four", 40, colours[np.arange(1200) % 4].tobytes(), spread=False)
    values = choices.read_link({"picture": "own", "segments": "4", "spread": "0"}, segmentation.OFFER).values
    assert segmentation.experiment_of(values, own).history().stopped == "degenerate"
    assert segmentation.experiment_of({**values, "prior": True}, own).history().stopped == "converged"
    line = OwnPicture("line", 4, bytes([0, 0, 0, 9, 9, 9, 4, 4, 4, 7, 7, 7] * 4), spread=False)
    assert segmentation.experiment_of({**values, "prior": True}, line).model.prior is None
