"""Parquet and Arrow files of other writers, and rows as pyarrow reads them.

usage: parquet_files.py write FOLDER        writes files of pyarrow, DuckDB, polars and datasets into FOLDER
       parquet_files.py compare LIST        LIST has lines FILE<tab>ROWS: the rows of FILE, as JSON lines, must be pyarrow's;
                                            with ROWS '-', pyarrow must not be able to read it either
       parquet_files.py save FOLDER         saves a data set there as datasets.save_to_disk does
       parquet_files.py load FOLDER         prints what datasets.load_dataset reads, as JSON lines, with its features first
       parquet_files.py convert ROWS FILE   writes a Parquet file of JSON lines, or of a CSV file's complete rows
       parquet_files.py describe FILE       prints the file's metadata as JSON
       parquet_files.py expand FOLDER TEXT ROWS
                                            writes small files into FOLDER in which each of ROWS rows refers to a text of
                                            TEXT bytes

Without arguments it does nothing but import what it needs.
"""
import base64
import csv
import datetime
import decimal
import json
import math
import os
import sys

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


# MARK: What pyarrow reads


def text(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def clock(ticks, unit):
    seconds, rest = divmod(ticks, UNITS[unit])
    whole = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return whole + (f".{rest:0{len(str(UNITS[unit])) - 1}}" if rest else "")


def date(days):
    return str(np.datetime64(0, "D") + np.timedelta64(days, "D"))


def moment(ticks, kind):
    days, rest = divmod(ticks, 86400 * UNITS[kind.unit])
    return f"{date(days)}T{clock(rest, kind.unit)}" + ("Z" if kind.tz else "")


def values(array):
    """The values of an array as they are expected in JSON."""
    kind = array.type
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return values(array.storage)
    if types.is_dictionary(kind):
        return values(array.dictionary_decode())
    if types.is_run_end_encoded(kind):
        return values(pc.run_end_decode(array))
    if types.is_floating(kind):
        return [None if v is None or not math.isfinite(v) else v for v in array.to_pylist()]
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return [None if v is None else text(v) for v in array.to_pylist()]
    if types.is_date32(kind):
        return [None if v is None else date(v) for v in array.cast(pa.int32()).to_pylist()]
    if types.is_date64(kind):
        return [None if v is None else date(v // 86400000) for v in array.cast(pa.int64()).to_pylist()]
    if types.is_timestamp(kind):
        return [None if v is None else moment(v, kind) for v in array.cast(pa.int64()).to_pylist()]
    if types.is_time(kind):
        width = pa.int32() if types.is_time32(kind) else pa.int64()
        return [None if v is None else clock(v, kind.unit) for v in array.cast(width).to_pylist()]
    if types.is_duration(kind):
        return array.cast(pa.int64()).to_pylist()
    if types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        columns = [values(array.field(i)) for i in range(kind.num_fields)]
        valid = array.is_valid().to_pylist()
        return [dict(zip(names, row)) if ok else None for ok, row in zip(valid, zip(*columns))] if columns else [
            {} if ok else None for ok in valid]
    if types.is_map(kind):
        return [None if v is None else pairs(v) for v in (scalar.values for scalar in array)]
    if types.is_nested(kind) and not types.is_union(kind):
        return [None if v is None else values(v) for v in (scalar.values for scalar in array)]
    return array.to_pylist()


def pairs(entries):
    kind = entries.type.field(0).type
    keys, items = values(entries.field(0)), values(entries.field(1))
    is_text = any(
        test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary))
    return dict(zip(keys, items)) if is_text else [list(pair) for pair in zip(keys, items)]


def tables(path):
    """The rows as pyarrow reads them, in batches."""
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"PAR1"):
        yield from pq.ParquetFile(path, page_checksum_verification=True).iter_batches(batch_size=1000, use_threads=False)
        return
    source = pa.OSFile(path)
    reader = pa.ipc.open_file(source) if head == b"ARROW1" else pa.ipc.open_stream(source)
    if head == b"ARROW1":
        yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        yield from reader


def expected(path):
    for batch in tables(path):
        columns = [values(column) for column in batch.columns]
        names = batch.schema.names
        for row in range(batch.num_rows):
            yield [(name, column[row]) for name, column in zip(names, columns)]


def same(ours, theirs):
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float) and isinstance(ours, (int, decimal.Decimal)) and not isinstance(ours, bool):
        near = float(ours)
        return near == theirs or float(np.float32(near)) == theirs or float(np.float16(near)) == theirs
    if isinstance(theirs, decimal.Decimal):
        return decimal.Decimal(ours) == theirs
    return type(ours) is type(theirs) and ours == theirs


def unreadable(path):
    try:
        count = sum(batch.num_rows for batch in tables(path))
    except (pa.ArrowException, OSError):
        return None
    return f"pyarrow reads {count} rows"


def compare(path, rows):
    if rows == "-":
        return unreadable(path)
    with open(rows, "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    count = 0
    for number, row in enumerate(expected(path)):
        if number >= len(lines):
            return f"row {number} is missing"
        # Names may repeat: pairs instead of an object at the top.
        ours = json.loads(lines[number], parse_float=decimal.Decimal, object_pairs_hook=lambda found: found)
        again = json.loads(lines[number], parse_float=decimal.Decimal)
        if [name for name, _ in ours] != [name for name, _ in row]:
            return f"row {number} has the columns {[name for name, _ in ours]}"
        unique = len(dict(row)) == len(row)
        for name, value in row if unique else []:
            if not same(again[name], value):
                return f"row {number}, {name}: {str(again[name])[:200]!r} is not {str(value)[:200]!r}"
        count += 1
    if count != len(lines):
        return f"there are {len(lines)} rows, not {count}"
    return None


# MARK: Files of other writers


def documents():
    words = ["川沿いの水車", "山の家", "駅前の図書室", "港の市場", "\"quoted\"\\\n\t\u0001"]
    moments = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=datetime.timezone.utc)
    return [
        {
            "text": f"{words[i % 5]}、{i}番目の文書。" * (i % 7 + 1),
            "id": f"doc-{i}",
            "url": f"https://example.org/{i}" if i % 3 else None,
            "date": moments + datetime.timedelta(hours=i),
            "language_score": i / 64,
            "token_count": i * 37,
            "minhash": {"cluster": i // 3, "size": i % 5, "words": [w[:1] for w in words[: i % 4]]},
            "tags": [{"name": w, "score": None if i % 2 else 0.5} for w in words[: i % 3]],
            "flag": i % 2 == 0,
        }
        for i in range(500)
    ]


def all_types():
    ints = [0, 1, None, 100]
    return pa.table(
        {
            "i8": pa.array(ints, pa.int8()),
            "u64": pa.array([2**64 - 1, 0, None, 7], pa.uint64()),
            "f16": pa.array([np.float16(0.5), np.float16(1.25), None, np.float16("inf")], pa.float16()),
            "f32": pa.array([0.1, float("nan"), None, 1e30], pa.float32()),
            "f64": pa.array([0.1, 1e300, None, 3.0], pa.float64()),
            "d128": pa.array([decimal.Decimal("1.23"), decimal.Decimal("-0.01"), None, decimal.Decimal("99999.99")],
                             pa.decimal128(20, 2)),
            "date": pa.array([0, -1, None, 20000], pa.date32()),
            "s": pa.array([0, -1, None, 2**31], pa.timestamp("s")),
            "ns": pa.array([0, -1, None, 2**62], pa.timestamp("ns", "UTC")),
            "t32": pa.array([0, 86399999, None, 1], pa.time32("ms")),
            "t64": pa.array([0, 86399999999, None, 1], pa.time64("us")),
            "duration": pa.array([0, -5, None, 1], pa.duration("us")),
            "bytes": pa.array([b"abc", b"\xff\x00\x01\x02", None, b""], pa.binary()),
            "fixed": pa.array([b"ab", b"\xff\xfe", None, b"cd"], pa.binary(2)),
            "large": pa.array(["a", "b", None, "c"], pa.large_string()),
            "coded": pa.array(["x", "y", None, "x"]).dictionary_encode(),
            "map": pa.array([[("a", 1)], [], None, [("b", None), ("c", 2)]], pa.map_(pa.string(), pa.int32())),
            "numbers": pa.array([[(1, "a")], [], None, [(2, None)]], pa.map_(pa.int32(), pa.string())),
            "lists": pa.array([[[1], []], [], None, [None, [2, None]]], pa.list_(pa.list_(pa.int32()))),
            "pair": pa.array([[1, 2], [3, 4], None, [5, None]], pa.list_(pa.int32(), 2)),
            "nothing": pa.nulls(4),
        }
    )


def write(folder):
    rows = documents()
    table = pa.Table.from_pylist(rows)
    kinds = all_types()
    at = lambda name: os.path.join(folder, name)
    pq.write_table(table, at("pyarrow.parquet"), row_group_size=100)
    pq.write_table(table, at("pyarrow-v2.parquet"), data_page_version="2.0", compression="zstd", use_dictionary=False,
                   column_encoding={"token_count": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY",
                                    "id": "DELTA_LENGTH_BYTE_ARRAY", "language_score": "BYTE_STREAM_SPLIT"})
    pq.write_table(table, at("old-v1.parquet"), version="1.0", compression="gzip", use_dictionary=False,
                   use_compliant_nested_type=False)
    pq.write_table(table, at("spark.parquet"), flavor="spark", version="1.0", use_deprecated_int96_timestamps=True,
                   use_compliant_nested_type=False, compression="snappy", row_group_size=64)
    pq.write_table(kinds, at("types.parquet"))
    connection = duckdb.connect()
    connection.register("rows", table)
    connection.execute(f"COPY (SELECT * FROM rows) TO '{at('duckdb.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 128)")
    connection.execute(
        f"COPY (SELECT * FROM rows) TO '{at('duckdb-v2.parquet')}' (FORMAT parquet, PARQUET_VERSION v2, CODEC 'zstd')")
    polars.from_arrow(table).write_parquet(at("polars.parquet"), row_group_size=128)
    with pa.OSFile(at("file.arrow"), "wb") as sink, pa.ipc.new_file(sink, kinds.schema) as writer:
        writer.write_table(kinds, max_chunksize=3)
    write_ipc(at("references.arrow"), references(["川", "\"a\"\n", None, ""], 10))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(at("stream.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=170)


def views(words, places):
    """Views of texts, which pyarrow does not take by number."""
    whole = pa.array(words).cast(pa.string_view())
    valid, views, *texts = whole.buffers()
    chosen = np.frombuffer(views, "V16")[np.array(places)]
    holes = pa.array([words[place] is not None for place in places.to_pylist()]).buffers()[1]
    return pa.Array.from_buffers(whole.type, len(places), [holes if valid else None, pa.py_buffer(chosen.tobytes()), *texts])


def references(words, rows):
    """Columns whose rows refer to values that are there once."""
    places = pa.array([i % len(words) for i in range(rows)], pa.int32())
    coded = pa.DictionaryArray.from_arrays(places, pa.array(words))
    kinds, rising = pa.array([0] * rows, pa.int8()), pa.array([i * len(words) // rows for i in range(rows)], pa.int32())
    ends = pa.array([max(1, rows // 2), rows], pa.int32())
    twice = pa.array(range(0, 2 * rows + 1, 2), pa.int32())
    return {
        "coded": coded,
        "viewed": views(words, places),
        "runs": pa.RunEndEncodedArray.from_arrays(ends, pa.array([words[0], words[-1]])),
        "chosen": pa.UnionArray.from_dense(kinds, rising, [pa.array(words), pa.array([1])]),
        "listed": pa.ListArray.from_arrays(twice, pa.concat_arrays([coded, coded])),
        "lists": pa.ListViewArray.from_arrays(places, pa.array([1] * rows, pa.int32()), pa.array(words)),
        "inside": pa.StructArray.from_arrays([coded, pa.array(range(rows))], ["word", "number"]),
    }


def write_ipc(path, columns):
    table = pa.record_batch(list(columns.values()), list(columns))
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table)


def expand(folder, size, rows):
    word, rows = "x" * int(size), int(rows)
    for name, column in references([word], rows).items():
        write_ipc(os.path.join(folder, f"{name}.arrow"), {"text": column})
    huge = pa.ListArray.from_arrays(pa.array([0, 2**31 - 1], pa.int32()), pa.nulls(2**31 - 1))
    write_ipc(os.path.join(folder, "row-of-nulls.arrow"), {"text": huge})
    all_rows = pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), references([word], rows)["coded"])
    write_ipc(os.path.join(folder, "row-of-words.arrow"), {"text": all_rows})
    pq.write_table(pa.table({"text": references([word], rows)["coded"]}), os.path.join(folder, "coded.parquet"))
    # Does not say how large its texts are.
    polars.DataFrame({"text": [word] * rows}).write_parquet(os.path.join(folder, "polars.parquet"), compression="zstd")


def save(folder):
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list(documents()).save_to_disk(folder, num_shards=3)


def load(folder):
    import datasets

    datasets.disable_progress_bars()
    found = datasets.load_dataset(folder, cache_dir=os.path.join(folder, ".cache"), split="train")
    print(json.dumps({name: str(kind) for name, kind in found.features.items()}, ensure_ascii=False))
    for row in found:
        print(json.dumps(row, ensure_ascii=False, default=str))


def convert(rows, path):
    with open(rows, newline="") as file:
        if rows.endswith(".csv"):
            header, *lines = csv.reader(file)
            found = [dict(zip(header, line)) for line in lines if len(line) == len(header)]
        else:
            found = [json.loads(line) for line in file if line.strip()]
    pq.write_table(pa.Table.from_pylist(found), path, row_group_size=4)


def describe(path):
    file = pq.ParquetFile(path)
    metadata = file.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    print(json.dumps({
        "rows": metadata.num_rows,
        "schema": {field.name: str(field.type) for field in file.schema_arrow},
        "groups": [group.num_rows for group in groups],
        "codecs": sorted({group.column(i).compression for group in groups for i in range(group.num_columns)}),
        "pageIndex": all(
            group.column(i).has_offset_index and group.column(i).has_column_index
            for group in groups for i in range(group.num_columns)),
    }))


def main(arguments):
    if not arguments:
        return
    if arguments[0] == "compare":
        with open(arguments[1]) as file:
            for line in file:
                path, rows = line.rstrip("\n").split("\t")
                problem = compare(path, rows)
                if problem:
                    print(f"{os.path.basename(path)}: {problem}")
        return
    commands = (write, save, load, describe, convert, expand)
    {command.__name__: command for command in commands}[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
