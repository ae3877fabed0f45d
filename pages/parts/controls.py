"""Every widget that decides a run, and the way between widgets, session and URL.

`begin` reads the link into the session, the widgets change the session, `end` writes the link. Going back in the
browser is going back to an earlier link, so it undoes a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from emcore.datasets import DATASETS
from emcore.experiment import Experiment, OwnData
from emcore.starts import STARTS
from pages.parts import csv_table
from pages.parts import settings as choices
from pages.parts.settings import PLACE, Link, ModelOffer, Offer, Rows, Values
from pages.parts.text import plain

MOST_SENTENCES = 10
MAX_UPLOAD = 20  # MB that the uploader takes, so that a file above the reader's limit is refused in our words


@dataclass
class Session:
    """What the visit remembers: the choices, the file that was brought, and the link that it stands for."""

    values: Values
    link: Link
    query: dict[str, str]
    offer: Offer | ModelOffer = choices.PLAYGROUND
    own: OwnData | None = None
    table: tuple[str, csv_table.Table] | None = None  # the file's id, and what was read from it
    editor: int = 0  # a new number empties the tables' edits
    tables: dict[str, tuple[int, Rows]] = field(default_factory=dict)  # each table's editor, and what it was given
    complaint: tuple[int, str] | None = None  # an editor, and why it was opened anew
    dot: Any = None  # the run that was last chosen in a chart of many
    groups_2d: Rows = ()  # as they were when the groups were last in 2D
    opened: int = 0  # a new number opens the player at the link's place
    rested: tuple[Experiment, int] | None = None  # the run in the player, and the position where it rests
    half_steps: bool = False  # whether it shows half-steps
    point: tuple[Any, int] | None = None  # the data that were clicked, and the row of X
    ends: tuple[tuple[Experiment, float], ...] = ()  # the last two runs, and the objective at which each ended
    animation: tuple[Any, bytes] | None = None  # the last that was drawn, and of what: the heaviest thing in a visit
    pending: Values | None = None  # chosen after the widgets were drawn, for the next run of the script

    @property
    def position(self) -> int:
        """Where the player rests."""
        return self.rested[1] if self.rested else 0

    @property
    def shows_example(self) -> bool:
        """Whether an example stands in for a file that is not here yet."""
        return self.values["data"] == "file" and self.own is None


def session() -> Session:
    """The session of the lesson on show."""
    visit: Session = st.session_state["session"]
    return visit


def begin(lesson: str = "playground", offer: Offer | ModelOffer = choices.PLAYGROUND) -> Session:
    """Before any widget: follow the URL where it was changed from outside.

    Every lesson has a session of its own. Who comes back to it by the menu, which names no settings, finds it as it
    was.
    """
    sessions: dict[str, Session] = st.session_state.setdefault("sessions", {})
    arrived = st.session_state.get("lesson") != lesson
    st.session_state["lesson"] = lesson
    query = _query()
    new = lesson not in sessions
    if new:
        link = choices.read_link(st.query_params.to_dict(), offer)
        sessions[lesson] = Session(dict(link.values), link, query, offer, half_steps=link.half_steps)
    visit = st.session_state["session"] = sessions[lesson]
    if arrived:
        put(**visit.values)  # widgets of other lessons have the same names
    for name in offer.own:  # a lesson's own widgets come after the link is written
        visit.values[name] = st.session_state.setdefault(name, visit.values[name])
    if arrived and not new:
        visit.editor += 1
        visit.opened += 1
        if not query:
            visit.link = Link(dict(visit.values), visit.position, visit.half_steps, ())
            visit.query = query
    if query != visit.query:
        visit.link = choices.read_link(st.query_params.to_dict(), offer)
        visit.query = query
        visit.half_steps = visit.link.half_steps
        visit.rested = None
        visit.opened += 1
        visit.editor += 1
        visit.groups_2d = ()
        put(**visit.link.values)
    if visit.pending is not None:
        put(**visit.pending)
        visit.pending = None
        visit.editor += 1
    return visit


def elsewhere() -> None:
    """For a page without settings: who comes back from it to a lesson arrives there, and finds it as it was."""
    st.session_state["lesson"] = None


def end(visit: Session) -> None:
    """After the widgets: write what was chosen into the URL (the place in it is the player's to write), and say what
    in the link that was opened could not be followed, until the visitor moves on."""
    if visit.values != visit.link.values:
        visit.link = Link(dict(visit.values), 0, visit.half_steps, ())
    query = choices.write_link(visit.values, visit.offer)
    if query != visit.query or query != _query():
        visit.query = query
        others = {name: text for name, text in st.query_params.to_dict().items() if name not in visit.offer.settings}
        unknown = {name for name in others if name not in PLACE and not choices.is_foreign(name)}
        st.query_params.from_dict(query | {name: others[name] for name in others if name not in unknown})
    refused = visit.link.refused
    if refused:
        more = f"\n- and {len(refused) - MOST_SENTENCES} more." if len(refused) > MOST_SENTENCES else ""
        st.warning(
            "This link could not be followed in every part; the usual value stands in.\n\n"
            + "\n".join(f"- {plain(sentence)}" for sentence in refused[:MOST_SENTENCES])
            + more
        )


def place(visit: Session, experiment: Experiment, n_positions: int) -> int:
    """Where a player opens this run: at the link's place, at that where another player left the run, or at the start
    if the run does not go so far."""
    position = visit.link.position
    if not position and visit.rested is not None and visit.rested[0] == experiment:
        return min(visit.rested[1], n_positions - 1)
    if position < n_positions:
        return position
    n = n_positions // 2 - 1
    st.warning(
        f"This link leads to iteration {position // 2:,}, but this run has {n:,} iteration{'' if n == 1 else 's'}; "
        "it opens at the start."
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
        if name not in PLACE and not choices.is_foreign(name)
    }


def widget(name: str, make: Any, *args: Any, **options: Any) -> Any:
    """A widget bound to a setting: it shows the session's value, and the session follows it.

    Its state stays while the page does not show it: else it may come back with its default, and send that.
    """
    values = session().values
    if name not in st.session_state:
        st.session_state[name] = values[name]
    values[name] = make(*args, key=name, **{"persist_state": "page"} | options)
    return values[name]


def section(name: str, titles: Mapping[str, str], about: str = "Section of the lesson") -> str:
    """Which section of a lesson is on show, by the setting `name`, in a row across the page."""
    chosen: str = widget(
        name,
        st.segmented_control,
        about,
        list(titles),
        format_func=titles.__getitem__,
        required=True,
        label_visibility="collapsed",
        width="stretch",
    )
    return chosen


def sidebar(visit: Session) -> Experiment:
    """Data, model, start, run and view, in the order in which a person decides them."""
    with st.sidebar:
        _data(visit)
        _model()
        _start(visit)
        _run()
        _view(visit)
    return choices.experiment(visit.values, visit.own)


def example(name: str, titles: Mapping[str, str], about: str) -> str:
    """What a model lesson's data are, by the setting `name`; choosing one also sets up what its offer says."""

    def chosen() -> None:
        visit = session()
        put(**{name: st.session_state[name]})
        put(**visit.offer.defaults({name: visit.values[name]}) | {name: visit.values[name]} | _view_of(visit))

    example: str = widget(
        name, st.selectbox, "Example", list(titles), format_func=titles.__getitem__, help=about, on_change=chosen
    )
    return example


def _view_of(visit: Session) -> Values:
    """What concerns the eye alone, and stays when an example is chosen."""
    return {"projector": visit.values["projector"]}


def model_run(random: bool = True) -> None:
    """The sidebar of a model lesson below its own choices: the start's seed, the run, the view.

    `random` says whether the start of this lesson has anything random now.
    """
    st.subheader("Start")
    start_seed(random)
    _run()
    st.subheader("View")
    projector()


def start_seed(random: bool) -> None:
    """The start's seed, and the button that takes the next one."""
    _seed(
        "start-seed",
        "Start seed",
        "Reseed start",
        random,
        "The same seed gives the same start. It does not touch the data.",
        "Start again from elsewhere, on the same data." if random else "Nothing in this start is random.",
        "primary",
    )


def data_seed(random: bool) -> None:
    """The seed of the data, and the button that takes the next one."""
    _seed(
        "data-seed",
        "Data seed",
        "New data",
        random,
        "The same seed draws the same data again. It does not touch the start.",
        "Draw other data in the same way." if random else "These data are as they are.",
        "secondary",
    )


def projector() -> None:
    """The switch for the back row."""
    widget("projector", st.toggle, "Projector", help="Larger type and thicker lines, for the back row.")


def _data(visit: Session) -> None:
    st.subheader("Data")
    source = widget(
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
        name = widget(
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
        st.caption("Set the groups in the table above the picture.")
    data_seed(random)


def _seed(name: str, label: str, press: str, random: bool, about_seed: str, about_press: str, kind: Any) -> None:
    """A seed and the button that takes the next one, both idle where nothing is random."""
    button, seed = st.columns([3, 2], vertical_alignment="bottom")
    with seed:
        widget(name, st.number_input, label, 0, choices.MAX_SEED, step=1, disabled=not random, help=about_seed)
    button.button(
        press, type=kind, on_click=next_seed, args=(name,), disabled=not random, width="stretch", help=about_press
    )


def _model() -> None:
    st.subheader("Model")
    widget(
        "components",
        st.number_input,
        "Components K",
        1,
        choices.MAX_COMPONENTS,
        step=1,
        on_change=_components_chosen,
        help="How many Gaussians the mixture has. EM does not find this number: you choose it.",
    )
    widget(
        "shape",
        st.selectbox,
        "Covariance",
        list(choices.SHAPES),
        format_func=choices.SHAPES.__getitem__,
        help="Full: any ellipse for each component. Tied: one ellipse for all. Diagonal: along the axes. "
        "Spherical: circles. In 1D only tied differs: one standard deviation for all.",
    )


def _start(visit: Session) -> None:
    st.subheader(
        "Start",
        help="Where EM begins. Whatever the start: at iteration 0 you can drag the means on the picture, which then "
        "is a start by hand. A start by hand has a table below the picture, for weights, means and covariances.",
    )
    name = widget(
        "start",
        st.selectbox,
        "Start",
        list(STARTS),
        format_func=lambda name: STARTS[name].title,
        label_visibility="collapsed",
        on_change=_start_chosen,
    )
    st.caption(STARTS[name].description)
    start_seed(STARTS[name].random)


def _run() -> None:
    st.subheader("Run")
    widget(
        "max-iter",
        st.number_input,
        "Max. iterations",
        1,
        choices.MAX_ITERATIONS,
        step=10,
        help=f"EM stops after this many iterations at the latest. At most {choices.MAX_ITERATIONS:,}.",
    )
    widget(
        "tol",
        st.selectbox,
        "Tolerance",
        list(choices.TOLERANCES),
        format_func=lambda tol: choices.number(tol) if tol else "0 (never stop early)",
        help="Stop when an iteration gains less than this, in nats of log-likelihood per point.",
    )


def _view(visit: Session) -> None:
    st.subheader("View")
    known = choices.experiment(visit.values, visit.own).dataset().truth is not None
    widget(
        "truth",
        st.toggle,
        "Show the truth",
        disabled=not known,
        help="The groups that the data were drawn from: dashed in the picture, and beside the parameters."
        if known
        else "Nobody knows the truth of these data, or whether they have one.",
    )
    if choices.n_features(visit.values, visit.own) == 2:
        widget("contours", st.toggle, "Density contours", help="Lines of equal density of the whole mixture.")
    projector()


def reseed(visit: Session) -> None:
    """The sidebar's button for another start, beside the picture: on a phone the sidebar is shut."""
    name = visit.values["start"]
    random = STARTS[name].random
    st.button(
        "Reseed start",
        key="reseed",
        type="primary",
        icon=":material/casino:",
        on_click=next_seed if random else put,
        args=("start-seed",) if random else (),
        kwargs={} if random else {"start": "random-points"},
        width="stretch",
        help="Start again from elsewhere, on the same data."
        if random
        else f"{STARTS[name].title} has nothing random: this goes over to random points.",
    )


def next_seed(name: str) -> None:
    """Choose the next number for the seed `name`."""
    put(**{name: (session().values[name] + 1) % (choices.MAX_SEED + 1)})


def _source_chosen() -> None:
    visit = session()
    visit.values["data"] = source = st.session_state["data"]
    visit.editor += 1  # a table that was not on show has lost its edits: the values have them
    if source == "groups":
        st.session_state["groups open"] = True
    if source != "file":
        visit.table = None
    _refit_by_hand(visit)


def _preset_chosen() -> None:
    visit, name = session(), st.session_state["preset"]
    put(preset=name, **visit.offer.setup(name))
    visit.editor += 1


def _components_chosen() -> None:
    visit = session()
    visit.values["components"] = st.session_state["components"]
    _refit_by_hand(visit)


def _start_chosen() -> None:
    visit = session()
    visit.values["start"] = start = st.session_state["start"]
    visit.editor += 1
    if start == "by-hand":
        st.session_state["start open"] = True
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
    asked = st.empty()
    if visit.own is None:
        asked.info(
            f"This link was made with the file {plain(visit.values['file'])}, which a link cannot carry. "
            "Choose that file here to see the same picture; until then the page shows an example."
            if visit.values["file"]
            else "Choose a CSV file. Until then the page shows an example."
        )
    brought = st.file_uploader(
        f"CSV file, at most {csv_table.MAX_BYTES // 2**20} MB",
        type=["csv", "tsv", "txt"],
        max_upload_size=MAX_UPLOAD,
        key="upload",
        help=f"One or two columns of numbers; a header is welcome. At most {csv_table.MAX_ROWS:,} rows. "
        "The file stays in this session and is not stored.",
    )
    if brought is None:
        visit.table = None
        _say_what_is_on_show(visit)
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
        _say_what_is_on_show(visit)
        return
    asked.empty()
    visit.own = own
    visit.values["file"] = "".join(letter for letter in own.name if letter.isprintable())
    _refit_by_hand(visit)
    st.caption(f"The file has {plain(table.contents)}.")
    _say_what_was_left_out(selection)


def _say_what_is_on_show(visit: Session) -> None:
    if visit.own is not None:
        st.caption(f"On show: {plain(visit.own.name)}, {plain(', '.join(visit.own.columns))}.")


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


def group_editor(visit: Session) -> None:
    """The table that sets the groups, where they are the data. It opens itself for who has just chosen them."""
    if visit.values["data"] == "groups":
        with st.expander("The groups that the data are drawn from", key="groups open", on_change="rerun"):
            _group_table(visit)


def start_editor(visit: Session) -> None:
    """The table that sets the start, where it is by hand. It opens itself for who has just chosen it."""
    if visit.values["start"] == "by-hand":
        with st.expander("The start, by hand", key="start open", on_change="rerun"):
            _start_table(visit)


def _group_table(visit: Session) -> None:
    rows: Rows = visit.values["groups"]
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        axes = st.segmented_control(
            "Axes",
            ["1D", "2D"],
            default="2D" if len(rows[0]) == 6 else "1D",
            required=True,
            key=f"axes {visit.editor}",
        )
    in_2d = axes == "2D"
    if in_2d != (len(rows[0]) == 6):
        if not in_2d:
            visit.groups_2d = rows
        put(groups=choices.in_2d(rows, visit.groups_2d) if in_2d else choices.in_1d(rows))
        _refit_by_hand(visit)
        visit.editor += 1
        st.rerun()
    # Not the grid's own empty row: it counts only when its last cell is filled, and a finger hardly hits it.
    row.button(
        "Add a group",
        on_click=_add_group,
        disabled=choices.one_more_group(rows) is None,
        help="Another group like the last, to its right. To remove rows, mark them and press Delete or the bin.",
    )
    edited = _edit(visit, "groups", rows, "points", "delete")
    if edited is not None and edited != rows:
        put(groups=edited)
        if len(edited) != len(rows):
            visit.editor += 1  # numbers the rows anew
        st.rerun()


def _add_group() -> None:
    visit = session()
    more = choices.one_more_group(visit.values["groups"])
    if more is not None:
        put(groups=more)
        visit.editor += 1


def _start_table(visit: Session) -> None:
    st.caption(
        "Weights are divided by their sum. At iteration 0 you can also drag the means on the plot; both stay in step."
    )
    edited = _edit(visit, "by-hand", visit.values["by-hand"], "weight", "fixed")
    if edited is not None and edited != visit.values["by-hand"]:
        put(**{"by-hand": edited})
        st.rerun()


def own_rows(
    visit: Session,
    name: str,
    title: str,
    columns: Sequence[str],
    check: Callable[[Rows], None],
    *,
    about: str = "",
    read: Callable[[Rows], Rows] = lambda rows: rows,
) -> None:
    """A model lesson's table of the visitor's own numbers: the setting `name` follows what is typed.

    `read` makes the setting's rows of the table's cells (empty ones NaN), `check` raises ValueError, a sentence, where
    they are not legal: what is typed stays typed, and the setting stays as it was. The table is given the rows as they
    were when it was opened: its edits are kept by the browser on top of them.
    """
    if visit.tables.get(name, (None,))[0] != visit.editor:
        visit.tables[name] = visit.editor, visit.values[name]
    base = visit.tables[name][1]
    with st.expander(title, expanded=True):
        if about:
            st.caption(about)
        filled = [(*row, *[None] * (len(columns) - len(row))) for row in base]
        table = st.data_editor(
            pd.DataFrame(filled, columns=list(columns), dtype=float),
            key=f"{name} editor {visit.editor}",
            num_rows="dynamic",
            width="stretch",
            hide_index=True,
            alt=f"Editable table: {title.lower()}",
        )
        try:
            rows = read(tuple(tuple(row) for row in table.to_numpy(dtype=float, na_value=np.nan).tolist()))
            if not rows:
                raise ValueError("there must be at least one row")
            check(rows)
        except ValueError as error:
            st.error(f"In the table, {plain(str(error))}. The page shows the last table that was legal.")
            return
    if rows != visit.values[name]:
        put(**{name: rows})
        st.rerun()


def _edit(visit: Session, name: str, rows: Rows, first: str, num_rows: Any) -> Rows | None:
    """An editable table of rows; what is typed stays typed, and None is returned while it is not legal.

    The table is given the rows as they were when this editor was opened: its edits are kept by the browser on top of
    them, so they are not given again.
    """
    if visit.tables.get(name, (None,))[0] != visit.editor:
        visit.tables[name] = visit.editor, rows
    base = visit.tables[name][1]
    header = list(choices.header(base, first))
    table = st.data_editor(
        pd.DataFrame(list(base), columns=header, index=range(1, len(base) + 1), dtype=float),
        key=f"{name} editor {visit.editor}",
        num_rows=num_rows,
        width="stretch",
        column_config={column: st.column_config.NumberColumn(required=True) for column in header},
        alt=f"Editable table of {name.replace('-', ' ')}",
    )
    message = st.empty()  # always there: a message must not change the places of other elements
    cells = table.to_numpy(dtype=float, na_value=np.nan)
    edited: Rows = tuple(tuple(row) for row in cells.tolist())
    if not edited:
        visit.editor += 1
        visit.complaint = visit.editor, "There must be at least one row: the last that were legal are back."
        st.rerun()
    try:
        choices.CHECKS[name](edited)
    except ValueError as error:
        message.error(f"In the table, {plain(str(error))}. The picture shows the last table that was legal.")
        return None
    if visit.complaint and visit.complaint[0] == visit.editor and edited == base:
        message.error(visit.complaint[1])
    return edited
