"""Families of encoders in the manner of BERT, whose residual stream is normed after each addition.

`resid_post` is the stream after the second of these norms, so it is a norm of a sum and not the sum itself.
"""

from __future__ import annotations

from dataclasses import replace

from autointerp.models._adapters import Adapter
from autointerp.models._anatomy import Sum
from autointerp.models._points import Pattern, Point
from autointerp.records import SiteKind

_ATTENTION = (SiteKind.RESID_PRE, SiteKind.ATTN_OUT)
_MLP = (SiteKind.MLP_IN, SiteKind.MLP_OUT)

BERT = Adapter(
    stem="bert",
    blocks="encoder.layer",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Point("attention.self.query"),
        SiteKind.K: Point("attention.self.key"),
        SiteKind.V: Point("attention.self.value"),
        SiteKind.PATTERN: Pattern("attention.self"),
        SiteKind.HEAD_OUT: Point("attention.output.dense", "input"),
        SiteKind.ATTN_OUT: Point("attention.output.dense"),
        SiteKind.MLP_IN: Point("intermediate", "input"),
        SiteKind.MLP_HIDDEN: Point("output.dense", "input"),
        SiteKind.MLP_OUT: Point("output.dense"),
        SiteKind.RESID_POST: Point(""),
    },
    embed=Point("embeddings"),
    final=None,
    # The heads for masked tokens transform the stream before they map it to logits.
    unembed=None,
    sums=(
        Sum(SiteKind.MLP_IN, _ATTENTION, "attention.output.LayerNorm"),
        Sum(SiteKind.RESID_POST, _MLP, "output.LayerNorm"),
    ),
    causal=False,
    spare=("pooler",),
)

ROBERTA = replace(BERT, stem="roberta", positions_after_padding=True)

DISTILBERT = replace(
    BERT,
    stem="distilbert",
    blocks="transformer.layer",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Point("attention.q_lin"),
        SiteKind.K: Point("attention.k_lin"),
        SiteKind.V: Point("attention.v_lin"),
        SiteKind.PATTERN: Pattern("attention"),
        SiteKind.HEAD_OUT: Point("attention.out_lin", "input"),
        SiteKind.ATTN_OUT: Point("attention", "output", 0),
        SiteKind.MLP_IN: Point("ffn", "input"),
        SiteKind.MLP_HIDDEN: Point("ffn.lin2", "input"),
        SiteKind.MLP_OUT: Point("ffn"),
        SiteKind.RESID_POST: Point(""),
    },
    sums=(
        Sum(SiteKind.MLP_IN, _ATTENTION, "sa_layer_norm"),
        Sum(SiteKind.RESID_POST, _MLP, "output_layer_norm"),
    ),
    spare=(),
)

#: By the name of the model's class in transformers.
ENCODERS: dict[str, Adapter] = {
    "BertForMaskedLM": BERT,
    "BertModel": BERT.headless(),
    "DistilBertForMaskedLM": DISTILBERT,
    "DistilBertModel": DISTILBERT.headless(),
    "RobertaForMaskedLM": ROBERTA,
    "RobertaModel": ROBERTA.headless(),
    "XLMRobertaForMaskedLM": ROBERTA,
    "XLMRobertaModel": ROBERTA.headless(),
}
