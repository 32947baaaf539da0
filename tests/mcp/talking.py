"""What a client does over and over."""

from __future__ import annotations

from typing import Any

import torch

#: One that has something to explain, and one that never fires and so costs a run no learning and no scoring.
FEATURE, DEAD = 40, 63
#: Three characters a token is what numbers and code take; hosts warn at 10,000 tokens.
MOST_CHARACTERS = 30_000


async def asked(client: Any, tool: str, **arguments: Any) -> str:
    """The text of an answer that is no error."""
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert not result.is_error, content.text
    assert len(content.text) < MOST_CHARACTERS
    return str(content.text)


async def refused(client: Any, tool: str, **arguments: Any) -> str:
    """The one line of an answer that is an error."""
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert result.is_error, content.text
    assert "\n" not in content.text
    assert "Traceback" not in content.text
    return str(content.text)


async def explained(client: Any, feature: int, **arguments: Any) -> str:
    """The name of a run that is done."""
    started = await client.call_tool("explain_start", {"feature": feature, **arguments})
    assert not started.is_error, started.content[0].text
    run = started.structured_content["run"]
    for _ in range(20):
        status = (await client.call_tool("explain_status", {"run": run, "wait_seconds": 30.0})).structured_content
        if status["state"] in ("done", "failed"):
            break
    assert status["state"] == "done", status
    return str(run)


def loaded(folder: str) -> Any:
    """A model as transformers alone loads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval().to(torch.float32)
