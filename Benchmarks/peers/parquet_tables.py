"""Parquet tables of documents with pyarrow and datatrove.

  parquet_tables.py make CORPUS FOLDER                    FOLDER/N.parquet from the documents, for reading
  parquet_tables.py PEER read FOLDER OUT                  rows to JSON lines in zstd
  parquet_tables.py PEER write CORPUS OUT                 JSON lines in zstd to Parquet in zstd

PEER: pyarrow or datatrove, in as many processes as there are processors.
"""

import glob
import io
import multiprocessing
import os
import sys
import time

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

BATCH = 2000
# Of zstd: that of parquet.write. Left alone, pyarrow takes 1.
LEVEL = 3


def corpus(path):
    with open(path, "rb") as raw:
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            yield orjson.loads(line)


def write_table(paths_out):
    path, out = paths_out
    rows, writer = [], None
    for document in corpus(path):
        rows.append({"id": document["id"], "text": document["text"], "source": document.get("source", ""),
                     "metadata": orjson.dumps(document.get("metadata") or {}).decode()})
        if len(rows) == BATCH:
            writer = put(rows, writer, out)
            rows = []
    writer = put(rows, writer, out)
    writer.close()


def put(rows, writer, out):
    table = pa.Table.from_pylist(rows) if writer is None else pa.Table.from_pylist(rows, schema=writer.schema)
    writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd", compression_level=LEVEL, write_page_index=True)
    writer.write_table(table)
    return writer


def read_table(paths_out):
    path, out = paths_out
    with open(out, "wb") as raw, zstandard.ZstdCompressor(level=1).stream_writer(raw) as sink:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=BATCH):
            for row in batch.to_pylist():
                text, name, source = row.pop("text"), row.pop("id"), row.pop("source")
                sink.write(orjson.dumps({"id": name, "text": text, "source": source, "metadata": row}) + b"\n")


def with_pyarrow(form, folder, out):
    os.makedirs(out)
    paths = sorted(glob.glob(f"{folder}/*.parquet" if form == "read" else f"{folder}/*.jsonl.zst"))
    suffix = ".jsonl.zst" if form == "read" else ".parquet"
    jobs = [(path, f"{out}/{number:05}{suffix}") for number, path in enumerate(paths)]
    with multiprocessing.Pool(os.cpu_count()) as pool:
        pool.map(read_table if form == "read" else write_table, jobs, chunksize=1)


def metadata_as_json(self, data, path, id_in_file):
    """datatrove's writer takes the fields of a file's first documents for those of all, so mixed metadata ends its run."""
    metadata = {"source": data.get("source", ""), "metadata": orjson.dumps(data.get("metadata") or {}).decode()}
    return {"text": data["text"], "id": data["id"], "metadata": metadata}


def with_datatrove(form, folder, out):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader, ParquetReader
    from datatrove.pipeline.writers import JsonlWriter, ParquetWriter

    if form == "read":
        steps = [ParquetReader(folder, glob_pattern="*.parquet"), JsonlWriter(out, compression="zstd")]
    else:
        steps = [
            JsonlReader(folder, glob_pattern="*.jsonl.zst", compression="zstd", adapter=metadata_as_json),
            ParquetWriter(out, compression="zstd")]
    processes = os.cpu_count()
    LocalPipelineExecutor(
        steps, tasks=len(os.listdir(folder)), workers=processes, logging_dir=out + "-logs", skip_completed=False).run()


def main(arguments):
    if arguments[0] == "make":
        os.makedirs(arguments[2])
        paths = sorted(glob.glob(f"{arguments[1]}/*.jsonl.zst"))
        for number, path in enumerate(paths):
            write_table((path, f"{arguments[2]}/{number:05}.parquet"))
        return
    peer, form, folder, out = arguments
    start = time.monotonic()
    (with_pyarrow if peer == "pyarrow" else with_datatrove)(form, folder, out)
    print(f"seconds {time.monotonic() - start:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
