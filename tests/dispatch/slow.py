"""What the tools take."""

SECONDS = 0.05
