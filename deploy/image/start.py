"""Run the service that this image was built for, as ``python -m`` would."""

# ruff: noqa: INP001 - A program of the image, in no package.
import os
import runpy

runpy.run_module(os.environ["SERVICE"], run_name="__main__", alter_sys=True)
