"""Explain a feature from code that awaits. Run it: `python examples/explain_async.py`, on the bundled model."""

import asyncio
from typing import Any

import autointerp


async def main(feature: int = 1234, **settings: Any) -> None:
    """`settings` are those of `autointerp.RunSettings`: another model, a language model, a budget, and so on."""
    record = await autointerp.explain(feature, strategy="investigate", rounds=1, **settings)
    print(record.explanation.summary)
    print(f"{record.explanation.verdict}, confidence {record.explanation.confidence:.2f}")
    for score in record.scores:
        print(score.name, f"{score.value:.2f}" if score.kind == "score" else score.reason)


if __name__ == "__main__":
    asyncio.run(main())
