"""Gradients of an objective against autograd with torch's own hooks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models import At, Edit, Objective, Operation, Point, Subject, TokenIs
from autointerp.records import Site, SiteKind

TEXTS = ("def f(a):\n    return a\n", "for i in range(9): print(i, 'x')", "import re\nclass Node:\n    pass\n")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def site(layer: int, kind: str) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def ids(subject: Subject) -> Tensor:
    texts = [[subject.bos, *subject.encode(text)] for text in TEXTS]
    return subject.pad([text[: min(map(len, texts))] for text in texts])


def plain_gradients(
    subject: Subject, ids: Tensor, objective: Callable[[dict[Site, Tensor], Tensor], Tensor], sites: list[Site]
) -> dict[Site, Tensor]:
    """By autograd alone: zeros that require a gradient are added at each site, and theirs is the site's."""
    module, added, seen, handles = subject.module, {}, {}, []
    places = {
        "embed": (module.model.embed_tokens, False),
        "resid_pre": (None, True),
        "head_out": ("self_attn.o_proj", True),
        "attn_out": ("self_attn", False),
        "mlp_in": ("mlp", True),
        "mlp_hidden": ("mlp.down_proj", True),
        "mlp_out": ("mlp", False),
        "resid_post": (None, False),
        "final": (module.model.norm, False),
        "q": ("self_attn.q_proj", False),
        "v": ("self_attn.v_proj", False),
    }
    for where in sites:
        place, is_input = places[where.kind]
        if place is None or isinstance(place, str):
            block = module.model.layers[where.layer]
            place = block.get_submodule(place) if place else block

        def tap(x: Tensor, where: Site = where) -> Tensor:
            added[where] = torch.zeros_like(x, requires_grad=True)
            seen[where] = x + added[where]
            return seen[where]

        def before(_, args, kwargs, tap=tap):
            if args:
                return (tap(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": tap(kwargs["hidden_states"])}

        def after(_, __, out, tap=tap):
            return (tap(out[0]), *out[1:]) if isinstance(out, tuple) else tap(out)

        handles.append(
            place.register_forward_pre_hook(before, with_kwargs=True)
            if is_input
            else place.register_forward_hook(after)
        )
    try:
        logits = module(ids).logits
        grads = torch.autograd.grad(objective(seen, logits), [added[where] for where in sites], allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return {w: torch.zeros_like(added[w]) if g is None else g for w, g in zip(sites, grads, strict=True)}


SITES = [site(0, "embed"), site(0, "final")] + [
    site(1, kind)
    for kind in ("resid_pre", "q", "v", "head_out", "attn_out", "mlp_in", "mlp_hidden", "mlp_out", "resid_post")
]


def check(found: dict[Site, Tensor], expected: dict[Site, Tensor]) -> None:
    assert set(found) == set(expected)
    for where, grad in expected.items():
        torch.testing.assert_close(found[where], grad, **CLOSE, msg=lambda text, where=where: f"{where}: {text}")


@pytest.mark.parametrize("where", [*SITES, None], ids=str)
def test_gradients_equal_those_of_autograd(subject: Subject, ids: Tensor, where: Site | None) -> None:
    """At every site, alone and together with the others (None)."""
    weights, sites = noise(300), SITES if where is None else [where]
    run = subject.run(ids, capture=sites, grad_of=Objective(weights, positions=At([-1])))
    check(run.grads, plain_gradients(subject, ids, lambda _, logits: (logits[:, -1] * weights).sum(), sites))
    if where is not None:
        assert run.grads[where].abs().max() > 1e-3
    values = subject.run(ids, logits=True).logits[:, -1] @ weights
    torch.testing.assert_close(run.objective, values, **CLOSE)


class Bare(nn.Module):
    """Two MLPs that read the stream itself, as there is no norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        self.mlps = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(2)])
        self.head = nn.Linear(6, 9)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for mlp in self.mlps:
            x = x + mlp(x)
        return self.head(x)


def test_the_gradient_at_what_a_module_reads_is_of_what_it_makes_of_it_alone() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Bare()
    ids = torch.tensor([[1, 5, 7], [2, 2, 8]])
    inputs: list[Tensor] = []
    x = module.embed(ids)
    for mlp in module.mlps:
        inputs.append(x.clone())
        x = x + mlp(inputs[-1])
    weights = noise(9)
    expected = torch.autograd.grad((module.head(x) * weights).sum(), inputs)
    sites = {
        "embed": "embed",
        "mlp_in": Point("mlps.{layer}", "input"),
        "mlp_out": "mlps.{layer}",
    }
    subject = Subject.wrap(module, sites=sites, logits="head")
    wanted = [site(layer, "mlp_in") for layer in range(2)]
    found = subject.run(ids, capture=wanted, grad_of=Objective(weights)).grads
    for where, grad in zip(wanted, expected, strict=True):
        torch.testing.assert_close(found[where], grad, **CLOSE)
    # An edit there is of what the module reads, and the stream goes past it as it was.
    edited = subject.run(ids, edits=[Edit(wanted[1], Operation.SET, torch.zeros(6))], logits=True).logits
    x = inputs[1] + module.mlps[1](torch.zeros(6))
    torch.testing.assert_close(edited, module.head(x).detach(), **CLOSE)


def test_an_objective_may_be_activations_at_a_site(subject: Subject, ids: Tensor) -> None:
    sites, target, weights = (
        [site(0, "embed"), site(0, "mlp_hidden"), site(2, "mlp_out")],
        site(1, "mlp_hidden"),
        noise(64),
    )
    run = subject.run(ids, capture=sites[:2], grad_of=Objective(weights, target))
    expected = plain_gradients(subject, ids, lambda seen, _: (seen[target] * weights).sum(), [*sites[:2], target])
    check(run.grads, {where: expected[where] for where in sites[:2]})
    assert run.logits is None
    # What comes after the objective has no part in it.
    later = subject.run(ids, capture=[sites[2]], grad_of=Objective(weights, target))
    assert not later.grads[sites[2]].any()


def test_the_gradient_with_respect_to_the_objective_itself_is_its_weights(subject: Subject, ids: Tensor) -> None:
    where, weights = site(1, "mlp_out"), noise(3, ids.shape[1], 32)
    run = subject.run(ids, capture=[where], grad_of=Objective(weights, where))
    torch.testing.assert_close(run.grads[where], weights)


def test_weights_and_positions_may_differ_by_text(subject: Subject, ids: Tensor) -> None:
    weights, mask = noise(3, 1, 300), noise(*ids.shape, seed=1) > 0
    run = subject.run(ids, capture=[site(0, "embed")], grad_of=Objective(weights, positions=mask))
    expected = plain_gradients(
        subject, ids, lambda _, logits: (logits * weights * mask[..., None]).sum(), [site(0, "embed")]
    )
    check(run.grads, expected)


def test_several_objectives_of_one_run(subject: Subject, ids: Tensor) -> None:
    sites = [site(0, "resid_post"), site(1, "attn_out")]
    objectives = [Objective(noise(300, seed=n), positions=At([n])) for n in range(3)] + [
        Objective(noise(32), site(1, "mlp_out"), TokenIs([int(ids[0, 3])]))
    ]
    run = subject.run(ids, capture=sites, grad_of=objectives)
    assert run.objective.shape == (4, 3)
    for number, objective in enumerate(objectives):
        alone = subject.run(ids, capture=sites, grad_of=objective)
        for where in sites:
            torch.testing.assert_close(run.grads[where][number], alone.grads[where], **CLOSE)
        torch.testing.assert_close(run.objective[number], alone.objective, **CLOSE)
    one = subject.run(ids, capture=sites, grad_of=objectives[:1])
    assert one.grads[sites[0]].shape == (1, *ids.shape, 32)


def test_gradients_are_taken_after_and_through_edits(subject: Subject, ids: Tensor) -> None:
    sites, weights, direction = (
        [site(0, "resid_post"), site(1, "mlp_out"), site(1, "resid_post")],
        noise(300),
        noise(32),
    )
    edits = [
        Edit(sites[1], Operation.PROJECT_OUT, direction),
        Edit(site(1, "head_out"), Operation.SCALE, torch.tensor(0.3), At([2, 3]), part=(8, 16)),
        Edit(site(2, "resid_pre"), Operation.ADD, direction),
    ]

    def hooks() -> list[torch.utils.hooks.RemovableHandle]:
        unit = direction / direction.norm()
        layers = subject.module.model.layers

        def scaled(_, args):
            x = args[0].clone()
            x[:, 2:4, 8:16] *= 0.3
            return (x,)

        return [
            layers[1].self_attn.o_proj.register_forward_pre_hook(scaled),
            layers[1].mlp.register_forward_hook(lambda _, __, out: out - (out @ unit)[..., None] * unit),
            layers[2].register_forward_pre_hook(lambda _, args: (args[0] + direction, *args[1:])),
        ]

    handles = hooks()
    try:
        expected = plain_gradients(subject, ids, lambda _, logits: (logits[:, -1] * weights).sum(), sites)
    finally:
        for handle in handles:
            handle.remove()
    run = subject.run(ids, capture=sites, edits=edits, grad_of=Objective(weights, positions=At([-1])))
    check(run.grads, expected)


def test_a_text_that_is_resampled_from_is_a_constant(subject: Subject, ids: Tensor) -> None:
    where, before = site(1, "mlp_out"), site(0, "resid_post")
    edit = Edit(where, Operation.RESAMPLE, torch.tensor([0, 0, 2]))
    grad = subject.run(ids, capture=[before], edits=[edit], grad_of=Objective(noise(32), where)).grads[before]
    assert grad[0].any()
    assert grad[2].any()
    assert not grad[1].any()
    alone = subject.run(ids[:1], capture=[before], grad_of=Objective(noise(32), where)).grads[before]
    torch.testing.assert_close(grad[:1], alone, **CLOSE)


def test_padding_has_no_part_in_an_objective(subject: Subject) -> None:
    texts = [[subject.bos, *subject.encode(text)] for text in TEXTS]
    where, objective = site(0, "embed"), Objective(noise(300))
    for side in ("left", "right"):
        batch = subject.batch(texts, side=side)
        grads = subject.run(batch, capture=[where], grad_of=objective)
        assert torch.isfinite(grads.grads[where]).all()
        assert not grads.grads[where][~batch.mask].any()
        for row, text in enumerate(texts):
            alone = subject.run(torch.tensor([text]), capture=[where], grad_of=objective)
            torch.testing.assert_close(
                grads.grads[where][row][batch.mask[row]], alone.grads[where][0], rtol=1e-4, atol=1e-4
            )
            torch.testing.assert_close(grads.objective[row], alone.objective[0], rtol=1e-4, atol=1e-3)


def test_gradients_resume_and_leave_nothing_behind(subject: Subject, ids: Tensor) -> None:
    where, weights = site(0, "resid_post"), noise(300)
    stream = subject.run(ids, capture=[where]).sites[where]
    objective = Objective(weights, positions=At([-1]))
    whole = subject.run(ids, capture=[where], grad_of=objective).grads[where]
    resumed = subject.run(ids, capture=[where], grad_of=objective, start=(where, stream)).grads[where]
    torch.testing.assert_close(resumed, whole, **CLOSE)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in subject.module.parameters())
    run = subject.run(ids, capture=[where], logits=True, grad_of=objective)
    assert not run.sites[where].requires_grad
    assert not run.logits.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Objective(noise(299)), r"the objective at the logits does not fit: weights \(299,\) against \(3, 12, 300\)"),
        (Objective(noise(2, 1, 300)), r"weights \(2, 1, 300\) against"),
        (Objective(noise(31), site(1, "mlp_out")), r"the objective at mlp_out.1 does not fit"),
        (Objective(noise(32), site(7, "mlp_out")), r"no layer 7"),
        (Objective(noise(32), site(1, "mlp_out"), torch.ones(1, 2, dtype=torch.bool)), "does not fit"),
    ],
)
def test_an_objective_that_does_not_fit(subject: Subject, ids: Tensor, objective: Objective, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        subject.run(ids, capture=[site(0, "embed")], grad_of=objective)
