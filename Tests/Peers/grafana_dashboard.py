#!/usr/bin/env python3
"""Reads a dashboard with Grafana's own classes and prints what is wrong with it; without arguments, only imports them.

Every member must be one that Grafana's schema knows, panels must not overlap, and ids must differ.
"""
import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def differences(ours, theirs, path=""):
    """What the schema's classes do not give back as it was."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{path}/{key} is not in the schema"
            else:
                yield from differences(value, theirs[key], f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs)):
            yield from differences(*pair, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path} became {theirs!r}"


def layout(panels):
    """Panels that overlap or leave the grid of 24 columns, ids that are used twice."""
    ids, taken = set(), {}
    for panel in panels:
        if panel["id"] in ids:
            yield f"id {panel['id']} is used twice"
        ids.add(panel["id"])
        place = panel["gridPos"]
        if place["x"] < 0 or place["x"] + place["w"] > 24 or place["w"] < 1 or place["h"] < 1:
            yield f"{panel['title']} is outside of the grid"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']} overlaps {other}"
        references = [target["refId"] for target in panel.get("targets", [])]
        if len(set(references)) < len(references):
            yield f"{panel['title']} has a refId twice"
        if panel["type"] != "row" and not references:
            yield f"{panel['title']} has no query"


def problems(path):
    with open(path, encoding="utf-8") as file:
        dashboard = json.load(file)
    register_default_plugins()
    read = Dashboard.from_json(dashboard)
    yield from differences(dashboard, json.loads(JSONEncoder().encode(read)))
    yield from layout(dashboard["panels"])
    for name in ("title", "uid", "schemaVersion", "templating", "time"):
        if not dashboard.get(name):
            yield f"{name} is missing"


for path in sys.argv[1:]:
    for problem in problems(path):
        print(problem)
