"""Masking personal data, or dropping by listed words, with the operators of another library; zstd in, zstd out.

usage: redact_peers.py datatrove|hojichar|data-juicer|hojichar-words CORPUS OUTPUT WORKERS [WORDS]

datatrove runs in its own executor; the others' operators over one file per process, which is how their loops work too.
"""
import io
import multiprocessing
import os
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "operators"))

import orjson  # noqa: E402
import zstandard  # noqa: E402


def with_datatrove(corpus, output, files, workers):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(corpus, glob_pattern="*.jsonl.zst"),
            PIIFormatter(),
            JsonlWriter(output + "/kept", output_filename="${rank}.jsonl.zst", compression="zstd"),
        ],
        tasks=len(files),
        workers=min(workers, len(files)),
        logging_dir=output + "/logs",
    ).run()


def operator(library, words):
    """A function from a text to a text, or to None for a document that is dropped."""
    if library == "data-juicer":
        from data_juicer.ops.mapper.clean_email_mapper import CleanEmailMapper
        from data_juicer.ops.mapper.clean_ip_mapper import CleanIpMapper

        steps = [CleanEmailMapper(repl="<MAIL>"), CleanIpMapper(repl="<IP>")]

        def clean(text):
            samples = {"text": [text]}
            for step in steps:
                samples = step.process_batched(samples)
            return samples["text"][0]

        return clean
    import hojichar

    if library == "hojichar":
        step = hojichar.document_filters.MaskPersonalInformation()
    else:
        step = hojichar.document_filters.NgWordsFilterJa(dict_path=words, ignore_confused=True)

    def apply(text):
        document = step.apply(hojichar.Document(text))
        return None if document.is_rejected else document.text

    return apply


def one_file(job):
    library, source, target, words = job
    step = operator(library, words)
    with open(source, "rb") as raw, open(target, "wb") as out:
        sink = zstandard.ZstdCompressor(level=1).stream_writer(out)
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            document = orjson.loads(line)
            document["text"] = step(document["text"])
            if document["text"] is not None:
                sink.write(orjson.dumps(document) + b"\n")
        sink.close()


if __name__ == "__main__":
    library, corpus, output, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    words = sys.argv[5] if len(sys.argv) > 5 else None
    files = sorted(name for name in os.listdir(corpus) if name.endswith(".jsonl.zst"))
    began = time.monotonic()
    if library == "datatrove":
        with_datatrove(corpus, output, files, workers)
    else:
        os.makedirs(output)
        jobs = [(library, f"{corpus}/{name}", f"{output}/{name}", words) for name in files]
        with multiprocessing.get_context("spawn").Pool(min(workers, len(files))) as pool:
            pool.map(one_file, jobs, chunksize=1)
    print(f"seconds {time.monotonic() - began}")
