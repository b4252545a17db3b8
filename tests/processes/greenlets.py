"""Greenlets that call the SDK at once, in a program that gevent has patched at the moment that the command line names."""

import sys


def patch():
    from gevent import monkey

    monkey.patch_all()


moment = sys.argv[1]
if moment == "before":  # of bttrace too, where the program enables it itself
    patch()
if "enable" in sys.argv:
    import bttrace

    bttrace.enable()
if moment == "enabled":
    patch()
from asking import ask  # noqa: E402 - it imports the SDK

if moment == "imported":
    patch()
if moment == "called":
    ask("first")
    import bttrace

    bttrace.flush(1)  # nobody may patch while another thread imports, and ours does at the first call
    patch()

import gevent  # noqa: E402 - after the patch, as the programs of gevent's users have it

ticks = []


def tick():
    while True:
        ticks.append(None)
        gevent.sleep(0.01)


heart = gevent.spawn(tick)
calls = [gevent.spawn(ask, f"greenlet {number}") for number in range(10)]
gevent.joinall(calls, raise_error=True)
before = len(ticks)
gevent.sleep(1)
assert len(ticks) - before > 30, len(ticks) - before
if "flush" in sys.argv:
    import bttrace

    before = len(ticks)
    bttrace.flush(1)
    assert len(ticks) - before > 30, len(ticks) - before
heart.kill()
