"""From effects made by hand to claims whose content is known."""

from __future__ import annotations

import pytest
import torch

from autointerp.agents._claims import claims_from
from autointerp.records import Intervention, PromptKind
from autointerp.tools import Effects

STRINGS = list("abcdefghijklmnopqrst")
PROMPTS = 8


def effects(changes: torch.Tensor, *, steer: float | None = None) -> Effects:
    """All tokens are equally likely, so that none is left out for being absurd."""
    return Effects(
        Intervention.ABLATE if steer is None else Intervention.STEER,
        PromptKind.FIRES if steer is None else PromptKind.SILENT,
        steer,
        changes,
        torch.full((changes.shape[1],), 1 / changes.shape[1]),
    )


@pytest.fixture
def changes() -> torch.Tensor:
    """b and c fall dependably, d rises dependably, e rises most but on half of the prompts alone."""
    made = torch.zeros(PROMPTS, len(STRINGS))
    wobble = torch.tensor([1.0, -1.0] * (PROMPTS // 2))
    made[:, 1] = -2.0 + 0.1 * wobble
    made[:, 2] = -1.0 + 0.1 * wobble
    made[:, 3] = 1.5 + 0.2 * wobble
    made[:, 4] = 2.0 + 4.0 * wobble
    return made


def test_claims_name_what_moves_dependably(changes: torch.Tensor) -> None:
    down, up = claims_from(effects(changes), STRINGS)
    assert (down.sign, down.tokens, down.token_ids) == (-1, ("b", "c"), (1, 2))
    assert (up.sign, up.tokens, up.token_ids) == (1, ("d",), (3,))
    assert down.intervention is up.intervention is Intervention.ABLATE
    assert down.prompts is up.prompts is PromptKind.FIRES
    assert down.strength is None


def test_a_claim_promises_part_of_what_was_typical(changes: torch.Tensor) -> None:
    down, up = claims_from(effects(changes), STRINGS)
    assert down.at_least == pytest.approx(0.75, abs=0.06)  # half of the 1.5 by which b and c fall
    assert up.at_least == pytest.approx(0.75, abs=0.11)


def test_steering_claims_carry_their_strength(changes: torch.Tensor) -> None:
    for claim in claims_from(effects(changes, steer=3.5), STRINGS):
        assert claim.intervention is Intervention.STEER
        assert claim.prompts is PromptKind.SILENT
        assert claim.strength == 3.5


def test_what_moves_now_one_way_now_the_other_is_not_claimed() -> None:
    wobble = torch.tensor([1.0, -1.0] * (PROMPTS // 2))
    assert claims_from(effects(wobble[:, None].expand(-1, len(STRINGS))), STRINGS) == []


def test_no_change_is_not_claimed() -> None:
    assert claims_from(effects(torch.zeros(PROMPTS, len(STRINGS))), STRINGS) == []


def test_a_few_prompts_support_no_claim(changes: torch.Tensor) -> None:
    assert claims_from(effects(changes[:4]), STRINGS) == []
    assert claims_from(effects(changes[:5]), STRINGS) != []


def test_a_claim_speaks_of_a_handful_of_tokens() -> None:
    falling = -torch.arange(len(STRINGS)).float().expand(PROMPTS, -1)
    (down,) = claims_from(effects(falling), STRINGS)
    assert down.tokens == ("t", "s", "r", "q", "p")


def test_tokens_that_the_model_never_considers_are_not_claimed() -> None:
    size = 400
    changes = torch.zeros(PROMPTS, size)
    changes[:, 7] = -9.0
    changes[:, 8] = -1.0
    likely = torch.linspace(1, 0.5, size)
    likely[7] = 0.0
    likely[8] = 2.0
    made = Effects(Intervention.ABLATE, PromptKind.FIRES, None, changes, likely)
    (down,) = claims_from(made, [str(i) for i in range(size)])
    assert down.tokens == ("8",)
