"""What forward passes cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """What has been spent so far: forward passes, and tokens that went through them (padding included)."""

    forward_passes: int = 0
    tokens: int = 0

    def add(self, other: Usage) -> None:
        """Count what was spent elsewhere too."""
        self.forward_passes += other.forward_passes
        self.tokens += other.tokens
