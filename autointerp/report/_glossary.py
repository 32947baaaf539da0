"""One line on what each known score means. A score of a plugin simply has no line here."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "simulation": "correlation of the program's activations with the true ones, over all held-out tokens",
    "simulation_by_llm": "the same with the numbers of a language model that reads the explanation",
    "firing": "how well the program tells tokens at which the feature fires from others; chance is 0.5",
    "prediction": "correlation on texts that activate the feature; false alarms elsewhere go unseen",
    "substitution": "damage of ablating the feature that is undone by putting the predictions in its place",
    "intervention_accuracy": "share of the effect claims that are true on held-out text",
    "detection": "a judge tells texts on which the feature fires from others, by the explanation alone",
    "fuzzing": "a judge tells rightly highlighted tokens from wrong ones, by the explanation alone",
    "embedding": "how well similarity to the explanation separates active from inactive texts",
    "surprisal": "how well the drop of a text's loss, given the explanation, tells active from inactive texts",
    "clarity": "how far texts written from the explanation activate the feature more than natural ones; 1 is best",
    "responsiveness": "how far the feature is stronger on texts that a judge finds the explanation to fit",
    "purity": "whether the texts that activate the feature most are those that the explanation fits",
    "faithfulness": "how much more often the model writes what the explanation says when steered",
    "steering": "how far steering moves the claimed tokens when it costs unrelated prompts 0.5 nats",
    "paulo_intervention": "how much more probable steering makes the explanation to a reader, in nats",
    "row_space": "share of the feature's direction that can reach the model's output at all",
    "generation": "texts written from the explanation that do activate the feature",
    "output_choice": "a judge picks the steered texts among three by the explanation; chance is 0.33",
}


def meaning(name: str) -> str:
    """What the score `name` says, or an empty string."""
    return MEANINGS.get(name, "")


def label(name: str) -> str:
    """The name of a score or a control as it is printed."""
    return name.replace("_", " ")
