"""Opening a model of transformers as a subject, here or on NDIF's servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from autointerp.errors import ModelError
from autointerp.models._adapters import Adapter
from autointerp.models._checks import Check
from autointerp.models._devices import choose_device, choose_dtype
from autointerp.models._hub import folder_of
from autointerp.models._layout import Layout, Traced
from autointerp.models._loading import Placement, load
from autointerp.models._vocabulary import vocabulary_of

if TYPE_CHECKING:
    from autointerp.models._subject import Subject

    S = TypeVar("S", bound=Subject)


def open_local(cls: type[S], name: str, *, device: str, dtype: str, device_map: str | Mapping[str, Any] | None) -> S:
    """See `Subject.load`."""
    choice = choose_device(device)
    folder = folder_of(name)
    loaded = load(folder, Placement(choose_dtype(dtype, choice.device), choice.device, device_map))
    config, anatomy = loaded.module.config, loaded.adapter.anatomy(loaded.module.config)
    vocabulary = vocabulary_of(
        str(folder), loaded.tokenizer, config.get_text_config().vocab_size, causal=anatomy.causal
    )
    subject = cls(
        Layout(name, Traced(loaded.module), anatomy),
        vocabulary,
        fingerprint=loaded.fingerprint,
        context=context_of(config, loaded.adapter) - len(vocabulary.suffix),
        reason=choice.reason if device_map is None else f"the device map {device_map}",
    )
    ensure_sound(subject.survey.checks, name, f"the {type(loaded.module).__name__} adapter looks for them")
    subject.usage = type(subject.usage)()
    return subject


def open_remote(cls: type[S], name: str) -> S:
    """See `Subject.load`."""
    from autointerp.models._remote import connect

    traced, config, adapter, tokenizer = connect(name)
    anatomy = adapter.anatomy(config)
    vocabulary = vocabulary_of(name, tokenizer, config.get_text_config().vocab_size, causal=anatomy.causal)
    return cls(
        Layout(name, traced, anatomy),
        vocabulary,
        fingerprint=f"ndif:{name}",
        context=context_of(config, adapter) - len(vocabulary.suffix),
        reason="remote: the trace runs on NDIF's servers",
    )


def context_of(config: Any, adapter: Adapter) -> int:
    """How many tokens the model takes at once."""
    text = config.get_text_config()
    positions: int = text.max_position_embeddings
    taken = (text.pad_token_id or 0) + 1 if adapter.positions_after_padding else 0
    return positions - taken


def ensure_sound(checks: Iterable[Check], name: str, where: str) -> None:
    """Raise ModelError for the first check that failed; `where` says who claims that the sites are there."""
    for check in checks:
        if not check.passed:
            raise ModelError(
                f"{name}: {check.name} is missed by {check.error:.1e} of its length, so its sites are not where {where}"
            )
