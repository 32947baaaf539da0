"""Train the language model of `pystdlib`: a Llama of 4 layers and width 256 on the standard library without its unseen tenth.

    python -m training.pystdlib.language_model --out work/model

Hidden matrices are trained with Muon (Jordan et al. 2024), embeddings and norms with AdamW; both rates fall slowly,
then to zero over the last 800 steps.
A checkpoint is written every 200 steps to `<out>/checkpoint.pt`; the same command goes on from it.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from training.pystdlib.data import Tokens, epoch_windows, token_stream, with_bos
from training.pystdlib.tokenizer import CONTEXT, VOCABULARY

LAYERS, WIDTH, HEADS, MLP = 4, 256, 8, 688
STEPS, BATCH, SEED = 2200, 32, 0
MUON_RATE, ADAMW_RATE = 0.02, 4e-3
WARM_UP, COOL_DOWN = 100, 800
#: Before the cool-down the rates fall as if they were to reach zero after this many steps.
HORIZON = 3600
WEIGHT_DECAY = 0.02


def new_model(seed: int, bos: int) -> LlamaForCausalLM:
    """The untrained model. Seeds alone decide its weights, so that the untrained twin can be made again anywhere."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=MLP,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=bos,
            eos_token_id=bos,
            pad_token_id=bos,
            attn_implementation="sdpa",
        )
    )


def optimisers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embedding and norms."""
    inner = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
    ids = {id(p) for p in inner}
    outer = [p for p in model.parameters() if id(p) not in ids]
    return [
        torch.optim.Muon(inner, lr=MUON_RATE, momentum=0.95, weight_decay=WEIGHT_DECAY),
        torch.optim.AdamW(outer, lr=ADAMW_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]


class Batches:
    """Windows by step number: any step can be made again without the ones before it."""

    def __init__(self, tokens: Tokens, bos: int, seed: int, batch: int) -> None:
        self.tokens, self.bos, self.seed, self.batch = tokens, bos, seed, batch
        self.length = CONTEXT - 1
        # One window fewer than fit at offset 0, so that every offset gives at least this many.
        self.per_epoch = (len(tokens) // self.length - 1) // batch
        self._epoch = -1
        self._windows: Tokens | None = None

    def __getitem__(self, step: int) -> torch.Tensor:
        epoch, index = divmod(step, self.per_epoch)
        if self._windows is None or epoch != self._epoch:
            self._epoch, self._windows = epoch, epoch_windows(self.tokens, self.length, epoch, self.seed)
        return with_bos(self._windows[index * self.batch : (index + 1) * self.batch], self.bos)


def loss_of(model: LlamaForCausalLM, ids: torch.Tensor, mixed: bool) -> torch.Tensor:
    """Mean next-token loss in nats of int64 ids [batch, tokens]."""
    with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=mixed):
        hidden = model.model(ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1])
        return nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))


def rate(step: int, steps: int) -> float:
    """The share of the full learning rate at a step: a short rise, a slow fall, and a fall to zero over the last steps."""
    main = 1.0 - min(step, steps - COOL_DOWN) / HORIZON
    return min(1.0, (step + 1) / WARM_UP) * main * min(1.0, (steps - step) / COOL_DOWN)


def save_checkpoint(path: Path, state: dict[str, object]) -> None:
    """Whole or not at all: a killed run must not find half a file."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def train(out: Path, steps: int, seed: int, device: str, compiled: bool) -> LlamaForCausalLM:
    """Train and save; returns the model in float32."""
    tokenizer = AutoTokenizer.from_pretrained(out)
    tokens, _ = token_stream(tokenizer, unseen=False)
    batches = Batches(tokens, tokenizer.bos_token_id, seed, BATCH)
    model = new_model(seed, tokenizer.bos_token_id).to(device)
    optimiser_list = optimisers(model)
    bases = [group["lr"] for o in optimiser_list for group in o.param_groups]
    checkpoint = out / "checkpoint.pt"
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimiser_list, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        start = state["step"]
    step_loss = torch.compile(loss_of) if compiled else loss_of
    print(
        f"{len(tokens):,} tokens, {steps} steps, {steps / batches.per_epoch:.2f} epochs, from step {start}", flush=True
    )
    began, running = time.monotonic(), 0.0
    for step in range(start, steps):
        for group, base in zip((g for o in optimiser_list for g in o.param_groups), bases, strict=True):
            group["lr"] = base * rate(step, steps)
        loss = step_loss(model, batches[step].to(device), True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimiser_list:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        running = loss.item() if step == start else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            speed = (step + 1 - start) * BATCH * CONTEXT / (time.monotonic() - began)
            print(f"step {step + 1} loss {running:.4f} {speed:,.0f} tokens/s", flush=True)
        if (step + 1) % 200 == 0:
            saved = [o.state_dict() for o in optimiser_list]
            save_checkpoint(checkpoint, {"model": model.state_dict(), "optimisers": saved, "step": step + 1})
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder with the tokenizer; the weights go there too")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-compile", action="store_true", help="where there is no C++ compiler")
    options = parser.parse_args()
    model = train(options.out, options.steps, options.seed, options.device, not options.no_compile)
    model.cpu().to(torch.float16).save_pretrained(options.out)
    (options.out / "checkpoint.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
