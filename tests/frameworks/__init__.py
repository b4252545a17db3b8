"""Real agents of the frameworks that bttrace knows, each in an environment of its own: `python -m tests.frameworks`.

Without a framework, its tests skip; `make test` runs those of one.
"""
