"""Enrols, erases or compacts in a process of its own, and dies where it is told.

``child_act.py CONFTEST HOME DATABASE_URL WHAT [ARGUMENTS]``. ``enrol FIRST``: enrols view after
view and prints the number of each once it is acknowledged. ``compact STAGE`` and ``erase INSTANCE
STAGE``: kills itself with SIGKILL at the stage, or lives on at the stage ``end``.
"""

import itertools
import os
import runpy
import signal
import sys

from index import enrolment
from index.enrolment import compact, erase, rewrite
from index.home import Home

conftest, home, url, what, *arguments = sys.argv[1:]
opened = Home.open(home, url)


def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function):
    def wrapped(*args, **options):
        function(*args, **options)
        die()

    return wrapped


module = sys.modules[f"index.enrolment.{what}"]
stage = arguments[-1]
if stage == "in-the-files":
    rewrite.copy_rows = then_die(rewrite.copy_rows)
elif stage == "before-rename":
    rewrite.seal = die
elif stage == "after-rename":
    module.rewritten = then_die(module.rewritten)
elif stage == "in-the-transaction":
    module.add_rows = then_die(module.add_rows)
elif stage == "before-commit":
    module.make_current = then_die(module.make_current)
elif stage == "after-commit":
    compact.purge = erase.shutil.rmtree = die
elif stage == "after-the-rows":
    erase._purge_all = die

if what == "enrol":
    make_view = runpy.run_path(conftest)["make_view"]
    from index.catalog import Catalog

    gallery = Catalog(opened).get("things")
    for seed in itertools.count(int(arguments[0])):
        view = make_view(seed, gallery.heads)
        enrolment.enrol(opened, "things", gallery.manifest.encoder.identity, [view])
        print(seed, flush=True)
elif what == "compact":
    print(enrolment.compact(opened, "things").new)
else:
    print(enrolment.erase_instance(opened, "workshop", arguments[0]).views)
