"""Explain a feature from ordinary code. Run it: `python examples/explain_sync.py`, on the bundled model."""

from typing import Any

import autointerp


def main(feature: int = 1234, **settings: Any) -> None:
    """The strategy `offline` takes a second or two once the index is there."""
    record = autointerp.explain_sync(feature, strategy="offline", **settings)
    print(record.explanation.summary)
    if record.explanation.predictor is not None:
        print(record.explanation.predictor.source)


if __name__ == "__main__":
    main()
