"""What changes an index online: views enrolled, views erased, both folded into new versions.

The database is the truth for what was enrolled; a search takes it together with the snapshot.
"""

from index.enrolment.enrol import enrol
from index.enrolment.new_view import NewView

__all__ = ["NewView", "enrol"]
