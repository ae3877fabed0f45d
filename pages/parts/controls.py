"""Every widget that decides a run, and the way between widgets, session and URL.

`begin` reads the link into the session, the widgets change the session, `end` writes the link. Going back in the
browser is going back to an earlier link, so it undoes a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from emcore.datasets import DATASETS
from emcore.em import History
from emcore.experiment import Experiment, OwnData
from emcore.starts import STARTS
from pages.parts import csv_table
from pages.parts import settings as choices
from pages.parts.settings import PLACE, Link, Rows, Values
from pages.parts.text import plain


@dataclass
class Session:
    """What the visit remembers: the choices, the file that was brought, and the link that it stands for."""

    values: Values
    link: Link
    query: dict[str, str]
    own: OwnData | None = None
    table: tuple[str, csv_table.Table] | None = None  # the file's id, and what was read from it
    editor: int = 0  # a new number empties the tables' edits
    opened: int = 0  # a new number opens the player at the link's place
    position: int = 0  # where the player rests
    half_steps: bool = False  # whether it shows half-steps
    point: int | None = None  # the row of X that was clicked
    animation: tuple[Any, bytes] | None = None  # the last that was drawn, and of what: the heaviest thing in a visit
    pending: Values | None = None  # chosen after the widgets were drawn, for the next run of the script


def session() -> Session:
    """This visit's session, made from the link if it is new."""
    if "session" not in st.session_state:
        query = _query()
        link = choices.read_link(st.query_params.to_dict())
        st.session_state["session"] = Session(dict(link.values), link, query, half_steps=link.half_steps)
    visit: Session = st.session_state["session"]
    return visit


def begin() -> Session:
    """Before any widget: follow the URL where it was changed from outside."""
    visit = session()
    query = _query()
    if query != visit.query:
        visit.link = choices.read_link(st.query_params.to_dict())
        visit.query = query
        visit.half_steps = visit.link.half_steps
        visit.opened += 1
        visit.editor += 1
        put(**visit.link.values)
    if visit.pending is not None:
        put(**visit.pending)
        visit.pending = None
        visit.editor += 1
    return visit


def end(visit: Session) -> None:
    """After the widgets: write what was chosen into the URL (the place in it is the player's to write), and say what
    in the link that was opened could not be followed, until the visitor moves on."""
    if visit.values != visit.link.values:
        visit.link = Link(dict(visit.values), 0, visit.half_steps, ())
    query = choices.write_link(visit.values)
    if query != visit.query or query != _query():
        visit.query = query
        others = {name: text for name, text in st.query_params.to_dict().items() if name not in choices.SETTINGS}
        unknown = {name for name in others if name not in PLACE and not name.startswith(choices.FOREIGN)}
        st.query_params.from_dict(query | {name: others[name] for name in others if name not in unknown})
    if visit.link.refused:
        st.warning(
            "This link could not be followed in every part; the usual value stands in.\n\n"
            + "\n".join(f"- {plain(sentence)}" for sentence in visit.link.refused)
        )


def place(visit: Session, history: History) -> int:
    """Where the player opens: at the link's place, or at the start if the run does not go so far."""
    position = visit.link.position
    if position < history.n_positions:
        return position
    st.warning(
        f"The link's position {position} lies beyond the end of this run, which has {history.n_positions} positions "
        f"(0 to {history.n_positions - 1}); it opens at the start."
    )
    return 0


def put(**values: Any) -> None:
    """Choose by program: before the widgets of this run are drawn, or in a callback."""
    visit = session()
    for name, value in values.items():
        name = name.replace("_", "-")
        visit.values[name] = value
        st.session_state[name] = value


def _query() -> dict[str, str]:
    """The URL's query without the place, which changes with every step, and without foreign names."""
    return {
        name: text
        for name, text in st.query_params.to_dict().items()
        if name not in PLACE and not name.startswith(choices.FOREIGN)
    }


def _widget(name: str, make: Any, *args: Any, **options: Any) -> Any:
    """A widget bound to a setting: it shows the session's value, and the session follows it."""
    values = session().values
    if name not in st.session_state:
        st.session_state[name] = values[name]
    values[name] = make(*args, key=name, **options)
    return values[name]


def sidebar(visit: Session) -> Experiment:
    """Data, model, start, run and view, in the order in which a person decides them."""
    with st.sidebar:
        _data(visit)
        _model()
        _start(visit)
        _run()
        _view(visit)
    return choices.experiment(visit.values, visit.own)


def _data(visit: Session) -> None:
    st.subheader("Data")
    source = _widget(
        "data",
        st.segmented_control,
        "Where the data come from",
        list(choices.SOURCES),
        format_func=choices.SOURCES.__getitem__,
        required=True,
        label_visibility="collapsed",
        width="stretch",
        on_change=_source_chosen,
    )
    random = True
    if source == "preset":
        name = _widget(
            "preset",
            st.selectbox,
            "Example",
            list(DATASETS),
            format_func=lambda name: DATASETS[name].title,
            on_change=_preset_chosen,
            help="Each example shows one thing. Choosing it also sets the model, the start and the run up for it.",
        )
        random = DATASETS[name].random
    elif source == "file":
        _upload(visit)
        random = False
    else:
        st.caption("Set the groups in the table on the page.")
    button, seed = st.columns([3, 2], vertical_alignment="bottom")
    with seed:
        _widget(
            "data-seed",
            st.number_input,
            "Data seed",
            0,
            choices.MAX_SEED,
            step=1,
            disabled=not random,
            help="The same seed draws the same points again. It does not touch the start.",
        )
    button.button(
        "New data",
        on_click=_next_seed,
        args=("data-seed",),
        disabled=not random,
        width="stretch",
        help="Draw other points from the same groups." if random else "These data are as they are.",
    )


def _model() -> None:
    st.subheader("Model")
    _widget(
        "components",
        st.number_input,
        "Components K",
        1,
        choices.MAX_COMPONENTS,
        step=1,
        on_change=_components_chosen,
        help="How many Gaussians the mixture has. EM does not find this number: you choose it.",
    )
    _widget(
        "shape",
        st.selectbox,
        "Covariance",
        list(choices.SHAPES),
        format_func=choices.SHAPES.__getitem__,
        help="Full: any ellipse for each component. Tied: one ellipse for all. Diagonal: along the axes. "
        "Spherical: circles. In 1D only tied differs: one standard deviation for all.",
    )


def _start(visit: Session) -> None:
    st.subheader("Start")
    name = _widget(
        "start",
        st.selectbox,
        "Start",
        list(STARTS),
        format_func=lambda name: STARTS[name].title,
        label_visibility="collapsed",
        on_change=_start_chosen,
    )
    st.caption(STARTS[name].description)
    random = STARTS[name].random
    button, seed = st.columns([3, 2], vertical_alignment="bottom")
    with seed:
        _widget(
            "start-seed",
            st.number_input,
            "Start seed",
            0,
            choices.MAX_SEED,
            step=1,
            disabled=not random,
            help="The same seed gives the same start. It does not touch the data.",
        )
    button.button(
        "Reseed start",
        type="primary",
        on_click=_next_seed,
        args=("start-seed",),
        disabled=not random,
        width="stretch",
        help="Start again from elsewhere, on the same data." if random else "Nothing in this start is random.",
    )


def _run() -> None:
    st.subheader("Run")
    left, right = st.columns(2)
    with left:
        _widget("max-iter", st.number_input, "At most", 1, choices.MAX_ITERATIONS, step=10, help="Iterations.")
    with right:
        _widget(
            "tol",
            st.selectbox,
            "Tolerance",
            list(choices.TOLERANCES),
            format_func=lambda tol: f"{tol:g}" if tol else "never stop",
            help="Stop when an iteration gains less than this, in nats of log-likelihood per point.",
        )


def _view(visit: Session) -> None:
    st.subheader("View")
    _widget("truth", st.toggle, "Show the truth", help="The groups that the data were drawn from, dashed.")
    if choices.n_features(visit.values, visit.own) == 2:
        _widget("contours", st.toggle, "Density contours", help="Lines of equal density of the whole mixture.")
    _widget("projector", st.toggle, "Projector", help="Larger type and thicker lines, for the back row.")


def _next_seed(name: str) -> None:
    put(**{name: (session().values[name] + 1) % (choices.MAX_SEED + 1)})


def _source_chosen() -> None:
    visit = session()
    visit.values["data"] = st.session_state["data"]
    _refit_by_hand(visit)


def _preset_chosen() -> None:
    name = st.session_state["preset"]
    put(preset=name, **choices.setup(name))
    session().editor += 1


def _components_chosen() -> None:
    visit = session()
    visit.values["components"] = st.session_state["components"]
    _refit_by_hand(visit)


def _start_chosen() -> None:
    visit = session()
    visit.values["start"] = st.session_state["start"]
    _refit_by_hand(visit)


def _refit_by_hand(visit: Session) -> None:
    """A start by hand needs rows that fit: keep those that are there and fill up from random points of the data."""
    values = visit.values
    if values["start"] != "by-hand" or choices.fits_by_hand(values, values["by-hand"], visit.own):
        return
    other = choices.experiment({**values, "start": "random-points", "max-iter": 1}, visit.own)
    fresh = choices.rows_of(other.history().parameters[0])
    kept = tuple(row for row in values["by-hand"] if len(row) == len(fresh[0]))[: len(fresh)]
    put(**{"by-hand": kept + fresh[len(kept) :]})
    visit.editor += 1


def start_by_hand(rows: Rows) -> None:
    """Begin a run from these rows: a mean was dragged on the plot."""
    session().pending = {"start": "by-hand", "by-hand": rows}
    st.rerun()


def _upload(visit: Session) -> None:
    """The uploader: the file is read at once, and one or two of its columns are chosen by name."""
    if visit.values["file"] and visit.own is None:
        st.info(
            f"This link was made with the file {plain(visit.values['file'])}, which a link cannot carry. "
            "Choose that file here to see the same picture; until then the page shows an example."
        )
    brought = st.file_uploader(
        "CSV file",
        type=["csv", "tsv", "txt"],
        max_upload_size=5,
        help="One or two columns of numbers; a header is welcome. At most 5 MB and 20,000 rows. "
        "The file stays in this session and is not stored.",
    )
    if brought is None:
        if visit.own is not None:
            st.caption(f"On show: {plain(visit.own.name)}, {plain(', '.join(visit.own.columns))}.")
        return
    try:
        table = _read(visit, brought)
        names = st.multiselect(
            "Columns (one or two)",
            list(table.columns),
            default=_columns_chosen(visit, table),
            max_selections=2,
            key=f"columns of {brought.file_id}",
        )
        if not names:
            st.error("Choose one or two columns; the page keeps showing what it had.")
            return
        selection = csv_table.select(table, names)
        own = OwnData.of(brought.name[:120], tuple(names), selection.X)
    except ValueError as error:
        st.error(f"{plain(str(error))} The page keeps showing what it had.")
        return
    visit.own = own
    visit.values["file"] = "".join(letter for letter in own.name if letter.isprintable())
    _refit_by_hand(visit)
    _say_what_was_left_out(selection)


def _say_what_was_left_out(selection: csv_table.Selection) -> None:
    """How many rows are on show, and each cell for which one is not."""
    n = len(selection.X)
    if not selection.skipped:
        st.caption(f"{n:,} row{'' if n == 1 else 's'}, all of them used.")
        return
    st.caption(f"{n:,} row{'' if n == 1 else 's'} used, {selection.n_skipped_rows:,} left out.")
    with st.expander("What was left out, and why"):
        listed = [
            f"Row {cell.line}, {cell.column}: {cell.reason} ({cell.text or 'empty'})" for cell in selection.skipped
        ]
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in listed[:50]))
        if len(listed) > 50:
            st.caption(f"and {len(listed) - 50:,} more cells.")


def _read(visit: Session, brought: Any) -> csv_table.Table:
    """The file's table, read once for each file that is brought."""
    if visit.table is None or visit.table[0] != brought.file_id:
        with st.spinner("Reading the file"):
            visit.table = brought.file_id, csv_table.read_csv(brought.getvalue())
    return visit.table[1]


def _columns_chosen(visit: Session, table: csv_table.Table) -> list[str]:
    """The columns that were on show before, if the file has them; else the first numeric ones."""
    if visit.own is not None and set(visit.own.columns) <= set(table.columns):
        return list(visit.own.columns)
    return list(table.numeric_columns[:2])


def editors(visit: Session) -> None:
    """The tables that set groups or a start by hand, on the page where there is room for them."""
    if visit.values["data"] == "groups":
        with st.expander("The groups that the data are drawn from", expanded=True):
            _group_table(visit)
    if visit.values["start"] == "by-hand":
        with st.expander("The start, by hand", expanded=True):
            _start_table(visit)


AXES_1D = ["mean", "sd"]
AXES_2D = ["mean x", "mean y", "sd x", "sd y", "correlation"]


def _group_table(visit: Session) -> None:
    rows: Rows = visit.values["groups"]
    in_2d = (
        st.segmented_control(
            "Axes",
            ["1D", "2D"],
            default="2D" if len(rows[0]) == 6 else "1D",
            required=True,
            key=f"axes {visit.editor}",
        )
        == "2D"
    )
    if in_2d != (len(rows[0]) == 6):
        rows = tuple((row[0], row[1], 0.0, row[2], row[2], 0.0) if in_2d else (row[0], row[1], row[3]) for row in rows)
        put(groups=rows)
        _refit_by_hand(visit)
        visit.editor += 1
        st.rerun()
    edited = _edit(visit, "groups", rows, "points", "dynamic")
    if edited is not None and edited != visit.values["groups"]:
        put(groups=edited)
        st.rerun()


def _start_table(visit: Session) -> None:
    st.caption(
        "Weights are divided by their sum. At iteration 0 you can also drag the means on the plot; both stay in step."
    )
    edited = _edit(visit, "by-hand", visit.values["by-hand"], "weight", "fixed")
    if edited is not None and edited != visit.values["by-hand"]:
        put(**{"by-hand": edited})
        st.rerun()


def _edit(visit: Session, name: str, rows: Rows, size: str, num_rows: Any) -> Rows | None:
    """An editable table of rows; what is typed stays typed, and None is returned while it is not legal.

    The table is given the rows as they were when this editor was opened: its edits are kept by the browser on top of
    them, so they are not given again.
    """
    base = st.session_state.setdefault(f"{name} table {visit.editor}", rows)
    header = [size, *(AXES_1D if len(base[0]) == 3 else AXES_2D)]
    frame = pd.DataFrame(list(base), columns=header, index=range(1, len(base) + 1), dtype=float)
    table = st.data_editor(
        frame,
        key=f"{name} editor {visit.editor}",
        num_rows=num_rows,
        width="stretch",
        column_config={column: st.column_config.NumberColumn(required=True) for column in header},
        alt=f"Editable table of {name.replace('-', ' ')}",
    )
    edited = tuple(tuple(float(cell) for cell in row) for row in table.to_numpy())
    try:
        choices.SETTINGS[name].parse(choices.SETTINGS[name].write(edited))
    except ValueError as error:
        st.error(f"The table needs {plain(str(error))}. The picture shows the last table that was legal.")
        return None
    return edited
