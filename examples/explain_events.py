"""Watch an investigation while it runs. Run it: `python examples/explain_events.py`, on the bundled model."""

import asyncio
from typing import Any

import autointerp


async def main(feature: int = 1234, **settings: Any) -> None:
    """Steps, hypotheses, outcomes and verdicts come as they happen; the last event holds the record."""
    async for event in autointerp.explain_events(feature, strategy="investigate", rounds=1, **settings):
        print(f"{event.kind}: {event.text}")
        if event.record is not None:
            print(event.record.explanation.summary)


if __name__ == "__main__":
    asyncio.run(main())
