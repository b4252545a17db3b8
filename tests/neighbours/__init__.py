"""Programs under the hooks of other tools and ours at once: ddtrace, OpenTelemetry, langfuse, coverage.

Each test skips where its neighbour is not installed; `python -m tests.neighbours` makes an environment where they all are.
"""
