"""What `bttrace check` looks at, one subject a module; `bttrace.check` is the command.

A *finding* is one sentence about one thing, with a remedy where it is not as it should be. A *trial*
is a child Python in which an SDK is imported as the application would, and asked something; what it
does is its *rehearsal*. The children run in the very environment of the command.
"""
