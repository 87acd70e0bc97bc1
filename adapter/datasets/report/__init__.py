"""In: a finished package of SDTM. Out: one HTML file that tells how the trial goes: accrual, infusions, laboratory, disease control, courses of subjects."""

from adapter.datasets.report.control import Control, Interval, exact_interval
from adapter.datasets.report.reading import Course, Cut, Read, read_package
from adapter.datasets.report.writing import write_report

__all__ = ["Control", "Course", "Cut", "Interval", "Read", "exact_interval", "read_package", "write_report"]
