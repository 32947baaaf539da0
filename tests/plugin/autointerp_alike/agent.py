"""An agent that runs the network on the inputs and reads its answers off the logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autointerp.eval import Question


class RunsIt:
    """See `Agent`."""

    name = "runs-it"
    summary = "the network itself"
    network = False
    answers = None

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        from autointerp.models import Subject

        subject = Subject.load(str(kit / question.model))
        before = subject.usage.forward_passes
        outputs = []
        for text in question.given["inputs"]:
            logits = subject.run(subject.batch([[subject.bos, *subject.encode(text)]]), logits=True).logits
            assert logits is not None
            outputs.append([subject.strings[token].strip() for token in logits[0, 1:].argmax(-1).tolist()])
        return {"outputs": outputs, "confidence": 1.0, "forward_passes": subject.usage.forward_passes - before}
