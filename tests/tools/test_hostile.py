"""Programs that attack the tools from inside the sandbox: each ends in an error or at a limit, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autointerp.errors import LimitError, ProgramError, SandboxError
from autointerp.sandbox import Backend, Limits, open_sandbox
from autointerp.tools import Toolbox, Workbench

LIMITS = Limits(seconds=1.0, memory=64 * 2**20, host_calls=200, host_seconds=20.0, output=20_000)

ATTACKS = {
    "wrong type": "activations_on(texts=5)",
    "text for a list": "activations_on(texts='def f')",
    "wrong types within": "activations_on(texts=['a', 5, None])",
    "bytes": "activations_on(texts=[b'a'])",
    "a billion texts": "activations_on(texts=['x'] * 10**9)",
    "a thousand texts": "activations_on(texts=['x'] * 1000)",
    "texts that share": "a = ['x'] * 1000\nb = [a] * 1000\nactivations_on(texts=[b] * 1000)",
    "a long text": "ablate(texts=['x ' * 10**6])",
    "a text longer than the context": "ablate(texts=['x y ' * 500])",
    "an empty text": "ablate(texts=[''])",
    "half a character": "ablate(texts=['\ud800'])",
    "strength that is no number": "steer(texts=['x'], strengths=[float('nan')])",
    "infinite strength": "steer(texts=['x'], strengths=[float('inf')])",
    "huge strength": "steer(texts=['x'], strengths=[1e308])",
    "huge integer": "steer(texts=['x'], strengths=[10 ** 1000])",
    "strength as text": "steer(texts=['x'], strengths=['1'])",
    "boolean strength": "steer(texts=['x'], strengths=[True])",
    "too many doses": "steer(texts=['x'], strengths=[1.0] * 10**5)",
    "negative feature": "feature_stats(feature=-1)",
    "feature out of range": "feature_stats(feature=10**9)",
    "feature as text": "feature_stats(feature='3')",
    "positions out of range": "ablate(texts=['x'], positions=[10**6])",
    "a count without end": "ablate(texts=['x'], count=10**9)",
    "generation without end": "generate(texts=['x'], max_new_tokens=10**9)",
    "samples without end": "generate(texts=['x'], samples=10**9)",
    "temperature below zero": "generate(texts=['x'], temperature=-1.0)",
    "every site": "patch(target='x', source='y', sites=['resid_post.0'] * 10**4)",
    "a site that is a path": "patch(target='x', source='y', sites=['../../etc/passwd'])",
    "a module for a site": "patch(target='x', source='y', sites=['__class__.__init__'])",
    "another split": "top_examples(split='test')",
    "a document": "top_examples(document='abc')",
    "an argument that lies": "top_examples(**{'__class__': 1})",
    "positional and named": "activations_on(['x'], texts=['y'])",
    "too many arguments": "activations_on(*range(100))",
    "no arguments": "activations_on()",
    "code from code": "run_code(code='1')",
    "a page from code": "page(handle='r1')",
    "the toolbox": "activations_on.__closure__",
    "the bench": "activations_on.__globals__['Workbench']",
    "itself": "a = []\na.append(a)\nactivations_on(texts=a)",
    "a deep value": "a = 'x'\nfor i in range(3000): a = [a]\nactivations_on(texts=a)",
    "recursion": "def f(n):\n    activations_on(texts=['x'])\n    return f(n + 1)\nf(0)",
    "calls without end": "while True: feature_stats()",
    "calls that are handled": (
        "def go():\n    while True:\n        try: feature_stats(feature=-1)\n        except Exception: pass\ngo()"
    ),
    "replacement by everything": ("minimal_pairs(text='x' * 100, replacements=[{'old': 'x', 'new': 'y' * 10**6}])"),
    "replacements without end": "minimal_pairs(text='x', replacements=[{'old': 'x', 'new': 'y'}] * 10**5)",
    "occurrence without end": "minimal_pairs(text='x', replacements=[{'old': 'x', 'new': 'y', 'which': 10**9}])",
}


@pytest.fixture(scope="module", params=["monty", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Backend]:
    backend = open_sandbox(request.param, LIMITS)
    try:
        backend.__enter__()
    except SandboxError as error:
        pytest.skip(str(error))
    with backend:
        yield backend


@pytest.mark.slow
def test_every_attack_is_stopped_and_the_next_call_works(sandbox: Backend, bench: Workbench) -> None:
    ends: dict[str, str] = {}
    with Toolbox(bench) as toolbox, sandbox.session() as session:
        functions = toolbox.functions()
        for name, code in ATTACKS.items():
            told = ""
            try:
                ends[name] = repr(session.execute(code, functions=functions).value)
            except (LimitError, ProgramError) as error:
                told = str(error)
            assert len(told) < 2000, name
            assert "Traceback" not in told, name
            assert session.execute("40 + 2").value == 42, name
        works = session.execute("activations_on(texts=['def f'])['feature']", functions=functions)
        assert works.value == bench.feature.index
    # A list that holds itself is passed on by one interpreter as a list of the text "[...]", which does no harm.
    assert "[" in ends.pop("itself", "[")
    assert ends == {}
    spent = sum(record.cost.tokens for record in toolbox.log.calls)
    assert spent < 20_000


def test_there_are_enough() -> None:
    assert len(ATTACKS) >= 40
