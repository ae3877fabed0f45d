"""What people's CSV files look like, and what must not get through."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pages.parts.csv_table import MAX_BYTES, MAX_ROWS, UploadError, read_csv, select

EXPECTED = [[1.5, 2.0], [-3.0, 0.25], [1000.0, 7.0]]


def numbers(text, *names):
    """X of the columns called `names`, or of all."""
    table = read_csv(text if isinstance(text, bytes) else text.encode())
    return select(table, names or table.columns).X.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1.5,2\n-3,.25\n1e3,7.\n",
        "x;y\n1.5;2\n-3;.25\n1e3;7\n",
        "x\ty\n1.5\t2\n-3\t.25\n1e3\t7",
        "x;y\n1,5;2\n-3;0,25\n1e3;7\n",  # decimal comma
        "x\ty\n1,5\t2,0\n-3,0\t,25\n1000\t7",
        '"x","y"\n"1,5","2"\n"-3","0,25"\n"1000","7"\n',
        "x,y\r\n1.5,2\r\n-3,.25\r\n1000,7\r\n",
        "x,y\r1.5,2\r-3,.25\r1000,7",
        "\n\nx,y\n1.5,2\n\n ,\n-3,.25\n1000,7\n\n\n",
        "x, y\n 1.5 , 2\n −3, +.25\n1E+3,7\n",
        'x,y\n1.5,2\n"-3","0.25"\n1000,7\n',
        "x,y,\n1.5,2,\n-3,.25,,\n1000,7,\n",  # separators at the ends of lines
        "sep=;\nx;y\n1,5;2\n-3;,25\n1000;7\n",
        'SEP=,\n"x","y"\n1.5,2\n-3,.25\n1000,7\n',
        "1.5,2\n-3,.25\n1e3,7\n",  # no header
        "1,5;2\n-3;0,25\n1000;7\n",
        '"x\nin two lines",y\n1.5,2\n-3,.25\n1000,7\n',
        "x,y\n1.5,2\n-3,.25\n1000,7\n\x1a",
    ],
)
def test_common_dialects(text):
    assert numbers(text) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"])
def test_common_encodings(encoding):
    name = "Größe (µm)"
    table = read_csv(f"{name};Höhe\n1,5;2\n-3;0,25\n1000;7\n".encode(encoding))
    assert table.columns == (name, "Höhe")
    assert select(table, (name, "Höhe")).X.tolist() == EXPECTED


def test_one_column():
    assert numbers("x\n1\n2\n3\n") == numbers("1\n2\n3") == [[1], [2], [3]]
    assert numbers("x\n3,5\n4\n-1,25\n") == [[3.5], [4], [-1.25]]  # one name: the comma marks decimals
    assert numbers("3\n2,5\n1\n") == [[3], [2.5], [1]]


def test_columns_are_chosen_by_name_in_the_order_asked():
    table = read_csv(b"species,a,b\nsetosa,1,2\nvirginica,3,4\n")
    assert table.columns == ("species", "a", "b")
    assert table.numeric_columns == ("a", "b")
    chosen = select(table, ["b", "a"])
    assert chosen.X.tolist() == [[2, 1], [4, 3]] and chosen.columns == ("b", "a")
    assert select(table, ["b"]).X.shape == (2, 1)
    assert not chosen.X.flags.writeable
    for names in ([], ["a", "b", "species"], ["a", "a"], ["c"]):
        with pytest.raises(UploadError):
            select(table, names)
    with pytest.raises(UploadError, match="No row of this file has a number in “species”"):
        select(table, ["species"])


@pytest.mark.parametrize(
    ("text", "has_header", "columns"),
    [
        ("a,b\n1,2\n", True, ("a", "b")),
        ("1,2\n3,4\n", False, ("Column 1", "Column 2")),
        ("a,\n1,2\n", True, ("a",)),
        (",b\n1,2\n", True, ("Column 1", "b")),
        ("year,2019\n1,2\n3,4\n", True, ("year", "2019")),  # a text over numbers is a name
        ("setosa,5.1\nsetosa,4.9\n", False, ("Column 1", "Column 2")),  # a text over texts is a datum
        ("NA,3\n1,2\n", False, ("Column 1", "Column 2")),
        ("inf,3\n1,2\n", False, ("Column 1", "Column 2")),
    ],
)
def test_a_header_is_recognised(text, has_header, columns):
    if text == "a,\n1,2\n":
        with pytest.raises(UploadError, match="Line 2 has 2 cells but the header names 1"):
            read_csv(text.encode())
        return
    table = read_csv(text.encode())
    assert (table.has_header, table.columns) == (has_header, columns)


def test_unusable_cells_are_told_with_their_line_and_left_out():
    text = (
        "x,y\n"  # line 1
        "1,2\n"
        "NA,3\n"
        "\n"
        "4,oops\n"  # line 5
        "5,inf\n"
        '6,"7\n'
        '"\n'
        "1e101,-∞\n"  # line 9
        "9\n"
        "=A1+B1,10\n"
        "1.234.5,11\n"
        "12,13\n"
    )
    chosen = select(read_csv(text.encode()), ("x", "y"))
    assert chosen.X.tolist() == [[1, 2], [6, 7], [12, 13]]
    assert chosen.skipped == (
        (3, "x", "NA", "missing"),
        (5, "y", "oops", "not a number"),
        (6, "y", "inf", "infinite"),
        (9, "x", "1e101", "too large"),
        (9, "y", "-∞", "infinite"),
        (10, "y", "", "missing"),
        (11, "x", "=A1+B1", "a formula, not a number"),
        (12, "x", "1.234.5", "not a number"),
    )
    assert chosen.n_skipped_rows == 7


def test_only_the_chosen_columns_decide_which_rows_are_left_out():
    table = read_csv(b"x,y\n1,\n2,3\n")
    assert select(table, ["x"]).X.tolist() == [[1], [2]]
    assert select(table, ["x", "y"]).X.tolist() == [[2, 3]]


def test_holes_are_kept_where_they_are_asked_for():
    table = read_csv(b"x,y,z\n1,2,\nNA,3,\n4,oops,\n,,7\n5,1e101,\n")
    chosen = select(table, ["x", "y"], keep_holes=True)
    np.testing.assert_array_equal(chosen.X, [[1, 2], [np.nan, 3], [4, np.nan], [np.nan, np.nan], [5, np.nan]])
    assert chosen.skipped == () and chosen.n_skipped_rows == 0
    assert chosen.holes == (
        (3, "x", "NA", "missing"),
        (4, "y", "oops", "not a number"),
        (5, "x", "", "missing"),
        (5, "y", "", "missing"),
        (6, "y", "1e101", "too large"),
    )
    assert select(table, ["x", "y"]).holes == ()
    with pytest.raises(UploadError, match="No row of this file has a number in “w”"):
        select(read_csv(b"x,w\n1,NA\n2,?\n"), ["x", "w"], keep_holes=True)


def test_a_comma_beside_decimal_points_is_no_decimal_mark():
    chosen = select(read_csv(b"x;y\n1.5;2\n1,234;3\n2.5;4\n"), ["x"])
    assert chosen.X.tolist() == [[1.5], [2.5]]
    assert chosen.skipped == ((3, "x", "1,234", "not a number"),)


def test_the_contents_of_a_file_are_told_by_number_and_name():
    assert read_csv(b"x\n1\n").contents == "1 column: x"
    assert read_csv(b"3,5\n4,2\n").contents == "2 columns: Column 1, Column 2"  # or one, with decimal commas
    many = read_csv(b",".join([b"1"] * 50)).contents
    assert many.startswith("50 columns: Column 1, ") and many.endswith("Column 8, …")


def test_equal_cells_share_their_text():
    table = read_csv(b"12.75,12.75\n" * 1000)
    assert len({id(cell) for row in table.cells for cell in row}) == 1


def test_very_long_cells_are_told_in_short():
    (cell,) = select(read_csv(b"x\n1\n" + b"z" * 5000 + b"\n2\n3"), ["x"]).skipped
    assert len(cell.text) == 40 and cell.text.endswith("…")
    (digits,) = select(read_csv(b"x\n1\n" + b"9" * 5000 + b"\n2\n3"), ["x"]).skipped
    assert digits.reason == "too large"


def workbook():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


HOSTILE = {
    "empty": (b"", "empty"),
    "blank lines": (b"\n \n,,\n", "empty"),
    "header only": (b"x,y\n", "header but no rows"),
    "words only": (b"x,y\na,b\nc,d\n", "No column of this file holds numbers"),
    "formulas only": (b"x\n=1+1\n=A1\n", "No column of this file holds numbers"),
    "duplicate names": (b"x,x\n1,2\n", "2 columns are called “x”"),
    "workbook": (workbook(), "Excel workbook"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel workbook"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "picture"),
    "PDF": (b"%PDF-1.7\n1 0 obj\n", "PDF"),
    "compressed": (b"\x1f\x8b\x08\x00" + bytes(30), "compressed"),
    "zeros": (bytes(1000), "not a text file"),
    "NUL in a cell": (b"x,y\n1,2\x00\n", "not a text file"),
    "control characters": (b"x\n\x1b[31m1\n", "not a text file"),
    "noise": (np.random.default_rng(0).bytes(10_000), "not a text file"),
    "damaged UTF-16": (b"\xff\xfe1\x00\n", "damaged"),
    "UTF-32": ("x\n1\n".encode("utf-32"), "not a text file"),
    "too large": (b"1\n" * (MAX_BYTES // 2 + 1), "more than the limit of 5 MB"),
    "too many rows": (b"x\n" + b"1\n" * (MAX_ROWS + 1), "more than 20,000 rows"),
    "too many lines": (b"1\n" * (MAX_BYTES // 2), "2,621,440 lines"),
    "too many rows, no header": (b"1\n" * (MAX_ROWS + 1), "more than 20,000 rows"),
    "a million columns": (b"1," * 1_000_000, "characters, more than the limit"),
    "hundred columns": (b",".join([b"1"] * 100) + b"\n", "100 cells, more than the limit of 50"),
    "one giant line": (b"9" * MAX_BYTES, "characters, more than the limit"),
    "quote never closed": (b'x,y\n1,2\n"3,4\n5,6\n', "row that begins on line 3"),
    "quote never closed, long": (b'x\n1\n"' + b"2\n" * 150_000, "row that begins on line 3"),
    "quote closed too soon": (b'x,y\n"a"b,2\n', "row that begins on line 2"),
    "decimal comma between commas": (b"x,y\n1,5,2,5\n", "separate the columns by semicolons"),
    "title line": (b"My table\nx,y\n1,2\n", "Line 2 has 2 cells but the header names 1"),
    "HTML": (
        b"<!DOCTYPE html>\n<html><body>no table</body></html>\n",
        "No column of this file holds numbers",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_one_sentence(case):
    raw, words = HOSTILE[case]
    with pytest.raises(UploadError) as refusal:
        read_csv(raw)
    message = str(refusal.value)
    assert words in message
    assert len(message) < 200 and message.endswith(".") and message.count(". ") == 0 and "\n" not in message


LARGEST = {
    "numbers": (",".join(["12.5"] * 50) + "\n").encode() * MAX_ROWS,
    "blank lines": b"\n" * MAX_BYTES,
    "blank lines and numbers": (b"\n" * 8 + b"1,2\n") * MAX_ROWS,
    "separators": (b"," * 40 + b"\n") * (MAX_BYTES // 41),
    "quoted": b'"1","2"\n' * MAX_ROWS,
    "long cells": (b"1," + b"9" * 250 + b"\n") * MAX_ROWS,
    "Latin": bytes(np.random.default_rng(1).integers(0xA1, 0xFF, MAX_BYTES, dtype=np.uint8)),
}


@pytest.mark.parametrize("case", LARGEST)
def test_the_largest_files_take_bounded_time_and_memory(case):
    raw = LARGEST[case][:MAX_BYTES]

    def read():
        try:
            table = read_csv(raw)
            select(table, table.numeric_columns[:2])
        except UploadError:
            pass

    begun = time.process_time()
    read()
    assert time.process_time() - begun < 6
    if case == "numbers":  # the most cells; tracing memory is slow
        tracemalloc.start()
        read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 25 * MAX_BYTES


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.floats(-1e99, 1e99, allow_nan=False).map(lambda x: x + 0.0)] * 2),
        min_size=1,
        max_size=20,
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
    decimal=st.sampled_from([".", ","]),
    header=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_written_numbers_are_read_back_exactly(rows, delimiter, decimal, header, end, encoding):
    if delimiter == "," and decimal == ",":
        delimiter = ";"
    lines = [delimiter.join(repr(x).replace(".", decimal) for x in row) for row in rows]
    text = end.join((["a" + delimiter + "b"] if header else []) + lines)
    table = read_csv(text.encode(encoding))
    assert select(table, table.columns).X.tolist() == [list(row) for row in rows]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text("0123456789.,;\t\n\r\"'ex =-+Na\x00é", max_size=120).map(str.encode)))
@example(b'"\n"')
@example(b"sep=;")
@example(b"\xef\xbb\xbf")
def test_any_bytes_give_numbers_or_one_sentence(raw):
    try:
        table = read_csv(raw)
        assert all(len(row) == len(table.columns) for row in table.cells)
        chosen = select(table, table.numeric_columns[:2])
    except UploadError as refusal:
        assert str(refusal).endswith(".")
        return
    assert np.isfinite(chosen.X).all() and len(chosen.X) + chosen.n_skipped_rows == len(table.cells)
