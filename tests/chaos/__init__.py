"""A load of calls while the API flaps and processes are killed and forked; every finished span arrives once.

    python -m tests.chaos --seconds 120

`keys`, `model` and `asking` are the calls, `worker` the program that makes them, `ledger` what it says of itself, `flaps`
what goes wrong at Braintrust, `storm` runs it all, and `verdict` compares.
"""
