"""Plugins are found by name, and one is loaded without the others."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from autointerp._plugins import load_all, load_one, plugin_names
from autointerp.errors import PluginError
from tests.registering import Register

GROUP = "autointerp.tests_only"


@pytest.fixture
def registered(register: Register) -> list[str]:
    """Registers a sound plugin and a broken one, and returns what was loaded, as it is."""
    loaded: list[str] = []

    def sound() -> Any:
        loaded.append("sound")
        return dict

    def broken() -> Any:
        loaded.append("broken")
        raise ImportError("no module of that name")

    register(GROUP, "sound", sound)
    register(GROUP, "broken", broken)
    return loaded


def test_one_is_loaded_without_the_others_and_once(registered: list[str]) -> None:
    assert plugin_names(GROUP) == ["broken", "sound"]
    assert registered == []
    assert load_one(GROUP, "sound") is load_one(GROUP, "sound") is dict
    assert registered == ["sound"]


def test_one_that_is_broken_is_named(registered: list[str]) -> None:
    for load in (lambda: load_one(GROUP, "broken"), lambda: load_all(GROUP)):
        with pytest.raises(PluginError, match=r"the plugin 'broken' of .*tests_only .* fails to load: no module"):
            load()


def test_an_unknown_name_lists_those_there_are(registered: list[str]) -> None:
    with pytest.raises(PluginError, match="no tests_only plugin 'sund': there are broken, sound"):
        load_one(GROUP, "sund")
    assert registered == []


def test_an_agent_s_process_starts_without_torch() -> None:
    code = "import sys, autointerp.eval.agents.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
