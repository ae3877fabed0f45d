"""A visitor's CSV file as numbers: read with patience, refused in one sentence, bounded in time and memory.

Accepted: one header row or none; commas, semicolons or tabs between cells; a point or a comma before
decimals; quoted cells; UTF-8, UTF-16 or Windows' Latin alphabet; any line ends; blank lines.
"""

from __future__ import annotations

import codecs
import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emcore.datasets import MAX_SAMPLES

MAX_BYTES = 5 * 2**20
MAX_ROWS = MAX_SAMPLES
MAX_COLUMNS = 50
MAX_LINES = 10 * MAX_ROWS  # room for blank lines and for quoted cells of several lines
MAX_LINE = 20_000  # characters
LARGEST = 1e100  # beyond this, squares leave little room before doubles end

_DELIMITERS = ("\t", ";", ",")  # in this order: a comma may also be the decimal mark
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITY = re.compile(r"[+-]?inf(?:inity)?|[+-]?∞", re.IGNORECASE)
_MISSING = frozenset({"", "-", "?", ".", "na", "n/a", "#n/a", "nan", "nil", "none", "null"})
_BINARY = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file",
}


class UploadError(ValueError):
    """A file that cannot be used; its message is one sentence for the person who brought it."""


class Skipped(NamedTuple):
    """A cell without a usable number.

    Attributes
    ----------
    line : int
        The line in the file, from 1.
    column : str
        The name of its column.
    text : str
        What stands there, shortened.
    reason : str
        "missing", "not a number", "a formula, not a number", "infinite" or "too large".
    """

    line: int
    column: str
    text: str
    reason: str


class Column(NamedTuple):
    """One column as numbers.

    Attributes
    ----------
    values : ndarray of shape (n_rows,)
        NaN where a cell holds no usable number.
    problems : tuple of Skipped
        Why, for each of these cells.
    """

    values: NDArray[np.float64]
    problems: tuple[Skipped, ...]


class Selection(NamedTuple):
    """The rows with a number in every chosen column, or with `holes` all rows.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Read-only; NaN where a cell is one of `holes`.
    columns : tuple of str
        The names of the columns of X.
    skipped : tuple of Skipped
        The cells for which rows were left out, in the order of the file.
    holes : tuple of Skipped
        The cells without a usable number in rows that were kept, in the order of the file.
    """

    X: NDArray[np.float64]
    columns: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    holes: tuple[Skipped, ...] = ()

    @property
    def n_skipped_rows(self) -> int:
        """How many rows were left out; one row can have two unusable cells."""
        return len({cell.line for cell in self.skipped})


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a CSV file, as text.

    Attributes
    ----------
    columns : tuple of str
        Their names: from the header, or "Column 1", "Column 2", ...
    has_header : bool
        Whether the first row was taken as names.
    lines : tuple of int
        The line of the file on which each row begins, from 1.
    cells : tuple of tuples of str
        Row by row; each row is as long as `columns`.
    """

    columns: tuple[str, ...]
    has_header: bool
    lines: tuple[int, ...]
    cells: tuple[tuple[str, ...], ...]

    @cached_property
    def numeric_columns(self) -> tuple[str, ...]:
        """The columns that hold a number in at least half of their cells that are not missing."""
        return tuple(name for j, name in enumerate(self.columns) if _mostly_numbers(row[j] for row in self.cells))

    @property
    def contents(self) -> str:
        """How many columns there are and what they are called: "2 columns: Column 1, Column 2"."""
        n, most = len(self.columns), 8
        names = ", ".join(self.columns[:most]) + (", …" if n > most else "")
        return f"{n} column{'' if n == 1 else 's'}: {names}"

    def numeric(self, name: str) -> Column:
        """The column called `name` as numbers, with a problem for every cell that holds none."""
        if name not in self.columns:
            raise UploadError(f"There is no column called “{_shortened(name)}” in this file.")
        j = self.columns.index(name)
        values = np.empty(len(self.cells))
        problems = []
        # Where points are in use before decimals, a comma must be something else: a list, or thousands.
        decimal_comma = not any("." in row[j] and _is_number(row[j]) for row in self.cells)
        for i, (line, row) in enumerate(zip(self.lines, self.cells, strict=True)):
            values[i], reason = _parsed(row[j], decimal_comma)
            if reason:
                problems.append(Skipped(line, name, _shortened(row[j]), reason))
        return Column(values, tuple(problems))


def read_csv(raw: bytes) -> Table:
    """The table in the file with content `raw`; UploadError where there is none that can be used."""
    text = decoded(raw)
    text, delimiter = _declared_delimiter(text)
    n_lines = text.count("\n")
    if n_lines > MAX_LINES:
        raise UploadError(
            f"This file has {n_lines:,} lines: at most {MAX_ROWS:,} rows can be used, so upload a part of it."
        )
    longest = max(map(len, text.split("\n")))
    if longest > MAX_LINE:
        raise UploadError(
            f"A line of this file has {longest:,} characters, more than the limit of {MAX_LINE:,}: "
            "put each observation on a line of its own."
        )
    lines, rows = _rows(text, delimiter or _guessed_delimiter(text))
    if not rows:
        raise UploadError("This file is empty: it needs at least one row of numbers.")
    width = max(len(row) for row in rows)
    has_header = _starts_with_header(rows)
    if has_header:
        names = rows[0]
        for line, row in zip(lines, rows, strict=True):
            if len(row) > len(names):
                raise UploadError(
                    f"Line {line} has {len(row)} cells but the header names {len(names)}: "
                    "if commas mark decimals, separate the columns by semicolons."
                )
        columns = _column_names(names)
        lines, rows = lines[1:], rows[1:]
        width = len(columns)
    else:
        columns = _column_names([""] * width)
    if not rows:
        raise UploadError("This file has a header but no rows of numbers below it.")
    if len(rows) > MAX_ROWS:
        raise UploadError(f"This file has more than {MAX_ROWS:,} rows, which is the limit: upload a part of it.")
    cells = tuple(tuple(row + [""] * (width - len(row))) for row in rows)
    table = Table(columns, has_header, tuple(lines), cells)
    if not table.numeric_columns:
        raise UploadError("No column of this file holds numbers: one at least must.")
    return table


def select(table: Table, names: Sequence[str], most: int = 2, *, keep_holes: bool = False) -> Selection:
    """The numbers of at most `most` columns.

    Rows in which a number is missing or unusable are left out; with `keep_holes` they stay, with NaN in these cells.

    Raises
    ------
    UploadError
        An unknown column, or no row that is left; with `keep_holes` a column without any number.
    """
    if not 1 <= len(names) <= most or len(set(names)) != len(names):
        raise UploadError(
            "Choose one column, or two different ones." if most == 2 else f"Choose at most {most} different columns."
        )
    columns = [table.numeric(name) for name in names]
    X = np.column_stack([column.values for column in columns])
    if keep_holes:
        for name, values in zip(names, X.T, strict=True):
            if not np.isfinite(values).any():
                raise UploadError(f"No row of this file has a number in “{name}”.")
    else:
        X = X[np.isfinite(X).all(axis=1)]
    if len(X) == 0:
        chosen = " and ".join(f"“{name}”" for name in names)
        raise UploadError(f"No row of this file has a number in {chosen}.")
    X.flags.writeable = False
    unusable = tuple(sorted((cell for column in columns for cell in column.problems), key=lambda cell: cell.line))
    return Selection(X, tuple(names), *(((), unusable) if keep_holes else (unusable, ())))


def decoded(raw: bytes, most: int = MAX_BYTES, wanted: str = "CSV") -> str:
    """The text of a file with at most `most` bytes, "\\n" at its line ends; UploadError if it has none.

    `wanted` is the kind of file that the message asks for instead.
    """
    if len(raw) > most:
        size = f"{len(raw) / 2**20:.1f} MB"
        raise UploadError(f"This file has {size}, more than the limit of {most // 2**20} MB.")
    for magic, kind in _BINARY.items():
        if raw.startswith(magic):
            raise UploadError(f"This is {kind}, not a {wanted} file: save it as {wanted} and upload that.")
    encoding = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise UploadError(f"The text of this file is damaged: save it again as {wanted} in UTF-8.") from None
        text = raw.decode("cp1252", errors="replace")  # Latin-1, with what Windows adds to it
    # Texts hold tabs, line ends, form feeds and perhaps a final Ctrl-Z, but no other control characters.
    text = text.rstrip("\x1a")
    if re.search(r"[\x00-\x08\x0e-\x1f\x7f]", text):
        raise UploadError(f"This is not a text file: save it as {wanted} and upload that.")
    # Only these end a line: str.splitlines and the line numbers of csv would disagree over the rarer ones.
    text = re.sub(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]", "\n", text)
    return text


def _encoding(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Without a mark: in UTF-16, every other byte of digits and separators is zero.
    if len(raw) >= 4 and len(raw) % 2 == 0:
        if raw[1::2].count(0) > 0.9 * len(raw) / 2 and raw[::2].count(0) == 0:
            return "utf-16-le"
        if raw[::2].count(0) > 0.9 * len(raw) / 2 and raw[1::2].count(0) == 0:
            return "utf-16-be"
    return "utf-8-sig"


def _declared_delimiter(text: str) -> tuple[str, str | None]:
    """The text without Excel's first line `sep=;` (lines keep their numbers), and the mark that it names."""
    found = re.match(r'"?sep=([,;\t])"?[ \t;,]*(?=\n|$)', text, re.IGNORECASE)
    return (text[found.end() :], found[1]) if found else (text, None)


def _guessed_delimiter(text: str) -> str:
    """The mark that splits nearly all of the first lines alike, into more than one cell."""
    sample = [line for line in islice(text.split("\n"), 1000) if line.strip()][:50]
    if not sample:
        return ","
    for delimiter in _DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(sample, delimiter=delimiter, skipinitialspace=True)]
        except csv.Error:
            continue
        header, below = counts[0], Counter(counts[1:] or counts)
        width, how_often = below.most_common(1)[0]
        if delimiter == "," and header == 1 and _are_decimals(sample[1:]):
            continue
        if width > 1 and how_often >= 0.6 * sum(below.values()):
            return delimiter
    return ";" if _are_decimals(sample[1:]) else ","


def _are_decimals(lines: list[str]) -> bool:
    """Whether every line with a comma is a number such as 3,5: one column, then, and not two."""
    return all(_is_number(line.strip()) for line in lines if "," in line)


def _rows(text: str, delimiter: str) -> tuple[list[int], list[list[str]]]:
    """The rows that are not blank, with the lines on which they begin; cells without surrounding blanks."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    texts: dict[str, str] = {}  # equal cells share one text: a visit keeps its table
    begins = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:  # separators at the end of a line
                cells.pop()
            if len(cells) > MAX_COLUMNS:
                raise UploadError(f"Line {begins} has {len(cells):,} cells, more than the limit of {MAX_COLUMNS}.")
            if cells:
                lines.append(begins)
                rows.append([texts.setdefault(cell, cell) for cell in cells])
            if len(rows) > MAX_ROWS + 1:  # one may be the header
                break
            begins = reader.line_num + 1
    except csv.Error:
        raise UploadError(
            f"The quotation marks in the row that begins on line {begins} do not close as they should."
        ) from None
    return lines, rows


def _starts_with_header(rows: list[list[str]]) -> bool:
    """Whether the first row holds names: texts, of which one stands over numbers, or no number at all."""
    first = rows[0]
    texts = [j for j, cell in enumerate(first) if not _is_number(cell) and cell.lower() not in _MISSING]
    if not texts:
        return False
    if not any(_is_number(cell) for cell in first):
        return True
    below = rows[1:]
    return any(_mostly_numbers(row[j] for row in below if len(row) > j) for j in texts)


def _column_names(header: list[str]) -> tuple[str, ...]:
    names = tuple(_shortened(name) or f"Column {j + 1}" for j, name in enumerate(header))
    name, how_often = Counter(names).most_common(1)[0]
    if how_often > 1:
        raise UploadError(f"{how_often} columns are called “{name}”: give each a name of its own.")
    return names


def _is_number(cell: str) -> bool:
    cell = cell.replace("−", "-")  # the typographic minus sign
    return bool(_NUMBER.fullmatch(cell) or _INFINITY.fullmatch(cell))


def _mostly_numbers(cells: Iterator[str]) -> bool:
    present = [cell for cell in cells if cell.lower() not in _MISSING]
    return bool(present) and sum(map(_is_number, present)) >= 0.5 * len(present)


def _parsed(cell: str, decimal_comma: bool) -> tuple[float, str]:
    """The number in a cell and ""; or NaN and the reason why there is none."""
    if cell.lower() in _MISSING:
        return math.nan, "missing"
    cell = cell.replace("−", "-")
    if _INFINITY.fullmatch(cell):
        return math.nan, "infinite"
    if not _NUMBER.fullmatch(cell) or ("," in cell and not decimal_comma):
        return math.nan, "a formula, not a number" if cell.startswith(("=", "@")) else "not a number"
    value = float(cell.replace(",", "."))
    return (value, "") if abs(value) <= LARGEST else (math.nan, "too large")


def _shortened(text: str, length: int = 40) -> str:
    """The text on one line, at most `length` characters long."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
