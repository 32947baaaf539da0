"""What a server is started with: one model, one dictionary, one corpus, and what a host may spend on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """As `study.open_laboratory` and `study.explain_feature` take them.

    Attributes
    ----------
    llm, critic, budget: language models of an investigation, and the limits of each run. Whoever starts the server sets these;
        a host can ask for no other model and for no more money.
    out: the folder of finished pages and of runs that can be resumed; None keeps nothing on disk.
    run_code: whether there is a tool that runs a host's code in the sandbox.
    """

    model: str = "pystdlib"
    dictionary: str = "pystdlib-sae"
    corpus: str = "stdlib"
    tokens: int = 300_000
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    llm: str | None = None
    critic: str | None = None
    budget: str = ""
    llm_cache: Path | None = None
    prices: Path | None = None
    out: Path | None = None
    run_code: bool = False

    @property
    def subject(self) -> dict[str, Any]:
        """What is studied, and how it is opened."""
        names = ("model", "dictionary", "corpus", "tokens", "seed", "device", "dtype")
        return {name: getattr(self, name) for name in names}

    @property
    def models(self) -> dict[str, Any]:
        """Who investigates, and within which limits."""
        return {
            "llm": self.llm,
            "critic": self.critic,
            "budget": self.budget,
            "llm_cache": str(self.llm_cache.absolute()) if self.llm_cache else None,
            "prices": str(self.prices.absolute()) if self.prices else None,
        }
