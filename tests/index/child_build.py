"""Builds in a process of its own; kills itself with SIGKILL at the stage named.

``child_build.py CONFTEST HOME DATABASE_URL DATA STAGE``; stage ``end`` lives on, ``slow`` takes
its time so that others can kill it, ``wait`` holds the lock until it is killed.
"""

import os
import runpy
import signal
import sys
import time
from pathlib import Path

import index.build
from index.building import assemble, embed, plan, publish
from index.home import Home

conftest, home, url, data, stage = sys.argv[1:]


def die(*_args, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def after(calls, function, then=die):
    """``function``, and after so many calls of it the end."""
    count = 0

    def wrapped(*args, **options):
        nonlocal count
        result = function(*args, **options)
        count += 1
        if count == calls:
            then()
        return result

    return wrapped


encoder = runpy.run_path(conftest)["FakeEncoder"]()
if stage == "in-a-shard":
    encoder.encode = after(4, encoder.encode)
elif stage == "after-a-shard":
    embed.write_shard = after(2, embed.write_shard)
elif stage == "after-vectors":
    assemble._write_head = after(1, assemble._write_head)
elif stage == "after-confidence":
    index.build.fit_confidence = after(1, index.build.fit_confidence)
elif stage == "before-rename":
    assemble._move = die
elif stage == "after-rename":
    index.build.publish = die
elif stage == "in-the-second-transaction":
    publish.add_new_views = after(2, publish.add_new_views)
elif stage == "before-commit":
    publish.make_current = after(1, publish.make_current)
elif stage == "after-commit":
    index.build.publish = after(1, index.build.publish)
elif stage == "slow":
    encode = encoder.encode

    def slowly(crops, batch_size=64):
        time.sleep(0.02)
        return encode(crops)

    encoder.encode = slowly
elif stage == "wait":

    def wait(crops, batch_size=64):
        print("encoding", flush=True)
        time.sleep(60)

    encoder.encode = wait

plan.SHARD_VIEWS = 8  # several shards of so few views
opened = Home.open(home, url)
result = index.build.build_index(opened, "things", [(Path(data), "manifest")], encoder)
print(result.version)
