"""What changes an index online: views enrolled, views erased, both folded into new versions.

The database is the truth for what was enrolled; a search takes it together with the snapshot.
"""

from index.enrolment.compact import Compacted, compact
from index.enrolment.enrol import enrol
from index.enrolment.erase import Erased, Rewritten, erase_instance, erase_views, finish_erasures
from index.enrolment.listing import ViewPage, list_views
from index.enrolment.new_view import NewView

__all__ = [
    "Compacted",
    "Erased",
    "NewView",
    "Rewritten",
    "ViewPage",
    "compact",
    "enrol",
    "erase_instance",
    "erase_views",
    "finish_erasures",
    "list_views",
]
