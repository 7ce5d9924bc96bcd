"""Search over what a person may see: projects, runs, commits, people, and the text of logs."""

from pipelines.finding.everywhere import Found, Kind, find
from pipelines.finding.lines import Line, Look, Matched, in_log
from pipelines.finding.names import Author

__all__ = ["Author", "Found", "Kind", "Line", "Look", "Matched", "find", "in_log"]
