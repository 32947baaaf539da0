"""Programs that explain the tasks: what the rule scientist tries when it has no language model to ask."""

from __future__ import annotations

from collections.abc import Mapping

from autointerp.circuits._causal import CausalModel, Variable

_INDUCTION = """\
def previous(tokens):
    return [None] + tokens[:-1]

def induced(tokens, previous):
    found = [tokens[i] for i in range(len(tokens)) if previous[i] == tokens[-1]]
    return found[-1] if found else None

def answer(induced):
    return induced
"""

_BRACKETS = """\
def opened(tokens):
    stack = []
    for token in tokens:
        for character in token:
            if character in "([{":
                stack.append(character)
            elif character in ")]}" and stack:
                stack.pop()
    return stack[-1] if stack else None

def answer(opened):
    return {"(": ")", "[": "]", "{": "}"}.get(opened)
"""

_QUOTING = """\
def opened(tokens):
    quote = None
    for token in tokens:
        for character in token:
            if character in "'\\"":
                quote = character if quote is None else None
    return quote

def answer(opened):
    return opened
"""

_NAMES = """\
def attribute(tokens):
    dots = [i for i in range(len(tokens)) if tokens[i].endswith(".")]
    return tokens[dots[-1] + 1] if dots else None

def answer(attribute):
    return None if attribute is None else " " + attribute.strip()
"""

_INDENTATION = """\
def depth(tokens):
    lines = "".join(tokens).split("\\n")
    return len(lines[-1]) - len(lines[-1].lstrip(" "))

def answer(depth):
    return "\\n" + " " * (depth + 4)
"""

_OBJECTS = """\
def giver(tokens):
    words = "".join(tokens).replace(",", " ").split()
    return words[words.index("gave") - 1]

def receiver(tokens, giver):
    words = "".join(tokens).split()
    others = [name for name in (words[1], words[3]) if name != giver]
    return others[0] if others else None

def answer(receiver):
    return None if receiver is None else " " + receiver
"""

_GREATER = """\
def begun(tokens):
    return "".join(tokens).split("from ")[-1][2]

def answer(begun):
    return begun
"""

_DOCSTRINGS = """\
def arguments(tokens):
    inside = "".join(tokens).split("(")[1].split(")")[0]
    return [name.strip() for name in inside.split(",")]

def following(tokens, arguments):
    described = "".join(tokens).count(":param") - 1
    return arguments[described] if described < len(arguments) else None

def answer(following):
    return None if following is None else " " + following
"""

#: By the name of the task. A variable that is held at the last token alone says what is about to be answered.
PROGRAMS: Mapping[str, CausalModel] = {
    "induction": CausalModel(_INDUCTION, (Variable("previous", ()), Variable("induced", (), last=True))),
    "brackets": CausalModel(_BRACKETS, (Variable("opened", (), last=True),)),
    "quoting": CausalModel(_QUOTING, (Variable("opened", (), last=True),)),
    "names": CausalModel(_NAMES, (Variable("attribute", (), last=True),)),
    "indentation": CausalModel(_INDENTATION, (Variable("depth", (), last=True),)),
    "objects": CausalModel(_OBJECTS, (Variable("giver", ()), Variable("receiver", (), last=True))),
    # The least digit that will do stands for all that do.
    "greater": CausalModel(_GREATER, (Variable("begun", (), last=True),)),
    "docstrings": CausalModel(_DOCSTRINGS, (Variable("following", (), last=True),)),
}
