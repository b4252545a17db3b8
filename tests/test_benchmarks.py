"""That the benchmarks run; what they measure is for people to read."""

from tests.doors import PYTHON, ROOT, environment, finished


def test_a_benchmark_prints_its_table_and_names_its_targets() -> None:
    ran = finished([PYTHON, "-m", "benchmarks", "--quick", "isolated"], environment(), ROOT)
    assert ran.code == 0, ran.err
    assert "call: bare" in ran.out
    assert "dropped 0" in ran.out


def test_an_unknown_benchmark_is_named() -> None:
    ran = finished([PYTHON, "-m", "benchmarks", "nonsense"], environment(), ROOT)
    assert ran.code == 2
    assert "there is no benchmark nonsense; there are startup" in ran.err
