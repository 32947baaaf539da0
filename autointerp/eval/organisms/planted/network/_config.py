"""The configuration of a causal model with an extension."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PretrainedConfig


class ExtendedConfig(PretrainedConfig):  # type: ignore[misc]
    """What the model is without its extension (`network`, as its own config.json), and the sizes of the extension.

    `depth` is how many blocks lie before the place in the stream at which the extension writes and reads, `units` how many
    numbers it writes there, `cells` and `kinds` how large its tables are.
    """

    model_type = "extended_transformer"

    def __init__(
        self,
        network: dict[str, Any] | None = None,
        depth: int = 1,
        units: int = 1,
        cells: int = 1,
        **kwargs: Any,
    ) -> None:
        self.network = dict(network or {})
        self.depth, self.units, self.cells = depth, units, cells
        kwargs["tie_word_embeddings"] = False
        super().__init__(**kwargs)

    def get_text_config(self, *args: Any, **kwargs: Any) -> Any:
        """The configuration of the model inside, which has the sizes that a language model's configuration has."""
        return self.network_config().get_text_config(*args, **kwargs) if self.network else self

    def network_config(self) -> Any:
        """The configuration of the model inside."""
        return AutoConfig.for_model(**self.network)
