"""The one error of the build: what is wrong, and why nothing is written."""

from __future__ import annotations


class BuildError(Exception):
    """The input cannot be read, or the result fails a check; nothing is written."""
