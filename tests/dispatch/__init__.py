"""Small agents, each with its own way from a tool's name to its function; none knows anything of bttrace.

Each runs in `run(conversation)`, or `arun`, until the model asks for nothing more, and gives what it brought.
"""
