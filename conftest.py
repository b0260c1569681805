"""How tests are shared among processes: those of a file together, for they share fixtures and compiled steps; and which
files take longest."""
import pytest

SECONDS: dict[str, float] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Every test without a group of its own belongs to that of its file (pytest-xdist, --dist loadgroup).

    First, for xdist reads the groups in its own hook, before that of a conftest. The conftests below, which are
    registered later and first too, have set theirs by now. tests/test_groups.py sees whether xdist heard of it.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


def pytest_runtest_logreport(report):
    """Adds up the seconds of every file of tests."""
    name = report.nodeid.partition("::")[0]
    SECONDS[name] = SECONDS.get(name, 0.0) + report.duration


def pytest_terminal_summary(terminalreporter):
    """The files of tests that took longest: none of the quick lane should reach a minute on a quiet machine."""
    slowest = sorted(SECONDS.items(), key=lambda item: -item[1])[:8]
    if slowest:
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slowest)
        terminalreporter.write_line(f"slowest files: {told}")
