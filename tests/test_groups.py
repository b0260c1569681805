"""Tests that share fixtures and compiled steps run in one process: what the root's conftest.py asks of pytest-xdist."""
import pytest


def test_the_tests_of_a_file_go_to_one_process(request):
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("all tests run in one process here")
    assert request.node.nodeid.endswith("@test_groups.py")  # pytest 9.2 does not take it from pytest-xdist 3.8
