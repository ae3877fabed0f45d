"""Counts of events a day with the Poisson distributions that are fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from emcore.creep import CountFit
from emcore.em import History
from emcore.figures import style
from emcore.figures.stepped import SteppedFigure, Track
from emcore.figures.style import Look


def counts_figure(history: History, fit: CountFit, *, look: Look = style.DEFAULT_LOOK) -> SteppedFigure:
    """Days by their count, as bars; what each component and their sum expect follows the position.

    Parameters
    ----------
    history : History
        Of a PoissonMixture.
    fit : CountFit
        Of this run.
    look : Look
        How large things are drawn.
    """
    theta_at = np.arange(history.n_positions) // 2
    n_components = fit.components.shape[1]
    total = fit.components.sum(axis=1)
    width = look.line_width
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": "Observed",
            "x": fit.counts,
            "y": fit.observed,
            "marker": {"color": style.faint(style.NEUTRAL, 0.45)},
            "hovertemplate": "%{y:,.0f} days with %{x}<extra></extra>",
        },
        {
            "name": "One Poisson",
            "x": fit.counts,
            "y": fit.single,
            "line": {"color": style.NEUTRAL, "width": 0.8 * width, "dash": "dot"},
            "marker": {"size": 2.4 * width, "color": style.NEUTRAL, "symbol": "line-ew-open"},
        },
    ]
    tracks = []
    for k in range(n_components):
        tracks.append(Track(len(traces), "y", fit.components[:, k], theta_at))
        colour = style.COMPONENT_COLOURS[k]
        traces.append(
            {
                "name": f"Component {k + 1}",
                "x": fit.counts,
                "y": fit.components[0, k],
                "line": {"color": colour, "width": width},
                "marker": {"size": 3 * width, "color": colour, "symbol": style.COMPONENT_SYMBOLS[k][0]},
            }
        )
    if n_components > 1:
        tracks.append(Track(len(traces), "y", total, theta_at))
        traces.append(
            {
                "name": "Sum",
                "x": fit.counts,
                "y": total[0],
                "line": {"color": style.OBJECTIVE, "width": width},
                "marker": {"size": 2.4 * width, "color": style.OBJECTIVE, "symbol": "x"},
            }
        )
    for trace in traces[1:]:
        trace |= {"type": "scatter", "mode": "lines+markers"}
        trace["hovertemplate"] = f"%{{y:,.1f}} days with %{{x}}<extra>{trace['name']}</extra>"
    top = float(max(fit.observed.max(), fit.single.max(), total.max()))
    last = float(fit.counts[-1])
    layout = style.layout(
        look,
        x_title="Events a day",
        y_title="Days",
        revision=f"counts {last} {n_components}",
        xaxis={"range": (-0.7, last + 0.5), "tickformat": "d", **({"dtick": 1} if last <= 12 else {})},
        yaxis={"range": (0, 1.06 * top)},
        bargap=0.12,
    )
    return SteppedFigure(
        go.Figure(traces, layout),
        tuple(tracks),
        description=f"{history.n_samples:,} days by their count, and what {n_components} Poisson "
        f"distribution{'' if n_components == 1 else 's'} expect. The sentence and the tables below follow the slider.",
    )
