"""Frames of verdicts on the documents "a", "b" and "c" as Arrow streams: right ones, and wrong ones of each kind.

usage: arrow_frames.py FOLDER       writes FOLDER/NAME for each

Without arguments it does nothing but import what it needs.
"""
import os
import sys

import pyarrow as pa

IDS = pa.array(["a", "b", "c"])
WORD = "x" * 4_000_000


def column(values, kind=None):
    return pa.array(values, kind)


def coded(values):
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(values))


def cases():
    """Columns beside the ids; those with an "id" have that instead."""
    nulls = pa.nulls(3)
    return {
        "kept": {},
        "rich": {
            "keep": column([True, None, None]),
            "text": coded(["new", None]),
            "metadata": pa.array([{"n": 1}, None, {"n": 2}]),
            "drop": pa.array([None, "odd", None]).cast(pa.string_view()),
            "value": column([7, 3, 7], pa.int16()),
            "threshold": column([None, 2.5, None], pa.float32()),
            "detail": pa.array([None, "because", None], pa.large_string()),
            "documents": nulls,
            "metrics": pa.array(['{"seen": 2}', None, None]),
        },
        "split": {"documents": pa.array([None, '[{"text":"1"},{"text":"2","id":"z"}]', None]), "error": pa.array([None, None, "bad"])},
        "first-counts": {"drop": pa.array(["odd", None, None]), "text": pa.array(["x"] * 3), "keep": column([False, True, True])},
        "no-id": {"id": nulls},
        "order": {"id": pa.array(["b", "a", "c"])},
        "few": {"id": IDS[:2]},
        "many": {"id": pa.array(["a", "b", "c", "d"])},
        "unknown": {"verdict": nulls},
        "unkept": {"keep": column([True, False, True])},
        "number-for-text": {"text": column([1, 2, 3])},
        "text-for-number": {"drop": pa.array(["odd"] * 3), "value": pa.array(["1"] * 3)},
        "no-number": {"drop": pa.array(["odd"] * 3), "value": column([float("nan")] * 3)},
        "text-for-truth": {"keep": pa.array(["yes"] * 3)},
        "no-reason": {"drop": pa.array(["not a reason"] * 3)},
        "no-json": {"metadata": pa.array(["{", "{", "{"])},
        "list-for-object": {"metadata": column([[1], [2], [3]])},
        "hidden": {"metadata": pa.array(['{},"drop":{"reason":"x"}'] * 3)},
        "twice": {"metadata": pa.array(['{},"metadata":{}'] * 3)},
        "bytes": {"text": pa.array([b"\xff"] * 3)},
        "huge": {"text": pa.DictionaryArray.from_arrays(pa.array([0, 0, 0], pa.int8()), pa.array([WORD]))},
        "nested-bomb": {"documents": pa.ListArray.from_arrays(pa.array([0, 2**31 - 1] + [2**31 - 1] * 2, pa.int32()), pa.nulls(2**31 - 1))},
    }


def stream(columns, **options):
    batch = pa.record_batch([columns.get("id", IDS), *(c for name, c in columns.items() if name != "id")],
                            ["id", *(name for name in columns if name != "id")])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def main(folder):
    frames = {name: stream(columns) for name, columns in cases().items()}
    frames["packed"] = stream({"text": pa.array(["new"] * 3)}, compression="zstd")
    frames["bomb"] = stream({"text": pa.array([WORD] * 3)}, compression="zstd")
    frames["cut"] = frames["rich"][:-300]
    frames["empty"] = b""
    frames["no-arrow"] = b'{"id":"a","keep":true}\n' * 3
    frames["parquet"] = b"PAR1" * 10
    for name, frame in frames.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(frame)


if __name__ == "__main__" and len(sys.argv) > 1:
    main(sys.argv[1])
