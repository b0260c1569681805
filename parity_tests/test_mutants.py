"""The suite notices mistakes: each of mutants.py is caught, and the same checks pass without it."""
import pytest

from parity_tests import mutants

NAMED = {m.name: m for m in mutants.MUTANTS}


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(f"mutants {m.check}"))
                                  for name, m in NAMED.items()])
def test_the_mistake_is_caught(name):
    good, seen = mutants.caught(NAMED[name])
    without = mutants.control(NAMED[name].check)
    assert good, f"error {seen:.1e} with the mistake, {without:.1e} without, {mutants.allowed():.0e} allowed"


def test_a_mistake_that_changes_nothing_is_reported_as_missed(monkeypatch, capsys):
    harmless = mutants.Mutant("nothing", "schedule", mutants.contextlib.nullcontext)
    monkeypatch.setattr(mutants, "MUTANTS", [harmless])
    assert mutants.main([]) == 1
    assert "MISSED  nothing" in capsys.readouterr().out
