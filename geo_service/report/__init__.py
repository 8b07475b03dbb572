"""A report about the Land, a Kreis or a Verbandsgemeinde as PDF on A4, in German.

Everything comes in as plain text, written as it is to be read (`Report`): summary, map, table,
how sure it is, method and sources. `render_report` sets it.
"""

from geo_service.report.pdf import render_report
from geo_service.report.sheet import Cell, Heading, Report, Section

__all__ = ["Cell", "Heading", "Report", "Section", "render_report"]
