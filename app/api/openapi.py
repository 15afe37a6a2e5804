"""What the app's own OpenAPI document says of a request: the methods offered, the queries known."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from fastapi import Request
from starlette.routing import compile_path


def methods_at(request: Request) -> list[str]:
    """Every method of the path, whichever route it belongs to; none where the document lacks the path."""
    return sorted(method.upper() for method in _operations(request))


def unknown_queries(request: Request) -> list[str]:
    """Query parameters that the operation lacks: a filter that nothing heeds would give a wrong answer."""
    if not request.query_params:
        return []
    operation = _operations(request).get(request.method.lower(), {})
    known = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    return sorted(set(request.query_params) - known)


def _operations(request: Request) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    found = (item for path, item in paths.items() if _pattern(path).match(request.url.path))
    return next(found, {})


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]
