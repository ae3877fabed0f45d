"""What a person has chosen, its name in the URL, and what makes a value legal. No widgets here.

A link holds what differs from the defaults, so that it stays short; the defaults of a preset are the set-up under
which its phenomenon shows. Everything in a link is hostile until it has been read here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from emcore.datasets import DATASETS, MAX_SAMPLES, Group
from emcore.experiment import Experiment, OwnData, PresetData, SyntheticData
from emcore.models import GaussianMixture, GaussianMixtureParameters
from emcore.starts import STARTS, ByHand
from emcore.variants import STEPS
from emcore.worked import SHEET_ROWS

MAX_COMPONENTS = 10
MAX_ITERATIONS = 1_000
MAX_SEED = 999_999
TOLERANCES = (0.0, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
SHAPES = {"full": "Full", "tied": "Tied", "diag": "Diagonal", "spherical": "Spherical"}
MOST_NAMED = 12  # options in a sentence
LONGEST_LIST = 4_000  # characters of a list of runs in a link
SOURCES = {"preset": "Example", "groups": "Groups", "file": "File"}

AXES_1D = ("mean", "sd")
AXES_2D = ("mean x", "mean y", "sd x", "sd y", "correlation")
# As they are said to people: the least and the most that a cell may hold, by the first word of its column.
BOUNDS = {
    "points": ("1", str(MAX_SAMPLES)),
    "weight": ("0.000001", "1e6"),
    "mean": ("-1e9", "1e9"),
    "sd": ("0.000001", "1e9"),
    "correlation": ("-0.9999", "0.9999"),
}

Rows = tuple[tuple[float, ...], ...]
Values = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """One choice: how its text in a link is read and written.

    `parse` raises ValueError where the text is not legal; the name of the setting, `joint` and the error's message
    make a sentence.
    """

    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str
    joint: str = " must be "


def one_of(options: Mapping[str, Any]) -> Setting:
    """One of these names."""

    def parse(text: str) -> str:
        if text not in options:
            names = [name for name in options if name]
            more = f" or another of {len(names)}" if len(names) > MOST_NAMED else ""
            raise ValueError(f"one of {', '.join(names[:MOST_NAMED])}{more}")
        return text

    return Setting(parse)


def whole(low: int, high: int, remark: str = "") -> Setting:
    """A whole number from `low`, 0 or more, to `high`."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 8 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high:,}{remark}")
        return int(text)

    return Setting(parse)


def one_of_numbers(*options: int) -> Setting:
    """One of these whole numbers."""

    def parse(text: str) -> int:
        if text not in map(str, options):
            raise ValueError(f"one of {', '.join(map(str, options))}")
        return int(text)

    return Setting(parse)


def flag() -> Setting:
    """Yes or no."""

    def parse(text: str) -> bool:
        if text not in ("0", "1"):
            raise ValueError("0 or 1")
        return text == "1"

    return Setting(parse, lambda on: "1" if on else "0")


def number(value: float) -> str:
    """A number as a person would type it: 0.5, 1e-6, 20001."""
    return re.sub(r"e\+?(-?)0*(\d)", r"e\1\2", f"{value:.10g}")


def decimal(low: float, high: float) -> Setting:
    """A number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # NaN neither
            raise ValueError(f"a number from {number(low)} to {number(high)}")
        return value

    return Setting(parse, number)


def _tolerance() -> Setting:
    texts = {number(tol): tol for tol in TOLERANCES}
    padded = {f"{tol:g}": tol for tol in TOLERANCES}  # 1e-06, as Python and many people write it

    def parse(text: str) -> float:
        if text not in texts | padded:
            raise ValueError(f"one of {', '.join(texts)}")
        return (texts | padded)[text]

    return Setting(parse, number)


def text(longest: int) -> Setting:
    """A printable text."""

    def parse(text: str) -> str:
        if len(text) > longest or not text.isprintable():
            raise ValueError(f"a name of at most {longest} printable characters")
        return text

    return Setting(parse)


def number_rows(check: Callable[[Rows], None]) -> Setting:
    """Rows of numbers, an empty cell NaN; `check` raises ValueError, a sentence, where they are not legal."""

    def parse(text: str) -> Rows:
        if len(text) > 5000:
            raise ValueError(f"it must be at most 5,000 characters long, got {len(text):,}")
        try:
            rows = tuple(
                tuple(float(cell) if cell.strip() else math.nan for cell in row.split(",")) for row in text.split(";")
            )
        except ValueError:
            raise ValueError("it must be rows of numbers, with commas in a row and semicolons between rows") from None
        check(rows)
        return rows

    def write(rows: Rows) -> str:
        return ";".join(",".join(repr(float(cell)).removesuffix(".0") for cell in row) for row in rows)

    return Setting(parse, write, joint=": ")


class Beginning(NamedTuple):
    """Where one run begins, as a link names it: "random-points:3", "by-hand:0.5,-2,1;0.5,2,1".

    `seed` is 0 where nothing is random; `rows` is empty but for a start by hand.
    """

    start: str
    seed: int = 0
    rows: Rows = ()


def _beginnings(most: int) -> Setting:
    """Several beginnings, one after the other with "_" between them; the first that does not fit is named."""

    def parse(text: str) -> tuple[Beginning, ...]:
        if len(text) > LONGEST_LIST:
            raise ValueError(f"it must be at most {LONGEST_LIST:,} characters long, got {len(text):,}")
        found = tuple(_read_beginning(part) for part in text.split("_"))
        if len(found) > most:
            raise ValueError(f"there must be at most {most} runs, got {len(found)}")
        return found

    def write(beginnings: tuple[Beginning, ...]) -> str:
        """As many of the last ones as a link can carry."""
        parts: list[str] = []
        for beginning in reversed(beginnings[-most:]):
            part = _write_beginning(beginning)
            if len("_".join([part, *parts])) > LONGEST_LIST:
                break
            parts.insert(0, part)
        return "_".join(parts)

    return Setting(parse, write, joint=": ")


def _read_beginning(text: str) -> Beginning:
    start, colon, rest = text.partition(":")
    if start not in STARTS or not colon:
        raise ValueError(f"each run must be a start and its seed, as in random-points:3, got {text[:40]!r}")
    if start == "by-hand":
        return Beginning(start, 0, SETTINGS["by-hand"].parse(rest))
    try:
        seed = SETTINGS["start-seed"].parse(rest)
    except ValueError as error:
        raise ValueError(f"the seed of each run must be {error}, got {rest[:40]!r}") from None
    return Beginning(start, seed if STARTS[start].random else 0)


def _write_beginning(beginning: Beginning) -> str:
    if beginning.start == "by-hand":
        return f"by-hand:{SETTINGS['by-hand'].write(beginning.rows)}"
    return f"{beginning.start}:{beginning.seed}"


def beginning(values: Values) -> Beginning:
    """Where the run of these values begins."""
    start = values["start"]
    if start == "by-hand":
        return Beginning(start, 0, values["by-hand"])
    return Beginning(start, values["start-seed"] if STARTS[start].random else 0)


def begun(beginning: Beginning) -> Values:
    """The settings that begin a run there."""
    if beginning.start == "by-hand":
        return {"start": "by-hand", "by-hand": beginning.rows}
    seed = {"start-seed": beginning.seed} if STARTS[beginning.start].random else {}
    return {"start": beginning.start, **seed}


class Cells(NamedTuple):
    """A row of numbers that sets a Gaussian: first its size, then means, sds, and in 2D the correlation."""

    size: float
    mean: tuple[float, ...]
    sds: tuple[float, ...]
    correlation: float

    @classmethod
    def of(cls, row: tuple[float, ...]) -> Cells:
        """(size, mean, sd) in 1D, (size, mean x, mean y, sd x, sd y, correlation) in 2D."""
        if len(row) == 3:
            return cls(row[0], row[1:2], row[2:3], 0.0)
        return cls(row[0], row[1:3], row[3:5], row[5])

    @property
    def covariance(self) -> tuple[tuple[float, ...], ...]:
        """The covariance matrix of these sds and this correlation."""
        if len(self.sds) == 1:
            return ((self.sds[0] ** 2,),)
        shared = self.correlation * self.sds[0] * self.sds[1]
        return ((self.sds[0] ** 2, shared), (shared, self.sds[1] ** 2))


def header(rows: Rows, first: str) -> tuple[str, ...]:
    """The names of the columns of these rows; `first` is "points" or "weight"."""
    return (first, *(AXES_1D if len(rows[0]) == 3 else AXES_2D))


def check_groups(rows: Rows) -> None:
    """ValueError, a sentence about the first illegal cell, unless the rows are groups of points to draw."""
    _check_cells(rows, "points")
    total = sum(row[0] for row in rows)
    if total > MAX_SAMPLES:
        raise ValueError(f"the points of all rows together must be at most {MAX_SAMPLES:,}, got {total:,.0f}")


def check_by_hand(rows: Rows) -> None:
    """ValueError, a sentence about the first illegal cell, unless the rows are components of a mixture.

    The weights need not have the sum 1: they are divided by their sum.
    """
    _check_cells(rows, "weight")


def _check_cells(rows: Rows, first: str) -> None:
    if not rows:
        raise ValueError("there must be at least one row")
    if len(rows) > MAX_COMPONENTS:
        raise ValueError(f"there must be at most {MAX_COMPONENTS} rows, got {len(rows)}")
    if any(len(row) != len(rows[0]) for row in rows) or len(rows[0]) not in (3, 6):
        raise ValueError(
            f"each row must have 3 numbers (1D: {first}, {', '.join(AXES_1D)}) "
            f"or each 6 (2D: {first}, {', '.join(AXES_2D)})"
        )
    for number_of_row, row in enumerate(rows, 1):
        for column, value in zip(header(rows, first), row, strict=True):
            where = f"{column} in row {number_of_row}"
            if math.isnan(value):
                raise ValueError(f"{where} is empty")
            low, high = BOUNDS[column.split()[0]]
            if not float(low) <= value <= float(high):
                raise ValueError(f"{where} must be from {low} to {high}, got {number(value)}")
            if column == "points" and value != int(value):
                raise ValueError(f"{where} must be a whole number, got {number(value)}")


def in_1d(rows: Rows) -> Rows:
    """Groups in 2D as their shadows on the x axis."""
    return tuple((row[0], row[1], row[3]) for row in rows)


def in_2d(rows: Rows, before: Rows = ()) -> Rows:
    """Groups in 1D as groups in 2D: what 1D does not show comes from the rows `before`, else the groups are round."""
    return tuple(
        (size, mean, before[k][2], sd, *before[k][4:]) if k < len(before) else (size, mean, 0.0, sd, sd, 0.0)
        for k, (size, mean, sd) in enumerate(rows)
    )


def one_more_group(rows: Rows) -> Rows | None:
    """The rows and another like the last, 4 sds to its right; None where there is no room for one."""
    size, mean, *others = rows[-1]
    sd = others[0] if len(rows[0]) == 3 else others[1]
    size = min(size, MAX_SAMPLES - sum(row[0] for row in rows))
    if len(rows) == MAX_COMPONENTS or size < 1:
        return None
    place = min(float(f"{mean + 4 * sd:.6g}"), float(BOUNDS["mean"][1]))
    return (*rows, (size, place, *others))


CHECKS: Mapping[str, Callable[[Rows], None]] = {"groups": check_groups, "by-hand": check_by_hand}
SETTINGS: Mapping[str, Setting] = {
    "data": one_of(SOURCES),
    "preset": one_of(DATASETS),
    "groups": number_rows(CHECKS["groups"]),
    "file": text(120),
    "data-seed": whole(0, MAX_SEED),
    "components": whole(1, MAX_COMPONENTS),
    "shape": one_of(SHAPES),
    "start": one_of(STARTS),
    "start-seed": whole(0, MAX_SEED),
    "by-hand": number_rows(CHECKS["by-hand"]),
    "max-iter": whole(1, MAX_ITERATIONS),
    "tol": _tolerance(),
    "truth": flag(),
    "contours": flag(),
    "projector": flag(),
}
# What every lesson has, whatever its model.
RUN_SETTINGS = {name: SETTINGS[name] for name in ("start-seed", "max-iter", "tol", "projector")}
RUN_USUAL: Values = {"start-seed": 0, "max-iter": 100, "tol": 1e-6, "projector": False}
# The player writes these two into the URL itself, as it comes to rest.
PLACE: Mapping[str, Setting] = {
    "position": whole(0, 2 * MAX_ITERATIONS + 1, ", two for each iteration"),
    "half-steps": flag(),
}
# Streamlit's own names, and those that mail, search and social sites add to links on their way.
FOREIGN = ("embed", "embed_options", "fbclid", "gbraid", "gclid", "igshid", "msclkid", "ref", "source", "wbraid")
FOREIGN_BEGINNINGS = ("utm_", "mc_")

DEFAULT_PRESET = next(iter(DATASETS))
DEFAULT_GROUPS: Rows = ((150, 0, 0, 1, 1, 0.5), (100, 4, 1, 1.5, 0.7, 0), (50, 1, 5, 0.8, 0.8, -0.3))


def is_foreign(name: str) -> bool:
    """Whether a name in a link is nobody's mistake: not a setting's, and not meant to be one."""
    return name.lower() in FOREIGN or name.lower().startswith(FOREIGN_BEGINNINGS)


def rows_of(parameters: GaussianMixtureParameters | ByHand) -> Rows:
    """The rows (weight, means, sds, correlation) that set these parameters, to 6 digits and within BOUNDS.

    Far from 0 a mean has more digits, down to a ten-thousandth of its component's sd.
    """
    if isinstance(parameters, ByHand):
        parameters = GaussianMixtureParameters(parameters.weights, parameters.means, parameters.covariances)
    columns = parameters.columns()

    def cell(name: str, k: int) -> float:
        value = columns[name][k]
        digits = _digits(value, columns["sd" + name[4:]][k]) if name.startswith("mean") else 6
        return _within(name, float(f"{value:.{digits}g}"))

    return tuple(tuple(cell(name, k) for name in columns) for k in range(parameters.n_components))


def _digits(value: float, sd: float) -> int:
    """Significant digits that show a mean to a ten-thousandth of its component's sd, at least 6."""
    ratio = abs(value) / sd
    return 6 if ratio < 100 else min(4 + math.ceil(math.log10(ratio)), 16)


def _within(column: str, value: float) -> float:
    """The value, or the nearest one that a table may hold."""
    low, high = BOUNDS[column.split()[0]]
    return min(max(value, float(low)), float(high))


def moved(start: GaussianMixtureParameters, component: int, to: tuple[float, ...]) -> Rows:
    """The rows of a start in which one mean (counted from 0) was moved, to 4 digits of the component's sd."""
    rows = list(rows_of(start))
    sds = start.sds[component]
    place = tuple(
        _within("mean", round(value, max(0, 3 - math.floor(math.log10(sd))))) for value, sd in zip(to, sds, strict=True)
    )
    rows[component] = (rows[component][0], *place, *rows[component][1 + len(to) :])
    return tuple(rows)


def by_hand(rows: Rows) -> ByHand:
    """The start that the rows set, its weights divided by their sum."""
    cells = [Cells.of(row) for row in rows]
    total = sum(cell.size for cell in cells)
    return ByHand(
        tuple(cell.size / total for cell in cells),
        tuple(cell.mean for cell in cells),
        tuple(cell.covariance for cell in cells),
    )


def groups(rows: Rows) -> tuple[Group, ...]:
    """The groups that the rows set."""
    return tuple(Group(int(cell.size), cell.mean, cell.covariance) for cell in (Cells.of(row) for row in rows))


def setup(preset: str) -> Values:
    """The settings under which a preset shows its phenomenon."""
    chosen = DATASETS[preset]
    return {
        "components": chosen.n_components,
        "shape": chosen.covariance_type,
        "start": chosen.start,
        "start-seed": chosen.start_seed,
        "max-iter": chosen.max_iter,
        "tol": chosen.tol,
        "by-hand": rows_of(chosen.by_hand) if chosen.by_hand else (),
    }


def _nothing(values: Values) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class Offer:
    """What a lesson on Gaussian mixtures lets a person choose: SETTINGS, and what it has of its own.

    Attributes
    ----------
    preset : str
        The example that it opens with.
    own : mapping of name to Setting
        Its own settings, with names that SETTINGS does not have.
    usual : mapping of name to value
        Their values where a link is silent.
    idle : callable
        The names among them that decide nothing while the values are such: they stay out of the link.
    setup : callable
        The settings under which an example, by its name, shows what the lesson is about.
    """

    preset: str = DEFAULT_PRESET
    own: Mapping[str, Setting] = field(default_factory=dict)
    usual: Values = field(default_factory=dict)
    idle: Callable[[Values], frozenset[str]] = _nothing
    setup: Callable[[str], Values] = setup

    @property
    def settings(self) -> dict[str, Setting]:
        """All settings by name."""
        return {**SETTINGS, **self.own}

    def defaults(self, given: Values) -> Values:
        """All settings where a link is silent, beside those that it gives."""
        return defaults(given.get("data", "preset"), given.get("preset", self.preset), self)

    def unused(self, values: Values) -> frozenset[str]:
        """The settings that decide nothing while the values are such."""
        idle = {
            "preset": values["data"] != "preset",
            "groups": values["data"] != "groups",
            "file": values["data"] != "file",
            "data-seed": values["data"] == "file",
            "by-hand": values["start"] != "by-hand",
            "start-seed": not STARTS[values["start"]].random,
        }
        return frozenset(name for name, is_idle in idle.items() if is_idle) | self.idle(values)

    def checked(self, query: Mapping[str, str], given: Values) -> tuple[Values, list[str]]:
        """Complete values, and a sentence for each that does not fit the others and was left out."""
        base = self.defaults(given)
        values, refused = base | given, []
        if values["start"] == "by-hand" and not fits_by_hand(values, values["by-hand"]):
            if "by-hand" in given or "by-hand" not in query:  # else it was named already
                refused.append(_misfit(values))
            usual = base["start"] != "by-hand" or fits_by_hand(values, base["by-hand"])
            values |= {"start": base["start"] if usual else "random-points", "by-hand": base["by-hand"]}
        for name in ("log", "rival"):
            fitting = fitting_beginnings(values, values.get(name, ()))
            if len(fitting) < len(values.get(name, ())):
                wanted = f"one row for each of the {values['components']} components, of as many numbers as the data"
                refused.append(f"{name}: a run by hand must have {wanted} need; those that do not are left out.")
                values[name] = fitting
        return values, refused


@dataclass(frozen=True)
class ModelOffer:
    """What the lesson of another model lets a person choose: RUN_SETTINGS, and what it has of its own.

    Attributes
    ----------
    own : mapping of name to Setting
        Its own settings: data, hyperparameters, start.
    usual : mapping of name to value
        Their values where a link is silent; may also change those of RUN_SETTINGS.
    setup : callable
        What the choices made (all values) imply for others, as an example does for the model that suits it.
    idle : callable
        The names that decide nothing while the values are such: they stay out of the link.
    misfits : callable
        Of the complete values: a sentence for each name whose value does not fit the others. It then has its default.
    """

    own: Mapping[str, Setting]
    usual: Values
    setup: Callable[[Values], Values] = lambda values: {}
    idle: Callable[[Values], frozenset[str]] = _nothing
    misfits: Callable[[Values], Mapping[str, str]] = lambda values: {}

    @property
    def settings(self) -> dict[str, Setting]:
        """All settings by name."""
        return {**RUN_SETTINGS, **self.own}

    def defaults(self, given: Values) -> Values:
        """All settings where a link is silent, beside those that it gives."""
        usual = {**RUN_USUAL, **self.usual}
        return usual | self.setup(usual | given)

    def unused(self, values: Values) -> frozenset[str]:
        """The settings that decide nothing while the values are such."""
        return self.idle(values)

    def checked(self, query: Mapping[str, str], given: Values) -> tuple[Values, list[str]]:
        """Complete values, and a sentence for each that does not fit the others and was left out."""
        base = self.defaults(given)
        values = base | given
        refused = self.misfits(values)
        return values | {name: base[name] for name in refused}, list(refused.values())


PLAYGROUND = Offer()


def defaults(data: str = "preset", preset: str = "", offer: Offer = PLAYGROUND) -> Values:
    """All settings where a link is silent; the preset decides where it is on show."""
    return {
        "data": "preset",
        "preset": offer.preset,
        "groups": DEFAULT_GROUPS,
        "file": "",
        "data-seed": 0,
        "truth": False,
        "contours": False,
        "projector": False,
        **offer.usual,
        **offer.setup(preset if data == "preset" and preset else offer.preset),
    }


TASK_TITLES = {
    "rivals": "Three peaks, two components",
    "surplus": "One component too many",
    "equal": "Equal means",
    "mirror": "A symmetric start",
    "all": "A second component at the edge",
    "overlap": "Two groups that look like one",
}
ROOMS = {"reseed": "Reseed", "many": "Many starts", "map": "Map", "race": "Race", "speed": "Speed"}
RUN_NUMBERS = (10, 100, 1_000)
MAX_LOG = 40
MAX_RESTARTS = 100
_PLANE = re.compile(r"(means-([1-9]|10)-([1-9]|10)|(mean|sd)-([1-9]|10))")


def planes(n_features: int, n_components: int, shape: str) -> dict[str, tuple[str, str]]:
    """The planes of parameter space that a map can show: name in the link -> the names of the two coordinates."""
    numbers = range(1, n_components + 1)
    if n_features == 2:
        return {f"mean-{k}": (f"mean {k}, x", f"mean {k}, y") for k in numbers}
    pairs = {f"means-{j}-{k}": (f"mean {j}", f"mean {k}") for j in numbers for k in numbers if j < k}
    return pairs | {f"sd-{k}": (f"mean {k}", "log sd" if shape == "tied" else f"log sd {k}") for k in numbers}


def _plane() -> Setting:
    def parse(text: str) -> str:
        if not _PLANE.fullmatch(text):
            raise ValueError("means-1-2, sd-1, mean-1 or the like")
        return text

    return Setting(parse)


LAB = Offer(
    preset="three-peaks",
    own={
        "task": one_of({"": "", **TASK_TITLES}),
        "room": one_of(ROOMS),
        "log": _beginnings(MAX_LOG),
        "runs": one_of_numbers(0, *RUN_NUMBERS),
        "compare": flag(),
        "restarts": whole(1, MAX_RESTARTS),
        "plane": _plane(),
        "profile": flag(),
        "rival": _beginnings(1),
        "branch": whole(0, MAX_ITERATIONS),
        "squarem": flag(),
    },
    usual={
        "task": "",
        "room": "reseed",
        "log": (),
        "runs": 0,
        "compare": False,
        "restarts": 5,
        "plane": "",
        "profile": True,
        "rival": (),
        "branch": 0,
        "squarem": False,
    },
    idle=lambda values: frozenset(
        {name for name, room in _ROOM_OF.items() if values["room"] != room}
        | ({"log"} if values["log"] == (beginning(values),) else set())
        | ({"branch"} if not values["rival"] else set())
    ),
)
_ROOM_OF = {
    "compare": "many",
    "restarts": "many",
    "plane": "map",
    "profile": "map",
    "rival": "race",
    "branch": "race",
    "squarem": "speed",
}


STEP_PARTS = {"labels": "Known labels", "e-step": "E-step", "m-step": "M-step", "sheet": "Sheet"}


def check_points(rows: Rows) -> None:
    """ValueError, a sentence, unless the rows are 1 to SHEET_ROWS points of 1 or 2 numbers each."""
    if len(rows) > SHEET_ROWS:
        raise ValueError(f"there must be at most {SHEET_ROWS} points, got {len(rows)}")
    if any(len(row) != len(rows[0]) for row in rows) or len(rows[0]) not in (1, 2):
        raise ValueError("each point must have 1 number, or each 2")
    low, high = BOUNDS["mean"]
    for n, row in enumerate(rows, 1):
        for value in row:
            if not float(low) <= value <= float(high):  # NaN neither
                raise ValueError(f"point {n} must be from {low} to {high}, got {number(value)}")


def check_given(rows: Rows) -> None:
    """ValueError, a sentence, unless the rows are (iteration, row, component, responsibility), counted from 0, 1, 1."""
    for row in rows:
        counts = len(row) == 4 and all(value == int(value) for value in row[:3] if abs(value) < 1e9)
        if not counts or not (0 <= row[0] <= MAX_ITERATIONS and 1 <= row[1] <= SHEET_ROWS and 1 <= row[2] <= 10):
            raise ValueError("each must be iteration, row, component and responsibility, as in 0,2,1,0.9")
        if not 0 <= row[3] <= 1:
            raise ValueError(f"a responsibility must be from 0 to 1, got {number(row[3])}")


ONE_STEP = Offer(
    own={
        "part": one_of(STEP_PARTS),
        "point": whole(1, MAX_SAMPLES),
        "x": decimal(-1e9, 1e9),
        "logs": flag(),
        "regions": flag(),
        "component": whole(1, MAX_COMPONENTS),
        "points": number_rows(check_points),
        "given": number_rows(check_given),
    },
    usual={
        "part": "labels",
        "point": 1,
        "x": None,
        "logs": False,
        "regions": False,
        "component": 1,
        "points": (),
        "given": (),
    },
    idle=lambda values: frozenset(name for name, part in _PART_OF.items() if values["part"] != part),
)
_PART_OF = {
    "point": "e-step",
    "x": "e-step",
    "logs": "e-step",
    "regions": "e-step",
    "component": "m-step",
    "points": "sheet",
    "given": "sheet",
}


SECTIONS = {
    "bound": "Bound",
    "staircase": "Staircase",
    "partial": "Partial steps",
    "clinic": "Bug clinic",
    "you": "You",
}
LINE = "line"
PERCENTS = (5, 10, 25, 50, 75, 90, 100)


def cuts(names: Iterable[str]) -> dict[str, str]:
    """Along what a slice can be drawn: name in the link -> the coordinate, "" for the way of the M-step."""
    return {LINE: ""} | {name.replace(", ", "-").replace(" ", "-"): name for name in names}


def _cut() -> Setting:
    def parse(text: str) -> str:
        if text != LINE and not re.fullmatch(
            r"(mean|log-sd|atanh-correlation|logit-weight)(-([1-9]|10))?(-[xy])?", text
        ):
            raise ValueError("line, mean-1, log-sd-1, logit-weight-1 or the like")
        return text

    return Setting(parse)


WHY = Offer(
    preset="waiting-times",
    own={
        "section": one_of(SECTIONS),
        "along": _cut(),
        "since": whole(0, MAX_ITERATIONS),
        "step": one_of(dict.fromkeys(STEPS)),
        "percent": one_of_numbers(*PERCENTS),
        "draw-seed": whole(0, MAX_SEED),
        "case": whole(0, MAX_SEED),
        "asked": one_of({"mean": "", "shares": ""}),
        "turn": whole(0, MAX_ITERATIONS),
        "of": whole(1, MAX_COMPONENTS),
    },
    usual={
        "section": "bound",
        "along": LINE,
        "since": 0,
        "step": "part",
        "percent": 50,
        "draw-seed": 0,
        "case": 0,
        "asked": "mean",
        "turn": 0,
        "of": 1,
    },
    idle=lambda values: frozenset(
        {name for name, section in _SECTION_OF.items() if values["section"] != section}
        | ({"percent"} if values["step"] != "part" else set())
        | ({"draw-seed"} if values["step"] != "drawn" else set())
    ),
)
_SECTION_OF = {
    "along": "bound",
    "since": "bound",
    "step": "partial",
    "percent": "partial",
    "draw-seed": "partial",
    "case": "clinic",
    "asked": "you",
    "turn": "you",
    "of": "you",
}


@dataclass(frozen=True)
class Link:
    """What a link says: complete values, the place of the player, and a sentence for each part that was refused."""

    values: Values
    position: int
    half_steps: bool
    refused: tuple[str, ...]


def read_link(query: Mapping[str, str], offer: Offer | ModelOffer = PLAYGROUND) -> Link:
    """The settings of a query string; what is missing or not legal falls back to its default."""
    given: Values = {}
    refused: list[str] = []
    known = {**offer.settings, **PLACE}
    for name, text in query.items():
        if name in known:
            try:
                given[name] = known[name].parse(text)
            except ValueError as error:
                shown = text if len(text) <= 40 else text[:40] + "\N{HORIZONTAL ELLIPSIS}"
                refused.append(
                    f"{name}{known[name].joint}{error}; the link says \N{LEFT DOUBLE QUOTATION MARK}{shown}"
                    "\N{RIGHT DOUBLE QUOTATION MARK}."
                )
        elif not is_foreign(name):
            refused.append(f"{name[:40]} is not the name of a setting.")
    position, half_steps = given.pop("position", 0), given.pop("half-steps", False)
    values, misfits = offer.checked(query, given)
    refused += misfits
    return Link(values, position, half_steps, tuple(refused))


def _misfit(values: Values) -> str:
    """What rows a start by hand would need, and what the link gives."""
    rows, d, k = values["by-hand"], n_features(values), values["components"]
    wanted = f"{k} row{'' if k == 1 else 's'}, one for each component, "
    if values["data"] == "file":  # which is not here yet
        wanted += "of 3 numbers (1D) or 6 (2D)"
    else:
        wanted += f"of {3 if d == 1 else 6} numbers (the data are {d}D)"
    got = f"{len(rows)} of {len(rows[0])} numbers" if rows else "none"
    return f"by-hand: there must be {wanted}, got {got}."


def write_link(values: Values, offer: Offer | ModelOffer = PLAYGROUND) -> dict[str, str]:
    """The shortest query that reads back to the same picture (but for the place of the player)."""
    usual, unused = offer.defaults(values), offer.unused(values)
    return {
        name: setting.write(values[name])
        for name, setting in offer.settings.items()
        if values[name] != usual[name] and name not in unused
    }


def n_features(values: Values, own: OwnData | None = None) -> int:
    """How many axes the data on show have; an example stands in for a file that is not here yet."""
    if values["data"] == "groups":
        return 1 if len(values["groups"][0]) == 3 else 2
    if values["data"] == "file" and own is not None:
        return len(own.columns)
    return DATASETS[values["preset"]].n_features


def fits_by_hand(values: Values, rows: Rows, own: OwnData | None = None) -> bool:
    """Whether these rows can start this model on these data, or on those of a file that is not here yet."""
    if values["data"] == "file" and own is None:
        return len(rows) == values["components"]
    return len(rows) == values["components"] and len(rows[0]) == (3 if n_features(values, own) == 1 else 6)


def fitting_beginnings(
    values: Values, beginnings: tuple[Beginning, ...], own: OwnData | None = None
) -> tuple[Beginning, ...]:
    """Those that can begin a run of this model on these data, each once."""
    fitting = (one for one in beginnings if one.start != "by-hand" or fits_by_hand(values, one.rows, own))
    return tuple(dict.fromkeys(fitting))


def experiment(values: Values, own: OwnData | None = None) -> Experiment:
    """The run that these settings decide; a file that is not here leaves the preset's data in its place."""
    source: PresetData | SyntheticData | OwnData
    if values["data"] == "file" and own is not None:
        source = own
    elif values["data"] == "groups":
        source = SyntheticData(groups(values["groups"]), values["data-seed"])
    else:
        source = PresetData(values["preset"], values["data-seed"])
    start, seed = values["start"], values["start-seed"]
    if start == "by-hand" and len(values["by-hand"][0]) != (3 if n_features(values, own) == 1 else 6):
        start = "random-points"  # the rows are for the file that is not here yet
    return Experiment(
        source=source,
        model=GaussianMixture(values["components"], values["shape"]),
        start=start,
        start_seed=seed if STARTS[start].random else 0,  # or equal runs would be kept twice
        by_hand=by_hand(values["by-hand"]) if start == "by-hand" else None,
        max_iter=values["max-iter"],
        tol=values["tol"],
    )
