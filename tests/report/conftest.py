"""Three handcrafted records: what a good run leaves, one full of hostile text, a feature that never fired."""

from __future__ import annotations

import math
import re

import pytest

from autointerp.records import (
    Cost,
    EffectClaim,
    Evidence,
    Example,
    Explanation,
    FeatureRef,
    FeatureStats,
    Intervention,
    Neighbour,
    Program,
    PromptKind,
    RunRecord,
    Score,
    Site,
    SiteKind,
    TokenLogit,
    Unscored,
    Verdict,
    Versions,
)

PROGRAM = '''\
def predict(tokens):
    """Fires on the name that a `def` gives, less inside classes."""
    activations = []
    depth = 0  # of the indentation
    for position, token in enumerate(tokens):
        before = tokens[position - 1].strip() if position else ""
        if token.startswith("\\n"):
            depth = len(token) - 1
        weight = 7.5 if depth == 0 else 5.25
        activations.append(weight if before == "def" else 0.0)
    return activations
'''

SNIPPETS = (
    '''\
def visit_Call(self, node):
    """Visit a call."""
    if node.func is None:
        return self.generic_visit(node)
''',
    """\
    @classmethod
    def from_iterable(cls, it):
        result = cls()
        for x in it:
            result.add(x)
""",
    """\
class _Environ(MutableMapping):
    def __init__(self, data, encodekey):
        self._data = data

    def copy(self):
""",
    """\
import re

def escape(pattern):
    # "<" and ">" need no escape
    return pattern.translate(_special_chars_map)


""",
)
TOKEN = re.compile(r"\n *| ?\w+| ?[^\w\s]+|\s")


def example(text: str, line: int, quantile: str, scale: float) -> Example:
    """A window that fires on the name after `def`, a little on the bracket after it."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text
    activations, predicted = [0.0] * len(tokens), [0.0] * len(tokens)
    for position, token in enumerate(tokens[:-2]):
        if token.strip() == "def":
            activations[position + 1], predicted[position + 1] = scale, 5.25
            activations[position + 2] = scale / 6
            activations[position] = scale / 20
    return Example(
        document="ast.py" if line < 500 else "collections/abc/_a_rather_long_name_of_a_module.py",
        line=line,
        tokens=tuple(tokens),
        activations=tuple(activations),
        predicted=tuple(predicted),
        quantile=quantile,
    )


def stats(**changes: object) -> FeatureStats:
    counts = tuple(round(9000 * math.exp(-bin / 3.1)) for bin in range(30))
    values: dict[str, object] = {
        "tokens": 3_214_567,
        "active": sum(counts),
        "density": sum(counts) / 3_214_567,
        "maximum": 8.412,
        "mean_active": 2.31,
        "histogram_edges": tuple(8.412 * edge / 30 for edge in range(31)),
        "histogram_counts": counts,
        "top_logits": tuple(
            TokenLogit(token=token, logit=1.9 - 0.17 * rank)
            for rank, token in enumerate(("(self", "(", "(cls", "(*", "__(", "_", "\n        ", "(object"))
        ),
        "bottom_logits": tuple(
            TokenLogit(token=token, logit=-1.2 + 0.1 * rank)
            for rank, token in enumerate((" =", ".", " in", "):", " import", " #"))
        ),
        "neighbours": tuple(
            Neighbour(index=index, cosine=cosine)
            for index, cosine in ((88, 0.61), (1502, 0.44), (7, 0.31), (940, -0.27))
        ),
    }
    return FeatureStats.model_validate(values | changes)


CLAIMS = (
    EffectClaim(
        intervention=Intervention.ABLATE,
        prompts=PromptKind.FIRES,
        tokens=("(self", "("),
        token_ids=(301, 8),
        sign=-1,
        at_least=0.4,
    ),
    EffectClaim(
        intervention=Intervention.STEER,
        prompts=PromptKind.SILENT,
        tokens=("(",),
        token_ids=(8,),
        sign=1,
        at_least=0.5,
        strength=6.0,
    ),
    EffectClaim(
        intervention=Intervention.ABLATE,
        prompts=PromptKind.SILENT,
        tokens=(" import",),
        token_ids=(77,),
        sign=1,
        at_least=0.1,
    ),
    EffectClaim(
        intervention=Intervention.STEER,
        prompts=PromptKind.FIRES,
        tokens=("\n    ",),
        token_ids=(12,),
        sign=-1,
        at_least=0.2,
        strength=-3.0,
    ),
)

EVIDENCE = (
    Evidence(
        prediction=CLAIMS[0].sentence(), outcome="-0.52 on average over 40 positions", supports=True, split="train"
    ),
    Evidence(
        prediction="replacing `def` by `class` silences the next token",
        outcome="0.1 after 7.9",
        supports=True,
        split="train",
    ),
    Evidence(
        prediction="renaming the function changes nothing",
        outcome="7.2 after 7.9, more than 5%",
        supports=False,
        split="train",
    ),
    Evidence(
        prediction="`async def` fires as `def` does", outcome="no text of this kind", supports=None, split="refine"
    ),
    Evidence(
        prediction=CLAIMS[0].sentence(), outcome="-0.61 on average over 64 positions", supports=True, split="test"
    ),
    Evidence(
        prediction=CLAIMS[1].sentence(), outcome="+0.18 on average over 64 positions", supports=False, split="test"
    ),
    Evidence(prediction=CLAIMS[2].sentence(), outcome="too few silent prompts", supports=None, split="test"),
)

SCORES = (
    Score(
        name="simulation",
        value=0.874,
        ci=(0.841, 0.902),
        n=412,
        control={"shuffled_explanation": 0.021, "token_lookup": 0.412, "random_feature": -0.004},
    ),
    Score(
        name="substitution",
        value=0.71,
        ci=(0.62, 0.79),
        n=206,
        control={"token_lookup": 0.28, "shuffled_explanation": -0.11},
    ),
    Score(name="intervention_accuracy", value=0.33, ci=(-0.08, 0.67), n=3, control={"matched_random_feature": 0.0}),
    Score(name="a_score_of_a_plugin", value=0.5, ci=(0.4, 0.6), n=1200),
    Unscored(name="detection", reason="no judge model is configured: set --judge to score it"),
)

VERSIONS = Versions(
    autointerp="0.1.0",
    python="3.11.9",
    torch="2.13.0",
    nnsight="0.8.1",
    transformers="5.23.0",
    model="sha256:9f2c11ab40e7",
    dictionary="sha256:03be88d0aa15",
    corpus="sha256:77aa0b1c9e02",
    index="sha256:1d0c4be2f310",
    seed=0,
)


def windows() -> tuple[Example, ...]:
    scales = (("top", 8.412), ("top", 7.9), ("75-100%", 6.9), ("50-75%", 5.1), ("25-50%", 3.0), ("0-25%", 0.9))
    fired = [
        example(SNIPPETS[(place + turn) % 4], 40 + 97 * (place + turn), quantile, scale - 0.3 * turn)
        for place, (quantile, scale) in enumerate(scales)
        for turn in range(2)
    ]
    near = example(SNIPPETS[0].replace("def ", "if "), 12, "near miss", 1.0)
    return (near, *fired)


@pytest.fixture(scope="session")
def rich_record() -> RunRecord:
    """A run in which everything happened: a good program, claims of all four outcomes, scores of all kinds."""
    return RunRecord(
        feature=FeatureRef(
            model="pystdlib", dictionary="sae-2048", index=1234, site=Site(layer=2, kind=SiteKind.RESID_POST)
        ),
        stats=stats(),
        explanation=Explanation(
            summary="Fires on the name of a function right after `def`, and promotes the bracket of its parameters.",
            fires_on="the first token of the name that follows `def`, more strongly at module level than in a class",
            promotes="an opening bracket, above all with `self` after it",
            predictor=Program(source=PROGRAM),
            effects=CLAIMS,
            verdict=Verdict.EXPLAINED,
            confidence=0.86,
        ),
        scores=SCORES,
        evidence=EVIDENCE,
        examples=windows(),
        cost=Cost(seconds=94.2, forward_passes=1312, tokens=402_118, dollars=0.0312),
        versions=VERSIONS,
    )


#: Every token wants out of its element, its attribute, its line or its terminal.
HOSTILE_TOKENS = (
    "</script>",
    "<script>document.title='owned'</script>",
    "<img src=https://evil.example/x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' style='background:url(//evil.example)",
    "&amp;",
    "&#60;b&#62;",
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\r\n",
    "\r",
    "\t",
    "\x0c",
    "\x7f",
    "\x85",
    "\ufffd",
    "\u202egnp",
    "\u200b",
    "\u2028",
    "[bold red]markup[/]",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "<!--",
    "]]>",
    "日本語",
    "🙂",
    " " * 40,
    "\n\n\n",
    "x" * 300,
)
_PAYLOAD = "".join(HOSTILE_TOKENS)


@pytest.fixture(scope="session")
def hostile_record(rich_record: RunRecord) -> RunRecord:
    """Every free text of a record set to text that tries to break out of where it is put."""
    top = tuple(TokenLogit(token=token, logit=1.0) for token in HOSTILE_TOKENS)
    claim = CLAIMS[0].model_copy(update={"tokens": HOSTILE_TOKENS, "token_ids": tuple(range(len(HOSTILE_TOKENS)))})
    values = tuple(0.1 + 0.25 * index for index in range(len(HOSTILE_TOKENS)))
    return rich_record.model_copy(
        update={
            "feature": rich_record.feature.model_copy(update={"model": _PAYLOAD, "dictionary": _PAYLOAD}),
            "stats": stats(top_logits=top, bottom_logits=()),
            "explanation": rich_record.explanation.model_copy(
                update={
                    "summary": _PAYLOAD,
                    "fires_on": _PAYLOAD,
                    "promotes": _PAYLOAD,
                    "predictor": Program(source=f"def predict(tokens):\n    return '''{_PAYLOAD}"),
                    "effects": (claim,),
                }
            ),
            "scores": (
                Score(name=_PAYLOAD, value=-3.5, ci=(-4.0, 120.0), n=1, control={_PAYLOAD: 2.0}),
                Unscored(name=_PAYLOAD, reason=_PAYLOAD),
            ),
            "evidence": (
                Evidence(prediction=claim.sentence(), outcome=_PAYLOAD, supports=True, split="test"),
                Evidence(prediction=_PAYLOAD, outcome=_PAYLOAD, supports=False, split="test"),
            ),
            "examples": (
                Example(
                    document=_PAYLOAD,
                    line=1,
                    tokens=HOSTILE_TOKENS,
                    activations=values,
                    predicted=values,
                    quantile="top",
                ),
                Example(document="a", line=1, tokens=HOSTILE_TOKENS, activations=values, quantile=_PAYLOAD),
            ),
            "versions": VERSIONS.model_copy(update={"corpus": _PAYLOAD}),
        }
    )


@pytest.fixture(scope="session")
def dead_record(rich_record: RunRecord) -> RunRecord:
    """A feature that fired on no token of the corpus."""
    return rich_record.model_copy(
        update={
            "stats": stats(
                active=0,
                density=0.0,
                maximum=0.0,
                mean_active=0.0,
                histogram_edges=(0.0, 1.0),
                histogram_counts=(0,),
                top_logits=(),
                bottom_logits=(),
                neighbours=(),
            ),
            "explanation": Explanation(
                summary="This feature fired on no token of the corpus, so nothing can be said about it.",
                fires_on="",
                promotes="",
                predictor=None,
                verdict=Verdict.INSUFFICIENT_EVIDENCE,
                confidence=0.97,
            ),
            "scores": (),
            "evidence": (),
            "examples": (),
            "cost": Cost(seconds=0.42),
        }
    )
