"""A call before gevent patches and one after it, on the connection of the first; and a fork between them, if asked for."""

import os
import sys

from asking import ask

ask("first")

import bttrace  # noqa: E402

bttrace.flush(60)  # nobody may patch while another thread imports, and ours does at the first call

from gevent import monkey  # noqa: E402 - later than gevent's users are told to

monkey.patch_all()

if "fork" in sys.argv:
    child = os.fork()
    if not child:
        ask("child")
        sys.exit()
    os.waitpid(child, 0)
ask("second")
