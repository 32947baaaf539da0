"""Known mechanisms of heads, by signature and by intervention.

A mechanism says, for every token of a prompt, which token a head of its kind attends to. The signature is how much attention
goes there, on random prompts made for it. The intervention puts the ideal pattern in the head's place, on the prompts of a
task: a head that is what it is said to be can be replaced by it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._graph import Source
from autointerp.circuits._pairs import Pair, Prompts, prompts_of
from autointerp.circuits._task import Task
from autointerp.circuits.tasks._words import pieces
from autointerp.errors import InputError
from autointerp.models import Edit, Operation, Subject
from autointerp.records import SiteKind

#: A head of a kind sends at least this share of its attention where the kind says.
SHOWN = 0.3
#: The ideal pattern has to undo at least this share of what an even one does.
HELD = 0.5
#: An even pattern has to move the metric by this share of its range, or there is nothing to undo.
MATTERS = 0.01
#: A mover raises what it reads by this much at least, or lowers it, as a rank from -1 to 1.
COPIES = 0.5
_HALF, _PROMPTS = 10, 8
_OPEN, _CLOSED = "([{", ")]}"

#: From token ids [prompts, tokens] and their texts to the position attended to, int64 [prompts, tokens]; -1 for none.
Attended = Callable[[Tensor, Sequence[str]], Tensor]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A kind of head, and what it attends to; `brackets` says that its prompts need some."""

    name: str
    does: str
    attended: Attended
    brackets: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """What a head was found to be.

    Attributes
    ----------
    signature: the share of its attention that goes where the mechanism says; `usual` that of the model's heads in the mean.
    held: which share of the effect of an even pattern the ideal one undoes (more than 1 where it does better than the head's
        own), None where there is none to undo; and `effect`, that of the even pattern, in units of the metric.
    copying: how far the head raises the logit of the token it reads, as a rank among all tokens from -1 (lowest) to 1.
    """

    head: str
    mechanism: str
    signature: float
    usual: float
    held: float | None
    effect: float
    copying: float

    @property
    def stands(self) -> bool | None:
        """Whether the intervention bears the signature out; None where it could not be tried."""
        return None if self.held is None else self.held >= HELD


def _offset(distance: int) -> Attended:
    def attended(ids: Tensor, strings: Sequence[str]) -> Tensor:
        del strings
        place = torch.arange(ids.shape[1]) - distance
        # BOS is where heads rest, so attention to it says nothing.
        return torch.where(place > 0, place, -1).expand(ids.shape)

    return attended


def _same(behind: int) -> Attended:
    """The last earlier token that is the same, or what came `behind` it."""

    def attended(ids: Tensor, strings: Sequence[str]) -> Tensor:
        del strings
        found = torch.full_like(ids, -1)
        for row, tokens in enumerate(ids.tolist()):
            last: dict[int, int] = {}
            for place, token in enumerate(tokens):
                if token in last and last[token] + behind < place:
                    found[row, place] = last[token] + behind
                last[token] = place
        return found

    return attended


def _bracket(ids: Tensor, strings: Sequence[str]) -> Tensor:
    """The innermost bracket that is open."""
    found = torch.full_like(ids, -1)
    for row, tokens in enumerate(ids.tolist()):
        stack: list[int] = []
        for place, token in enumerate(tokens):
            for character in strings[token]:
                if character in _OPEN:
                    stack.append(place)
                elif character in _CLOSED and stack:
                    stack.pop()
            if stack and stack[-1] < place:
                found[row, place] = stack[-1]
    return found


MECHANISMS: tuple[Mechanism, ...] = (
    Mechanism("current token", "attends to the token itself", _offset(0)),
    Mechanism("previous token", "attends to the token before", _offset(1)),
    Mechanism("positional offset 2", "attends to the token two before", _offset(2)),
    Mechanism("positional offset 3", "attends to the token three before", _offset(3)),
    Mechanism("duplicate token", "attends to the same token where it stood before", _same(0)),
    Mechanism("induction", "attends to what followed the same token before", _same(1)),
    Mechanism("bracket matcher", "attends to the innermost open bracket", _bracket, brackets=True),
)


def roles(parts: Parts, task: Task, heads: Sequence[str], *, seed: int = 0) -> list[Role]:
    """The mechanism of each head, where one shows; those of the largest signature first among several.

    A head may be none of the kinds, and is then left out. Raises InputError for a model whose patterns cannot be read.
    """
    subject, graph = parts.subject, parts.graph
    site = parts.site(0, SiteKind.PATTERN)
    if site not in subject.sites():
        raise InputError(f"{subject.name} has no site {site}: the roles of heads are read off their attention patterns")
    unknown = [name for name in heads if name not in graph.source_numbers]
    if unknown:
        raise InputError(f"no head {unknown[0]}: there are such as {graph.sources[1].name}")
    tables = {one.name: signatures(parts, one, seed=seed) for one in MECHANISMS}
    copying = copying_scores(parts, heads, seed=seed)
    reading = answer_attention(parts, task.pairs, [one.name for one in graph.sources if one.kind == "head"])
    found: list[Role] = []
    for name in heads:
        source = graph.sources[graph.source_numbers[name]]
        if source.kind != "head":
            continue
        best = max(MECHANISMS, key=lambda one: float(tables[one.name][source.layer][source.head or 0]))
        table = tables[best.name]
        signature = float(table[source.layer][source.head or 0])
        if signature < SHOWN:
            found += _mover(parts, task, source, reading, copying[name])
            continue
        held, effect = held_share(parts, task, source, partial(_places, parts, best))
        usual = float(torch.cat(table).mean())
        found.append(Role(name, best.name, signature, usual, held, effect, copying[name]))
    return found


def _places(parts: Parts, mechanism: Mechanism, prompts: Prompts) -> Tensor:
    return mechanism.attended(prompts.clean, parts.subject.strings)


def _mover(parts: Parts, task: Task, source: Source, reading: Mapping[str, float], copying: float) -> list[Role]:
    """The role of a head that reads the answer at the last token and copies it, or keeps it from being said; or none.

    Name movers and negative name movers (Wang et al., 2022), whatever is moved.
    """
    signature = reading[source.name]
    if signature < SHOWN or abs(copying) < COPIES:
        return []
    held, effect = held_share(parts, task, source, _answer_places)
    usual = sum(reading.values()) / len(reading)
    kind = "name mover" if copying > 0 else "negative name mover"
    return [Role(source.name, kind, signature, usual, held, effect, copying)]


def _answer_places(prompts: Prompts) -> Tensor:
    """For the last token where the answer stood last, for the others nowhere: int64 [prompts, tokens]."""
    there = (prompts.right > 0).gather(1, prompts.clean)
    place = torch.where(there, torch.arange(there.shape[1]), -1).amax(1)
    found = torch.full_like(prompts.clean, -1)
    found[:, -1] = place
    return found


def signatures(parts: Parts, mechanism: Mechanism, *, seed: int = 0) -> list[Tensor]:
    """For each layer, the share of attention that its heads [heads] send where the mechanism says, on prompts made for it."""
    ids = diagnostic_prompts(parts.subject, brackets=mechanism.brackets, seed=seed)
    patterns = _patterns(parts, ids)
    where = mechanism.attended(ids, parts.subject.strings)
    there = where >= 0
    index = where.clamp(min=0)[:, None, :, None]
    return [
        torch.where(there[:, None], pattern.gather(3, index.expand(-1, pattern.shape[1], -1, -1))[..., 0], 0.0).sum(
            (0, 2)
        )
        / there.sum().clamp(min=1)
        for pattern in patterns
    ]


def diagnostic_prompts(subject: Subject, *, brackets: bool, seed: int) -> Tensor:
    """Random tokens said twice; with brackets, words in brackets of several depths. [prompts, tokens], BOS first."""
    source, words = random.Random(f"diagnostic {seed}"), pieces(subject, 2)
    size = min(_HALF, len(words), (subject.context - 1) // 2)
    rows = []
    marks = {text: number for number, text in enumerate(subject.strings) if text in set(_OPEN + _CLOSED)}
    for _ in range(_PROMPTS):
        if not brackets or not {"(", ")"} <= marks.keys():
            half = source.sample(words, size)
            rows.append([subject.bos, *half, *half])
            continue
        row, depth = [subject.bos], 0
        while len(row) < 2 * size + 1:
            kind = source.random()
            if kind < 0.2 or depth == 0:
                row.append(marks["("])
                depth += 1
            elif kind < 0.35:
                row.append(marks[")"])
                depth -= 1
            else:
                row.append(source.choice(words))
        rows.append(row)
    return torch.tensor(rows)


def copying_scores(parts: Parts, heads: Sequence[str], *, seed: int = 0) -> dict[str, float]:
    """How far each head raises the logit of a token it attends to: 2 × mean rank − 1 among all tokens.

    The head's value at each token goes through its output weights and the unembedding (the OV circuit of Elhage et al.,
    2021), with the stream as it is there.
    """
    ids = diagnostic_prompts(parts.subject, brackets=False, seed=seed)
    unembedding = parts.subject.unembedding
    chosen = {name: parts.graph.sources[parts.graph.source_numbers[name]] for name in heads}
    if unembedding is None:
        return dict.fromkeys(chosen, 0.0)
    layers = sorted({source.layer for source in chosen.values() if source.kind == "head"})
    seen = parts.subject.run(ids, capture=[parts.site(layer, SiteKind.V) for layer in layers]).sites
    found = {}
    for name, source in chosen.items():
        written = None if source.kind != "head" else parts.layers[source.layer].written
        if written is None or source.head is None:
            found[name] = 0.0
            continue
        count, size, _ = written.shape
        values = seen[parts.site(source.layer, SiteKind.V)].unflatten(2, (-1, size))
        group = source.head * values.shape[2] // count
        logits = values[:, 1:, group] @ written[source.head] @ unembedding.T.to(values)
        own = logits.gather(2, ids[:, 1:, None].to(logits.device))
        rank = (logits < own).double().mean(2)
        found[name] = float(2 * rank.mean() - 1)
    return found


def held_share(
    parts: Parts, task: Task, source: Source, attended: Callable[[Prompts], Tensor]
) -> tuple[float | None, float]:
    """Which share of the effect of an even pattern the mechanism's own undoes, and that effect; None for no effect.

    `attended` says for every token of some prompts which one its kind attends to, int64 [prompts, tokens]; tokens with
    -1 keep the head's own attention.
    """
    site, head = parts.site(source.layer, SiteKind.PATTERN), source.head or 0
    sums = torch.zeros(4, dtype=torch.float64)
    for prompts in prompts_of(parts.subject, task.pairs):
        own = parts.subject.run(prompts.clean, capture=[site]).sites[site][:, head]
        tokens = own.shape[-1]
        where = attended(prompts).to(own.device)
        even = torch.ones(tokens, tokens, device=own.device).tril()
        even = even / even.sum(1, keepdim=True)
        there = (where >= 0)[..., None]
        ideal = torch.nn.functional.one_hot(where.clamp(min=0), tokens).to(own)
        clean = parts.logits(prompts.clean)
        values = [clean]
        for pattern in (torch.where(there, ideal, own), torch.where(there, even.to(own), own)):
            edit = Edit(site, Operation.SET, pattern[:, None], part=(head, head + 1))
            values.append(parts.logits(prompts.clean, [edit]))
        values.append(parts.logits(prompts.corrupted))
        for number, logits in enumerate(values):
            sums[number] += task.metric.values(logits, prompts, clean).double().sum().cpu()
    whole, kept, spread, corrupted = (sums / len(task)).tolist()
    effect = spread - whole
    if abs(effect) < MATTERS * abs(whole - corrupted):
        return None, effect
    return (kept - spread) / (whole - spread), effect


def answer_attention(parts: Parts, pairs: Sequence[Pair], heads: Sequence[str]) -> dict[str, float]:
    """The attention from the last token to the tokens that answer the clean prompt: what name movers do (Wang et al., 2022)."""
    total = dict.fromkeys(heads, 0.0)
    for prompts in prompts_of(parts.subject, pairs):
        patterns = _patterns(parts, prompts.clean)
        answers = (prompts.right > 0).gather(1, prompts.clean)
        for name in heads:
            source = parts.graph.sources[parts.graph.source_numbers[name]]
            if source.kind == "head":
                row = patterns[source.layer][:, source.head or 0, -1]
                total[name] += float((row * answers.to(row)).sum())
    return {name: value / len(pairs) for name, value in total.items()}


def _patterns(parts: Parts, ids: Tensor) -> list[Tensor]:
    sites = [parts.site(layer, SiteKind.PATTERN) for layer in range(parts.graph.layers)]
    seen = parts.subject.run(ids, capture=sites).sites
    return [seen[site] for site in sites]
