"""Asks a Prometheus: is every server scraped, are the rules read, can each panel be drawn?"""

import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARD = Path(__file__).parents[1] / "observability/grafana/posebank.json"


def get(path: str, **query: str) -> dict:
    """The data of one answer of Prometheus' API."""
    url = f"{sys.argv[1]}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


targets = get("targets")["activeTargets"]
assert targets, "nothing is scraped"
assert all(one["health"] == "up" for one in targets), targets
groups = get("rules")["groups"]
rules = [rule for group in groups for rule in group["rules"]]
assert rules, "no rule is read"
assert all(rule["health"] == "ok" for rule in rules), rules
panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
empty = []
for panel in panels:
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", "1m")
        if not get("query", query=query)["result"]:
            empty.append(panel["title"])
assert get("query", query="posebank_ready == 1")["result"], "no server is ready"
print(f"{len(targets)} server scraped, {len(rules)} rules read, {len(panels)} panels have data")
assert not empty, f"without data: {empty}"
