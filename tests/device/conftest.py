"""Programs that these tests start have threads to spare for eight devices, as kdjax's commands give them."""
import pytest


@pytest.fixture(autouse=True)
def _threads(monkeypatch):
    monkeypatch.setenv("PJRT_NPROC", "10")  # see kdjax/device/start.py
