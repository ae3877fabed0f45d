"""The look of every picture: palette, markers, sizes and the layout that all Plotly figures share.

Plain values only: the matplotlib export uses the same ones.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emcore.em import History
from emcore.restarts import COLLAPSED, SADDLE, UNFINISHED
from emcore.verdict import outcome_label

# The first three and numbers 5 and 7 are Okabe & Ito's (2008). The others were searched for: any two of the
# ten stay apart under deuteranopia (OKLab distance above 0.1), and all show on white and on a dark page.
COMPONENT_COLOURS: Final = (
    "#0072b2",  # blue
    "#d55e00",  # vermilion
    "#009e73",  # green
    "#ff69a5",  # pink
    "#e69f00",  # orange
    "#8778ff",  # violet
    "#56b4e9",  # sky blue
    "#a51e69",  # wine
    "#963c00",  # brown
    "#2d2dff",  # ultramarine
)
# Plotly's name and matplotlib's of the marker of each component: colour is never the only sign.
COMPONENT_SYMBOLS: Final = (
    ("circle", "o"),
    ("square", "s"),
    ("diamond", "D"),
    ("triangle-up", "^"),
    ("triangle-down", "v"),
    ("cross", "P"),
    ("pentagon", "p"),
    ("star", "*"),
    ("hexagon", "h"),
    ("x", "X"),
)
# The maxima "A", "B", "C" ... : as far apart from each other as the components' colours are, and no component's colour.
# Searched for: contrast above 2.6 on white and 3 on a dark page; each as unlike those before it as can be.
MAXIMUM_COLOURS: Final = (
    "#a59600",  # olive
    "#694bd2",  # indigo
    "#ff4bff",  # magenta
    "#964b69",  # mulberry
    "#3c87ff",  # azure
    "#8796b4",  # steel
    "#e12d69",  # crimson
    "#786900",  # moss
    "#e18787",  # rose
    "#c300b4",  # purple
)
MAXIMUM_SYMBOLS: Final = (
    "diamond-tall",
    "bowtie",
    "star-triangle-up",
    "hexagram",
    "star-square",
    "triangle-left",
    "star-triangle-down",
    "triangle-right",
    "star-diamond",
    "octagon",
)
# What is no maximum, by its code in `outcome`: colour, symbol.
NO_MAXIMUM: Final = {
    SADDLE: ("#808080", "hourglass"),
    UNFINISHED: ("#a9a9a9", "circle-open"),
    COLLAPSED: ("#646464", "x"),
}
OTHER: Final = ("Other", "#8f8470", "diamond-wide")  # the maxima after the tenth: name, colour, symbol
OBJECTIVE: Final = COMPONENT_COLOURS[5]
# Of the second of two runs: contrast above 3.8 on white and on a dark page, apart from the first run's two.
SECOND_OBJECTIVE: Final = "#cd2d78"
SECOND_BOUND: Final = "#9b6414"
BOUND: Final = COMPONENT_COLOURS[4]
NEUTRAL: Final = "#808080"  # legible on white and on a dark page alike: sums, truth, what has no component
# Around a mean's white edge: white alone stands out on a dark page, and this on a white one and among its points.
MEAN_GROUND: Final = "#1c1c1c"
GRID: Final = "rgba(128,128,128,0.22)"
FAINT: Final = 0.55  # the opacity of what has not been played yet: less would vanish on a dark page
TRANSPARENT: Final = "rgba(0,0,0,0)"
MAX_COMPONENTS: Final = len(COMPONENT_COLOURS)
MAX_MAXIMA: Final = len(MAXIMUM_COLOURS)


@dataclass(frozen=True)
class Look:
    """How large things are drawn.

    Parameters
    ----------
    projector : bool
        Text, lines and markers that can be read from the back of a room.
    """

    projector: bool = False

    @property
    def font_size(self) -> int:
        """Size of all text in a figure, in CSS pixels."""
        return 18 if self.projector else 13

    @property
    def line_width(self) -> float:
        """Width of a component's line, in CSS pixels."""
        return 4.5 if self.projector else 2.5

    @property
    def now_size(self) -> float:
        """Size of the marker of the place in the run, in CSS pixels."""
        return 22 if self.projector else 15

    @property
    def mean_size(self) -> float:
        """Size of the cross on a mean, in CSS pixels, without its edge."""
        return 1.2 * self.now_size

    @property
    def mean_edge(self) -> float:
        """Width of a mean's white edge, in CSS pixels."""
        return 0.13 * self.now_size

    @property
    def height(self) -> int:
        """Height of a figure, in CSS pixels."""
        return 560 if self.projector else 440

    def point_size(self, n_points: int) -> float:
        """Size of a point's marker, in CSS pixels: the smaller, the more of them there are."""
        size = 8.0 if n_points <= 150 else 7.0 if n_points <= 500 else 5.5 if n_points <= 1000 else 4.5
        return size * 1.5 if self.projector else size


DEFAULT_LOOK: Final = Look()


def rgb(colour: str) -> NDArray[np.uint8]:
    """The red, green and blue of "#rrggbb", shape (3,)."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)


def palette(n_components: int) -> NDArray[np.uint8]:
    """The colour of each component, sRGB, shape (n_components, 3); ValueError beyond ten."""
    if not 1 <= n_components <= MAX_COMPONENTS:
        raise ValueError(f"n_components must be 1 to {MAX_COMPONENTS} for a picture, got {n_components}; try fewer")
    return np.array([rgb(colour) for colour in COMPONENT_COLOURS[:n_components]])


def outcome_sign(outcome: int) -> tuple[str, str]:
    """The colour and Plotly's symbol of where a run ended: an index of a maximum, or what is none."""
    if outcome < 0:
        return NO_MAXIMUM[outcome]
    if outcome >= MAX_MAXIMA:
        return OTHER[1:]
    return MAXIMUM_COLOURS[outcome], MAXIMUM_SYMBOLS[outcome]


def grouped(outcome: NDArray[np.int_]) -> NDArray[np.int_]:
    """Outcomes as pictures tell them apart: all maxima without a sign of their own are one group, MAX_MAXIMA."""
    return np.minimum(outcome, MAX_MAXIMA)


def groups(outcome: NDArray[np.int_]) -> list[int]:
    """The groups that there are: maxima by height, then what is none."""
    codes = np.unique(grouped(outcome)).tolist()
    return [code for code in codes if code >= 0] + [code for code in codes[::-1] if code < 0]


def group_name(group: int) -> str:
    """What a legend calls a group of outcomes."""
    return OTHER[0] if group == MAX_MAXIMA else outcome_label(group)


def short(text: str, longest: int = 40) -> str:
    """A name that someone else chose, on one line and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plain(text: str) -> str:
    """A name that someone else chose, fit for Plotly text: `short`, without markup or template."""
    return html.escape(short(text), quote=False).replace("{", "&#123;").replace("%", "&#37;")


def objective_title(history: History) -> str:
    """The title of the objective's axis, with its unit if it has one."""
    model = history.model
    return f"{model.objective_name} (nats)" if model.objective_unit == "nats" else str(model.objective_name)


def faint(colour: str, opacity: float) -> str:
    """The colour as a CSS rgba() with this opacity."""
    red, green, blue = rgb(colour).tolist()
    return f"rgba({red},{green},{blue},{opacity:g})"


def layout(look: Look, *, x_title: str, y_title: str, revision: str, **more: Any) -> dict[str, Any]:
    """What all figures share. Fonts' and grids' colours are left to the page: grounds are transparent.

    Parameters
    ----------
    look : Look
    x_title, y_title : str
        Axis titles, already `plain`.
    revision : str
        Zoom and legend survive redrawing as long as this stays the same.
    more
        Further entries, which win; "xaxis" and "yaxis" are merged with the shared ones.
    """
    size = look.font_size
    axis: dict[str, Any] = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "rgba(128,128,128,0.6)",
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "rgba(128,128,128,0.6)",
        "automargin": True,
        "tickfont": {"size": size},
        "nticks": 7,
    }
    title = {"font": {"size": size + 1}, "standoff": 8}
    return {
        "template": {},
        "height": look.height,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 48},
        "paper_bgcolor": TRANSPARENT,
        "plot_bgcolor": TRANSPARENT,
        "font": {"size": size},
        "hovermode": "closest",
        "hoverlabel": {"font": {"size": size}},
        "dragmode": "zoom",
        "modebar": {
            "remove": ["lasso2d", "select2d", "zoomIn2d", "zoomOut2d", "toImage"],
            "orientation": "v",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": size},
            "bgcolor": TRANSPARENT,
            "itemwidth": 30,
        },
        "uirevision": revision,
        **more,
        "xaxis": {**axis, "title": {"text": x_title, **title}, **more.get("xaxis", {})},
        "yaxis": {**axis, "title": {"text": y_title, **title}, **more.get("yaxis", {})},
    }


def note_above(layout: dict[str, Any], notes: Sequence[str], look: Look) -> None:
    """What the picture leaves out, a line each, above the plotting area of `layout`; the legend makes room."""
    if not notes:
        return
    size = look.font_size - 1
    layout["annotations"] = [
        {
            "text": "<br>".join(notes),
            "align": "right",
            "showarrow": False,
            "xref": "paper",
            "yref": "paper",
            "x": 1,
            "y": 1,
            "xanchor": "right",
            "yanchor": "bottom",
            "borderpad": 0,
            "font": {"size": size},
        }
    ]
    layout["legend"]["y"] += (1.3 * size * len(notes) + 4) / (look.height - 100)  # of the plotting area's height
