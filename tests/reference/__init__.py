"""Numbers computed by code that shares nothing with emcore. README.md in this folder says by what."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """The content of `name`.json. Shared between callers: do not change it."""
    text = (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
