#!/usr/bin/env python3
"""Prints a .wandb file as JSON, read with the package's own record types; without arguments, only imports them.

The file is a log of LevelDB's format with W&B's header; each record is a protocol buffer. Checksums are checked.
"""
import json
import struct
import sys
import zlib

from wandb.proto import wandb_internal_pb2 as internal

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b":W&B" and struct.unpack("<HB", data[4:7]) == (0xBEE1, 0), data[:7]
    place, parts = 7, []
    while place < len(data):
        room = BLOCK - place % BLOCK
        if room < 7:
            place += room
            continue
        checksum, length, kind = struct.unpack("<IHB", data[place : place + 7])
        body = data[place + 7 : place + 7 + length]
        assert len(body) == length and checksum == zlib.crc32(bytes([kind]) + body), f"damaged at {place}"
        place += 7 + length
        parts.append(body)
        if kind in (FULL, LAST):
            record = internal.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


def value(item):
    return item.key or "/".join(item.nested_key), json.loads(item.value_json, parse_constant=str)


def read(path):
    out = {"history": [], "config": {}, "summary": {}, "exited": False}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            out.update(
                id=run.run_id, project=run.project, name=run.display_name, group=run.run_group, tags=list(run.tags),
                notes=run.notes, host=run.host)
            out["config"].update(value(item) for item in run.config.update)
        elif kind == "config":
            out["config"].update(value(item) for item in record.config.update)
        elif kind == "history":
            row = dict(value(item) for item in record.history.item)
            assert row["_step"] == record.history.step.num
            del row["_runtime"]
            out["history"].append(row)
        elif kind == "summary":
            out["summary"].update(value(item) for item in record.summary.update)
        elif kind == "exit":
            out["exited"] = record.exit.exit_code == 0
    return out


for path in sys.argv[1:]:
    print(json.dumps(read(path), sort_keys=True))
