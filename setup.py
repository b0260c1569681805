"""What pyproject.toml cannot say: a wheel carries the configs, and a checkout keeps them beside the package."""
import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).parent


class WithConfigs(build_py):
    """Copies configs/ to kdjax/_shipped/configs, where kdjax/config/file.py looks."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        target = pathlib.Path(self.build_lib) / "kdjax" / "_shipped" / "configs"
        shutil.rmtree(target, ignore_errors=True)  # build/ may hold a file of before
        shutil.copytree(ROOT / "configs", target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": WithConfigs})
