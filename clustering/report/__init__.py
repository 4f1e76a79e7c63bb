"""The report of a run: one HTML file that opens offline and shows every prompt as text."""

from clustering.report.contents import FamilyDetail, RunTables, family_details
from clustering.report.page import ReportSettings, render, write_report
from clustering.report.visible import visible

__all__ = [
    "FamilyDetail",
    "ReportSettings",
    "RunTables",
    "family_details",
    "render",
    "visible",
    "write_report",
]
