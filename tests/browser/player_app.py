"""An app with a player and figures that mean nothing: what the browser tests drive.

The query decides what is shown: points, steps, position, half=1 (open in half-steps), many=1 (two players),
panels=cloud,map (which figures, of cloud, curve and map), chunk=missing (plotly.js is not where it was).
"""

import json
from dataclasses import asdict
from functools import lru_cache

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from emcore.figures.stepped import SteppedFigure, Track
from pages.parts import player as part

COLOURS = np.array([[31, 119, 180], [214, 96, 30], [44, 140, 60]])
SYMBOLS = ("circle", "square", "diamond")


def texts(n_steps: int) -> dict[str, list[str]]:
    """A caption, a label and a name for each of the 2 * n_steps + 2 positions."""
    positions = range(2 * n_steps + 2)
    return {
        "captions": [f"This is position {p}" + ", and it says a bit more." * (p % 3) for p in positions],
        "labels": [f"Iteration {p // 2}, value {p / 10:.1f}" for p in positions],
        "step_names": ["Odd" if p % 2 else "Even" for p in positions],
    }


@lru_cache(maxsize=8)  # for the tests: in the app this file runs anew every time
def figures(run: int, n_points: int, n_steps: int, n_rings: int = 3) -> tuple[SteppedFigure, SteppedFigure]:
    """Coloured points with rings that wander, and a curve that grows."""
    rng = np.random.default_rng(run)
    n_positions = 2 * n_steps + 2
    odd, even = (np.arange(n_positions) + 1) // 2, np.arange(n_positions) // 2
    points = rng.normal(size=(n_points, 2))
    centres = np.cumsum(rng.normal(size=(n_steps + 1, n_rings, 2)) * 0.1, axis=0)
    angles = np.append(np.linspace(0, 2 * np.pi, 49), np.nan)
    rings = centres[:, :, None, :] + 0.6 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    rings = rings.reshape(n_steps + 1, -1, 2)
    nearest = ((points[None, :, None] - centres[:, None]) ** 2).sum(-1)
    shares = np.exp(-3 * nearest)
    shares /= shares.sum(-1, keepdims=True)
    start = np.full((1, n_points, 3), 128, dtype=np.uint8)
    colours = np.concatenate([start, (shares @ COLOURS[:n_rings]).astype(np.uint8)])
    shapes = np.concatenate([np.zeros((1, n_points), np.uint8), shares.argmax(-1).astype(np.uint8)])
    trail = centres[:, 0]
    sizes = np.where(np.arange(n_steps + 1)[:, None] % 2, 12.0, 18.0) + np.arange(n_rings)
    names = np.array([[f"{ring}:{step % 4}" for ring in range(n_rings)] for step in range(n_steps + 1)], object)
    hover = np.array([[f"{step}"] * n_points for step in range(n_steps + 1)], dtype=object)
    rings_line = {"color": "var(--st-text-color)", "simplify": False}  # paths as they are, to compare them
    curve_line = {"color": "var(--st-primary-color)", "simplify": False}
    cloud = go.Figure(
        [
            go.Scatter(
                x=points[:, 0],
                y=points[:, 1],
                mode="markers",
                marker={"size": 7, "opacity": 0.8},
                name="points",
            ),
            go.Scatter(x=[], y=[], mode="lines", line=rings_line, name="rings"),
            go.Scatter(
                x=trail[:, 0],
                y=trail[:, 1],
                mode="lines+markers",
                line={"dash": "dot", "simplify": False},
                name="trail",
            ),
            go.Scatter(mode="markers+text", textposition="top center", marker={"color": "crimson"}, name="handles"),
        ],
        layout={
            "height": 420,
            "margin": {"l": 40, "r": 10, "t": 10, "b": 40},
            "xaxis": {"range": [-3, 3]},
            "yaxis": {"range": [-3, 3]},
            "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"},
        },
    )
    whole = np.arange(n_positions) % 2 == 1
    first = SteppedFigure(
        cloud,
        (
            Track(0, "marker.color", colours, odd),
            Track(0, "marker.symbol", shapes, odd, SYMBOLS),
            Track(0, "text", hover, even),
            Track(1, "x", rings[..., 0], even),
            Track(1, "y", rings[..., 1], even),
            Track(2, "shown", np.arange(1, n_steps + 2), even),
            Track(3, "x", centres[..., 0], even),
            Track(3, "y", centres[..., 1], even),
            Track(3, "marker.size", sizes, even),
            Track(3, "text", names, even),
        ),
        drags={3: whole},
        clicks=(0,),
        description="Points and rings",
    )
    heights = np.log1p(np.arange(n_steps + 1))
    steps = np.arange(n_steps + 1)
    curve = go.Figure(
        [
            go.Scatter(x=steps, y=heights, mode="lines", line={"color": "rgba(128,128,128,0.4)"}),
            go.Scatter(x=steps, y=heights, mode="lines", line=curve_line, fill="tozeroy"),
            go.Scatter(mode="markers", marker={"size": 10, "color": "var(--st-primary-color)"}),
        ],
        layout={
            "height": 420,
            "showlegend": False,
            "margin": {"l": 40, "r": 10, "t": 10, "b": 40},
            "xaxis": {"range": [-0.5, n_steps + 0.5], "title": {"text": "step"}},
            "yaxis": {"range": [-0.2, heights[-1] * 1.1]},
        },
    )
    second = SteppedFigure(
        curve,
        (
            Track(1, "shown", np.arange(1, n_steps + 2), even),
            Track(2, "x", steps[:, None].astype(float), even),
            Track(2, "y", heights[:, None], even),
        ),
        jumps={0: 2 * steps + 1},
        description="The curve",
    )
    return first, second


@lru_cache(maxsize=2)
def landscape(run: int, n_steps: int, n_cells: int = 200) -> SteppedFigure:
    """A still heat map, and on it a path that grows, a mark at its end and handles that wander; it asks for spots."""
    rng = np.random.default_rng(run)
    even = np.arange(2 * n_steps + 2) // 2
    x, y = np.linspace(-3, 3, n_cells), np.linspace(-2, 4, n_cells)
    height = np.sin(2 * x) + np.cos(2 * y)[:, None] - 0.1 * (x**2 + y[:, None] ** 2)
    height[:20, :20] = np.nan
    path = np.cumsum(rng.normal(size=(n_steps + 1, 2)) * 0.15, axis=0)
    handles = np.array([-2.0, 0.0]) + path[:, None] * [[0.2, 0.2]]
    figure = go.Figure(
        [
            go.Heatmap(x=x, y=y, z=height, hoverinfo="skip", colorscale="Viridis", showscale=False),
            go.Scatter(x=path[:, 0], y=path[:, 1], mode="lines", line={"simplify": False}),
            go.Scatter(mode="markers", marker={"size": 11, "color": "crimson"}),
            go.Scatter(mode="markers", marker={"size": 11, "color": "white"}),
        ],
        layout={
            "height": 420,
            "showlegend": False,
            "margin": {"l": 40, "r": 10, "t": 10, "b": 40},
            "xaxis": {"range": [-3, 3]},
            "yaxis": {"range": [-2, 4]},
        },
    )
    return SteppedFigure(
        figure,
        (
            Track(1, "shown", np.arange(1, n_steps + 2), even),
            Track(2, "x", path[:, :1], even),
            Track(2, "y", path[:, 1:], even),
            Track(3, "x", handles[..., 0], even),
            Track(3, "y", handles[..., 1], even),
        ),
        drags={3: np.ones(2 * n_steps + 2, dtype=bool)},
        clicks=(2,),
        spots=True,
        description="A map and a path",
    )


def panels(names: tuple[str, ...], run: int, n_points: int, n_steps: int) -> list[SteppedFigure]:
    """The figures of these names."""
    cloud, curve = figures(run, n_points, n_steps)
    made = {"cloud": cloud, "curve": curve, "map": landscape(run, n_steps)}
    return [made[name] for name in names]


def main() -> None:
    """The page: two buttons, a switch, the player and what it reports."""
    st.set_page_config(layout="wide", page_title="Player")
    query = st.query_params
    n_points, n_steps = int(query.get("points", 300)), int(query.get("steps", 27))
    if query.get("chunk") == "missing":
        part.plotly_chunk = lambda: "PlotlyChart.missing.js"
    state = st.session_state
    state.setdefault("run", 1)
    state.setdefault("opens", int(query.get("position", 9)))
    left, middle, right = st.columns(3)
    if left.button("New run"):
        state.run += 1
        state.opens = 13
    middle.button("Rerun")
    still = right.toggle("Without curve")
    names = tuple(query.get("panels", "cloud,curve").split(","))[: 1 if still else None]
    report = part.player(
        lambda: panels(names, state.run, n_points, n_steps),
        key="player",
        look=(n_points, n_steps, names),
        run_id=f"run {state.run}",
        position=state.opens,
        whole="half" not in query,
        stops=range(1, 2 * n_steps + 2, 2),
        widths=(3, 2) if len(names) == 2 else (),
        **texts(n_steps),
    )
    events = ("click", "drag", "spot")
    for event in events:
        if getattr(report, event):
            state[event] = asdict(getattr(report, event))
            state["events"] = [*state.get("events", []), event]
    kept = {event: state.get(event) for event in events}
    told = {**asdict(report), **kept, "run": state.run, "events": state.get("events", [])}
    with st.container(key="report"):
        st.text(json.dumps(told))
    if "many" in query:
        plain = {"captions": texts(n_steps)["captions"], "labels": texts(n_steps)["labels"]}
        part.player(figures(1, n_points, n_steps)[1:], key="other", run_id="other", **plain)


if __name__ == "__main__":
    main()
