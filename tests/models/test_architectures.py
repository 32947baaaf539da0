"""An architecture that transformers does not know comes from another package, by an entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from autointerp.errors import ModelError, PluginError
from autointerp.models import Adapter, Edit, Operation, Point, Subject, Sum, inspect_subject
from autointerp.records import Site, SiteKind
from tests.models.families import randomised, tokenizer_of
from tests.registering import Register


class StackConfig(PreTrainedConfig):
    model_type = "stack_of_mlps"

    def __init__(self, vocab_size: int = 50, hidden_size: int = 8, num_hidden_layers: int = 2, **options: Any) -> None:
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        self.num_attention_heads, self.max_position_embeddings = 1, 16
        super().__init__(**options)


class StackBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.up(x).relu())


class StackModel(PreTrainedModel):
    config_class = StackConfig

    def __init__(self, config: StackConfig) -> None:
        super().__init__(config)
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList([StackBlock(config.hidden_size) for _ in range(config.num_hidden_layers)])
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Tensor | None = None
    ) -> Any:
        x = self.embed(input_ids)
        for block in self.blocks:
            x = block(x)
        return CausalLMOutput(logits=self.head(x))


class Architecture:
    """What a package's entry point names."""

    adapters: ClassVar = {
        "StackModel": Adapter(
            stem="",
            blocks="blocks",
            points={
                SiteKind.RESID_PRE: Point("", "input"),
                SiteKind.MLP_HIDDEN: Point("down", "input"),
                SiteKind.MLP_OUT: Point("down"),
                SiteKind.RESID_POST: Point(""),
            },
            embed=Point("embed"),
            final=None,
            unembed="head",
            sums=(Sum(SiteKind.RESID_POST, (SiteKind.RESID_PRE, SiteKind.MLP_OUT)),),
        )
    }

    def register(self) -> None:
        AutoConfig.register("stack_of_mlps", StackConfig)
        AutoModelForCausalLM.register(StackConfig, StackModel)


ARCHITECTURE = Architecture()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack")
    randomised(StackModel(StackConfig())).save_pretrained(folder)
    tokenizer_of(causal=True).save_pretrained(folder)
    return folder


def test_a_plugin_s_model_loads_and_checks_itself(folder: Path, register: Register) -> None:
    register("autointerp.architectures", "stack_of_mlps", lambda: ARCHITECTURE)
    subject = Subject.load(str(folder))
    assert [str(site) for site in subject.sites()[:3]] == ["embed.0", "resid_pre.0", "mlp_hidden.0"]
    assert len([check for check in inspect_subject(subject) if check.passed]) == len(inspect_subject(subject)) > 4
    where = Site(layer=1, kind=SiteKind.MLP_HIDDEN)
    ids, value = subject.pad([[0, 5, 6]]), torch.randn(24)
    clean, moved = (
        subject.run(ids, edits=edits, logits=True).logits for edits in ([], [Edit(where, Operation.ADD, value)])
    )
    expected = subject.to_residual(where, value) @ subject.unembedding.T
    torch.testing.assert_close(moved - clean, expected.expand_as(clean), rtol=1e-4, atol=1e-4)
    # Registered once: transformers would refuse a second time.
    assert Subject.load(str(folder)).fingerprint == subject.fingerprint


def test_no_plugin_for_a_type(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "config.json").write_text((folder / "config.json").read_text().replace("stack_of_mlps", "pile_of_mlps"))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="pile_of_mlps"):
        Subject.load(str(tmp_path))


def test_a_plugin_that_fails_is_named(tmp_path: Path, folder: Path, register: Register) -> None:
    def broken() -> Any:
        raise ImportError("no module of that name")

    register("autointerp.architectures", "heap", broken)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text().replace("stack_of_mlps", "heap"))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(PluginError, match=r"'heap' of autointerp\.architectures .* fails to load: no module"):
        Subject.load(str(tmp_path))
