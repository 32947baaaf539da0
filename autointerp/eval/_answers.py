"""What agents hand in: one type for each kind of question."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Longer lists of tokens are no answer: naming the whole vocabulary would always be right.
MOST_TOKENS = 32
#: As many characters of source as are run at all.
MOST_SOURCE = 100_000
Text = Annotated[str, Field(max_length=400)]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Answer(BaseModel):
    """What every answer has: how sure the agent is that it will be graded as right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Confidence | None = None


class FeatureAnswer(Answer):
    """What a feature is: a program `predict(tokens) -> activations` in the language of explanations, and its effect.

    `promotes` and `suppresses` are token strings whose logits an active feature raises and lowers. `verdict` is `nothing` for
    one that means nothing: dead, noise, or unrelated to the text; then program and tokens are not looked at.
    """

    verdict: Literal["explained", "nothing"] = "explained"
    summary: str = Field(default="", max_length=2000)
    program: str | None = Field(default=None, max_length=MOST_SOURCE)
    promotes: tuple[Text, ...] = Field(default=(), max_length=MOST_TOKENS)
    suppresses: tuple[Text, ...] = Field(default=(), max_length=MOST_TOKENS)


class ComponentsAnswer(Answer):
    """Which components do something: names as the question gives them, each with a share of how sure it is."""

    components: dict[str, Confidence] = Field(default_factory=dict, max_length=4096)


class CircuitAnswer(Answer):
    """A circuit: edges with how sure each is, roles of components, and the variables' components.

    Names of components and roles are those that the question lists. `edges` maps `SOURCE->TARGET` to a number, greater for
    edges that rather belong to the circuit. `variables` maps the names of the causal model in the question to components.
    """

    edges: dict[str, float] = Field(default_factory=dict, max_length=65_536)
    roles: dict[str, Text] = Field(default_factory=dict, max_length=4096)
    variables: dict[str, Text] = Field(default_factory=dict, max_length=256)


class TriggerAnswer(Answer):
    """What makes a hidden behaviour show: texts of triggers, the best first; none if there is no hidden behaviour."""

    triggers: tuple[Text, ...] = Field(default=(), max_length=10)


class PredictionsAnswer(Answer):
    """What the network answers to each input of the question, in their order, as a list of tokens each."""

    outputs: tuple[tuple[Text, ...], ...] = Field(default=(), max_length=1000)


class BehaviourAnswer(Answer):
    """What a network does with any input: Python with a function `answer(tokens)`, which takes the input's tokens as a list of
    texts and returns a list with what the network answers at each, as texts. It is run in a sandbox, without the network.
    """

    source: str | None = Field(default=None, max_length=MOST_SOURCE)


class Intervention(BaseModel):
    """A component that is fixed at its mean over ordinary inputs (`mean`), or at zero (`zero`), wherever the network is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Text
    ablation: Literal["mean", "zero"] = "mean"


class RepairAnswer(Answer):
    """Edits that restore what a network should do, as few and as light as serve."""

    edits: tuple[Intervention, ...] = Field(default=(), max_length=64)
