"""Programs that make processes, which the tests run under the hook. Each prints how many calls it made in all."""
