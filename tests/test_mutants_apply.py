"""Every mistake of parity_tests/mutants.py can still be made: the second lane shows that it is noticed."""
import pytest

from parity_tests import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_the_place_of_a_mistake_is_there(mutant):
    with mutant.mistake():
        pass
