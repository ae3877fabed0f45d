"""The README's example of a new model, run as it stands: the laws hold for it, and its lesson opens and is used."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from streamlit.testing.v1 import AppTest

import emcore.models
from pages import Lesson
from tests import test_laws
from tests.apptest import link, press, run, words
from tests.cases import Case

ROOT = Path(__file__).parents[1]
BLOCKS = {
    re.match(r"# ([\w./]+)", block)[1]: block
    for block in re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The example's model as a module of the package, for the time of one test."""
    name = "exponential_mixture"
    (tmp_path / f"{name}.py").write_text(BLOCKS[f"emcore/models/{name}.py"], encoding="utf-8")
    monkeypatch.setattr(emcore.models, "__path__", [*emcore.models.__path__, str(tmp_path)])
    yield import_module(f"emcore.models.{name}")
    sys.modules.pop(f"emcore.models.{name}")
    vars(emcore.models).pop(name, None)


@pytest.fixture
def case(model) -> Case:
    cases: list[Case] = []
    exec(BLOCKS["tests/cases.py"], {**vars(model), "CASES": cases, "Case": Case, "np": np, "scipy": scipy})
    return cases[0]


LAWS = [name for name in vars(test_laws) if name.startswith("test_") and name != "test_every_model_has_a_case"]


def test_the_laws_hold_for_the_example(case: Case):
    assert len(LAWS) > 9
    for law in LAWS:
        getattr(test_laws, law)(case)


def test_the_example_s_lesson_opens_and_is_used(model, tmp_path: Path):
    page = tmp_path / "buses.py"
    page.write_text(BLOCKS["pages/lessons/buses.py"], encoding="utf-8")
    app = run(AppTest.from_file(str(page), default_timeout=60))
    assert app.title[0].value == "Waiting for a bus"
    assert "How it ended" in words(app) and "Which kind each of them is." in words(app)
    run(app.number_input(key="kinds").set_value(3))
    press(app, "Reseed start")
    assert link(app) == {"kinds": "3", "start-seed": "1"}


def test_the_example_s_row_is_a_lesson():
    row = eval(BLOCKS["pages/__init__.py"].partition("\n")[2], {"Lesson": Lesson})
    assert row.address == "buses" and row.file in [Path(name).name for name in BLOCKS]
