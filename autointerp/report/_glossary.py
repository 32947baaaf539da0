"""One line on what each known score means. A score of a plugin simply has no line here."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "simulation": "correlation of the program's activations with the true ones, over all held-out tokens",
    "simulation_r2": "share of the activations' variance that the program accounts for",
    "simulation_rank": "rank correlation of predicted and true activations",
    "substitution": "damage of ablating the feature that is undone by putting the predictions in its place",
    "intervention_accuracy": "effect claims true on held-out text, less those true for a matched random feature",
    "detection": "a judge tells texts on which the feature fires from others, by the explanation alone",
    "fuzzing": "a judge tells rightly highlighted tokens from wrong ones, by the explanation alone",
    "embedding": "how well similarity to the explanation separates active from inactive texts",
    "generation": "texts written from the explanation that do activate the feature",
    "output_choice": "a judge picks the steered texts among three by the explanation; chance is 0.33",
}


def meaning(name: str) -> str:
    """What the score `name` says, or an empty string."""
    return MEANINGS.get(name, "")


def label(name: str) -> str:
    """The name of a score or a control as it is printed."""
    return name.replace("_", " ")
