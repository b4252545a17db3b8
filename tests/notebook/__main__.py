"""Runs the cells that it is given as JSON; prints what each printed, and the kind of error that it ended with."""

import contextlib
import io
import json
import sys

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_line_magic("colors", "NoColor")
told = []
for cell in json.load(sys.stdin):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        ran = shell.run_cell(cell, store_history=True)
    error = ran.error_before_exec or ran.error_in_exec
    told.append([shown.getvalue().strip() if error is None else "", error and type(error).__name__])
print(json.dumps(told))
