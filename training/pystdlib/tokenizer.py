"""Train the tokenizer of `pystdlib`: byte-level BPE of 4,096 on the standard library without its unseen tenth.

python -m training.pystdlib.tokenizer --out work/model
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from autointerp.activations._documents import is_unseen
from autointerp.activations._stdlib import stdlib_documents

VOCABULARY = 4096
CONTEXT = 256
BOS = "<|bos|>"

#: A line break takes the indentation that follows with it, so that indentation is one token; a word takes one space before
#: it; digits go three at a time; runs of spaces elsewhere leave their last space to the word that follows.
SPLIT = r"\n+[ \t]*| ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|[^\S\n]+(?!\S)|\s"


def build() -> PreTrainedTokenizerFast:
    """The trained tokenizer, which puts BOS in front of every text unless told not to add special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (document.text for document in stdlib_documents() if not is_unseen(document.id))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=BOS,
        pad_token=BOS,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    build().save_pretrained(options.out)
    print(f"tokenizer of {VOCABULARY} written to {options.out}")


if __name__ == "__main__":
    main()
