"""The tools and the explanations as a Model Context Protocol server, for agents that live elsewhere.

This room speaks the protocol: what a call computes is the business of `tools` and `study`. It decides nothing about features.
"""

from __future__ import annotations

from autointerp.mcp import _anyio as _anyio
from autointerp.mcp._desk import Desk
from autointerp.mcp._serve import serve_http, serve_stdio
from autointerp.mcp._server import build_server
from autointerp.mcp._settings import Settings

__all__ = ["Desk", "Settings", "build_server", "serve_http", "serve_stdio"]
