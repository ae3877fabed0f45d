"""The house keeps its shape: who may import whom, read from the sources without running them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("app.py", "pages", "emcore")
SOURCES = sorted(path for room in ROOMS for path in [ROOT / room, *(ROOT / room).rglob("*.py")] if path.is_file())

# From the ground up: a module imports from its own floor and from those below it, never from above.
FLOORS = (
    {"emcore.em", "emcore.acceleration"},
    {"emcore.models"},
    {"emcore.starts", "emcore.datasets", "emcore.matching", "emcore.sources"},
    {
        "emcore.collapse",
        "emcore.experiment",
        "emcore.annealing",
        "emcore.clusters",
        "emcore.regions",
        "emcore.shapes",
        "emcore.restarts",
        "emcore.landscape",
        "emcore.scene",
        "emcore.subjects",
        "emcore.surplus",
        "emcore.variants",
        "emcore.report",
        "emcore.selection",
        "emcore.verdict",
        "emcore.worked",
        "emcore.factors",
        "emcore.missing",
        "emcore.ratings",
        "emcore.tosses",
        "emcore.chains",
        "emcore.segments",
        "emcore.tails",
        "emcore.handwriting",
        "emcore.creep",
    },
    {"emcore.figures"},
    {"emcore.export"},
    {"pages"},
    {"pages.parts"},
    {"pages.lessons"},
    {"app"},
)
# What may be imported from outside; the rest of the house makes do with the standard library.
OUTSIDE = {
    "emcore": {"numpy", "scipy"},
    "emcore.figures": {"numpy", "plotly"},
    "emcore.export": {"numpy", "matplotlib", "PIL", "pandas"},
    "pages": set(),
    "pages.parts": {"streamlit", "numpy", "pandas", "PIL"},
    "pages.lessons": {"streamlit"},
    "app": {"streamlit"},
}
# Modules that a server which must not call out has no use for.
NETWORK = {
    "ftplib",
    "http",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "telnetlib",
    "urllib.request",
    "webbrowser",
}


def module_name(path: Path) -> str:
    """The dotted name of a source file: "emcore.em", "pages.parts"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in SOURCES}


def imports(name: str) -> Iterator[str]:
    """The modules that one of ours imports anywhere, also inside functions and for type checkers alone."""
    path = MODULES[name]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            # "from emcore import starts" means emcore.starts
            modules = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from modules
            if len(modules) < len(node.names):
                yield base
            if not is_ours(base):  # "from urllib import request"
                yield from (f"{base}.{alias.name}" for alias in node.names)


def room(name: str, rooms: set[str]) -> str | None:
    """The innermost of `rooms` that a module lies in."""
    parts = name.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in rooms), None)


def floor(name: str) -> int | None:
    """How high a module lies; None for one that has no floor, as anything new directly in pages."""
    return next(
        (height for height, rooms in enumerate(FLOORS) if name in rooms or room(name, rooms - {"pages"})),
        None,
    )


def is_ours(name: str) -> bool:
    return name.split(".")[0] in {"app", "pages", "emcore"}


every_module = pytest.mark.parametrize("name", sorted(MODULES))


def test_every_module_has_a_floor():
    without = [name for name in MODULES if name != "emcore" and floor(name) is None]
    assert not without, "give them a row in FLOORS, and say in the README what they are for"


@every_module
def test_imports_go_down(name: str):
    # the package itself: the public names of the core, without what draws and writes
    height = floor("emcore.experiment") if name == "emcore" else floor(name)
    upward = [other for other in imports(name) if is_ours(other) and (floor(other) is None or floor(other) > height)]
    assert not upward, f"{name} may import only from its own floor and below, or from `emcore` nothing but submodules"


def test_imports_make_no_circle():
    graph = {name: {other for other in imports(name) if other in MODULES} for name in MODULES}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    for package in packages:  # a package's own names come from its modules: not a circle
        graph[package] = {other for other in graph[package] if not other.startswith(package + ".")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@every_module
def test_imports_from_outside_are_those_of_the_room(name: str):
    allowed = OUTSIDE[room(name, OUTSIDE.keys())]
    outside = {other.split(".")[0] for other in imports(name) if not is_ours(other)} - sys.stdlib_module_names
    assert outside <= allowed, f"{name} may import {sorted(allowed)} from outside"


@every_module
def test_nothing_calls_out(name: str):
    called = {other for other in imports(name) if other in NETWORK or other.split(".")[0] in NETWORK}
    assert not called, f"{name}: the app works without a network"


@every_module
def test_no_import_hides_from_these_tests(name: str):
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"__import__", "import_module", "exec", "eval"}


def test_what_is_imported_is_required():
    distributions = {"PIL": "pillow"}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    required = {requirement_name(line) for line in lines if line and not line.startswith("#")}
    by_streamlit = {requirement_name(line) for line in requires("streamlit")}
    used = set().union(*OUTSIDE.values())
    assert {distributions.get(name, name) for name in used} - {"pandas", "pillow"} == required
    assert {"pandas", "pillow"} <= by_streamlit


def requirement_name(line: str) -> str:
    return re.match(r"[\w.-]+", line).group().lower()


def test_only_the_table_of_lessons_lies_directly_in_pages():
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("emcore.figures")))
def test_figures_only_draw(name: str):
    """They are handed snapshots and arrays: no step of EM, no random number, no file."""
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    calls = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    called = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    forbidden = {
        "e_step",
        "m_step",
        "iterate",
        "run",
        "default_rng",
        "open",
        "read_text",
        "read_bytes",
        "write_image",
    }
    assert not called & forbidden
    assert not any(isinstance(node, ast.Attribute) and node.attr == "random" for node in ast.walk(tree))


@every_module
def test_names_are_the_words_of_the_house(name: str):
    """Symbols of one book, abbreviations and drawers for everything say too little."""
    assert not set(name.split(".")) & {"utils", "util", "helper", "helpers", "common", "misc"}
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert not bound & {"pi", "mu", "sigma_", "res", "lls", "loglik", "n_clusters", "num_components"}


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for room in ("pages", "emcore")
        for kind in ("js", "css", "html")
        for path in (ROOT / room).rglob(f"*.{kind}")
    ),
    ids=lambda path: path.name,
)
def test_the_browser_is_sent_nowhere_else(path: Path):
    addresses = re.findall(r"""\w+://[^\s"'`)]+|["'`(]//[^\s"'`)]+""", path.read_text("utf-8"))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}, "no CDN: everything comes from this server"


@every_module
def test_nothing_is_loaded_from_elsewhere(name: str):
    """A link for the reader to click is welcome; a picture, script or style sheet from elsewhere is not."""
    text = MODULES[name].read_text("utf-8")
    loads = r"""!\[[^\]]*\]\(\s*https?: | \bsrc(set)?\s*=\s*["']?(https?:)?// | <link\b | @import | ["']cdn["']"""
    assert not re.search(loads, text, re.VERBOSE)


def test_the_top_level_holds_what_it_should():
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        top = {line.split("/")[0] for line in listed.splitlines()}
    else:
        top = {path.name for path in ROOT.iterdir()} - {"__pycache__"}
    allowed = {
        "app.py",
        "pages",
        "emcore",
        "tests",
        "requirements.txt",
        "pyproject.toml",
        "Dockerfile",
        "README.md",
        "LICENSE",
    }
    assert {name for name in top if not name.startswith(".")} <= allowed
