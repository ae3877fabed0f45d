"""What the project promises around its code: commands, pins, settings, and a container that starts."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pages.parts.controls import MAX_UPLOAD

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PYTHONS = SpecifierSet(">=3.11,<3.14")


def commands() -> list[str]:
    """The README's code blocks."""
    return [block.strip() for block in re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]


def test_readme_opens_with_the_two_commands():
    run, test = commands()[:2]
    assert README.index(test) < README.index("\n## ")
    set_up = "python3 -m venv .venv && .venv/bin/pip install -r "
    assert run == set_up + "requirements.txt && .venv/bin/streamlit run app.py"
    assert test == set_up + "tests/requirements.txt && .venv/bin/python -m pytest"
    assert (ROOT / "app.py").is_file()


def test_ci_runs_the_command_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text("utf-8").splitlines() if re.match("(command|set_up|test)=", line)]
    show = 'printf "%s\n" "$command" "$set_up" "$test"'
    shown = subprocess.run(
        ["bash", "-ec", "\n".join([*lines, show])], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command, set_up, test = shown.stdout.splitlines()
    assert command == commands()[1] == f"{set_up} && {test}"
    assert test == ".venv/bin/python -m pytest"


def test_readme_points_at_files_that_exist():
    text = re.sub(r"<!--.*?-->", "", README, flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    named = re.findall(r"`((?:emcore|pages|tests|\.ci|\.github|\.streamlit)/[\w./-]*)`", text)
    missing = [name for name in [*links, *named] if not (ROOT / name).exists()]
    assert not missing


def test_pythons_are_the_same_everywhere():
    assert "Python 3.11 to 3.13" in README
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / ".ci" / "run").read_text("utf-8")
    (image,) = (arguments for instruction, arguments in dockerfile() if instruction == "FROM")
    assert re.fullmatch(r"python:(3\.\d+)-slim", image)
    assert PYTHONS.contains(image.removeprefix("python:").removesuffix("-slim"))
    assert PYTHONS.contains(".".join(map(str, sys.version_info[:2])))


def test_what_runs_here_is_what_is_required():
    requirements = {}
    for path in ("requirements.txt", "tests/requirements.txt"):
        for line in (ROOT / path).read_text("utf-8").splitlines():
            if line and not line.startswith(("#", "-r ")):
                requirement = Requirement(line)
                requirements[requirement.name] = requirement.specifier
    assert {"streamlit", "plotly", "pytest"} <= requirements.keys()
    elsewhere = {name: version(name) for name, allowed in requirements.items() if version(name) not in allowed}
    assert not elsewhere
    assert all("<" in str(allowed) or "==" in str(allowed) for allowed in requirements.values())


def test_every_setting_is_one_that_streamlit_knows_and_follows(tmp_path: Path):
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    wanted = {f"{section}.{name}": value for section in settings for name, value in settings[section].items()}
    assert wanted["browser.gatherUsageStats"] is False
    assert wanted["client.showErrorDetails"] == "none"
    assert wanted["runner.postScriptGC"] is False
    assert wanted["server.maxUploadSize"] == MAX_UPLOAD
    show = "import json, sys, streamlit as st; print(json.dumps({n: st.get_option(n) for n in sys.argv[1:]}))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}  # nobody's own settings
    got = subprocess.run(
        [sys.executable, "-c", show, *wanted], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert got.returncode == 0, got.stderr
    assert json.loads(got.stdout) == wanted


def test_licence():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.startswith("MIT License\n")
    assert "EM Lab contributors" in text


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git repository")
def test_nothing_that_is_ignored_is_kept():
    listing = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


# The container without an engine: the Dockerfile's files, environment and commands, run outside of one.


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions: ("COPY", "requirements.txt ./")."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def copied() -> list[tuple[str, str]]:
    """What the image gets from the build context: (source, destination)."""
    steps = [shlex.split(arguments) for instruction, arguments in dockerfile() if instruction == "COPY"]
    return [(source, destination) for *sources, destination in steps for source in sources]


def test_the_build_context_is_what_the_image_copies():
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignore
    let_in = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert let_in == {source for source, _ in copied()}
    assert all((ROOT / source).exists() for source in let_in)


def test_the_image_installs_before_it_copies_the_code_and_does_not_run_as_root():
    steps = dockerfile()
    install = next(i for i, (_, arguments) in enumerate(steps) if "pip install" in arguments)
    code = next(i for i, (instruction, arguments) in enumerate(steps) if arguments.startswith("emcore"))
    assert install < code
    (user,) = (arguments for instruction, arguments in steps if instruction == "USER")
    assert int(user.split(":")[0]) > 0


class Container(NamedTuple):
    """The image's folder, where it may write, its environment, and how a process in it is started."""

    folder: Path
    scratch: Path
    environment: dict[str, str]
    options: dict[str, Any]

    def command(self, instruction: str) -> list[str]:
        """The exec form of CMD or HEALTHCHECK."""
        (arguments,) = (arguments for name, arguments in dockerfile() if name == instruction)
        words: list[str] = json.loads(arguments[arguments.index("[") :])
        return words

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """A process in it, from start to end."""
        return subprocess.run(words, capture_output=True, text=True, timeout=120, **self.options)

    def files(self) -> dict[Path, int]:
        """Everything in the image's folder and when it was last written."""
        return {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    top = Path(tempfile.mkdtemp(prefix="emlab-"))
    folder, scratch = top / "app", top / "scratch"
    scratch.mkdir()
    for source, destination in copied():
        target = folder / destination / ("" if (ROOT / source).is_dir() else source)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    top.chmod(0o755)
    scratch.chmod(0o777)

    environment = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath])}
    for instruction, arguments in dockerfile():
        if instruction == "ENV":
            pairs = (pair.split("=", 1) for pair in shlex.split(arguments))
            environment |= {name: value.replace("/tmp", str(scratch)) for name, value in pairs}
    environment["PORT"] = str(free_port())
    options: dict[str, Any] = {"cwd": folder, "env": environment}
    (user,) = (arguments for instruction, arguments in dockerfile() if instruction == "USER")
    as_user = {"user": int(user.split(":")[0]), "group": int(user.split(":")[1]), "extra_groups": []}
    if os.geteuid() == 0 and can_run_python(options | as_user):
        options |= as_user
    yield Container(folder, scratch, environment, options)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(top)


def can_run_python(options: dict[str, Any]) -> bool:
    """Whether another user may read this Python: not if it is installed in somebody's home."""
    try:
        return not subprocess.run([sys.executable, "-c", "import streamlit"], capture_output=True, **options).returncode
    except PermissionError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_container_starts_on_its_port_is_healthy_writes_nothing_and_stops(container: Container):
    before = container.files()
    server = subprocess.Popen(
        container.command("CMD"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **container.options,
    )
    impatience = threading.Timer(60, os.killpg, (server.pid, signal.SIGKILL))
    impatience.start()
    try:
        log = []
        for line in server.stdout:
            log.append(line)
            if "URL:" in line:
                break
        assert "URL:" in "".join(log), log
        healthy = container.run(container.command("HEALTHCHECK"))
        assert healthy.returncode == 0, healthy.stderr
        page = HTTPConnection("127.0.0.1", int(container.environment["PORT"]), timeout=10)
        page.request("GET", "/")
        assert page.getresponse().status == 200
        page.close()
    finally:
        server.terminate()  # as an engine stops it: this reaches the server if the shell made way for it
        try:
            rest, _ = server.communicate(timeout=20)
        finally:
            impatience.cancel()
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
    text = "".join(log) + rest
    assert server.returncode in (0, -15), text
    assert not re.search("error|warning|traceback", text, re.IGNORECASE), text
    assert container.run(container.command("HEALTHCHECK")).returncode != 0
    assert container.files() == before


def test_the_app_runs_from_what_the_image_holds(container: Container):
    """Nothing that it reads was left out of the image, and it does without a place to write."""
    before = container.files()
    script = (
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('app.py', default_timeout=100).run()\n"
        "assert not page.exception, page.exception\n"
        "assert page.main.children\n"
    )
    got = container.run([sys.executable, "-c", script])
    assert got.returncode == 0, got.stderr
    assert container.files() == before
