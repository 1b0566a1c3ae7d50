"""Text of web archives by Python: html_peers.py trafilatura|resiliparse FOLDER OUT, a process a processor."""

import glob
import multiprocessing
import os
import sys
import time

import orjson


def by_trafilatura(path):
    import trafilatura
    from warcio.archiveiterator import ArchiveIterator

    with open(path, "rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response":
                text = trafilatura.extract(record.content_stream().read(), include_comments=False)
                if text:
                    yield record.rec_headers.get_header("WARC-Target-URI"), text


def by_resiliparse(path):
    from fastwarc.warc import ArchiveIterator, WarcRecordType
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    with open(path, "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            body = record.reader.read()
            text = extract_plain_text(bytes_to_str(body, detect_encoding(body)), main_content=True)
            if text:
                yield record.headers["WARC-Target-URI"], text


def extract(task):
    name, path, out = task
    count = 0
    with open(out, "wb") as file:
        for url, text in {"trafilatura": by_trafilatura, "resiliparse": by_resiliparse}[name](path):
            file.write(orjson.dumps({"id": url, "text": text}) + b"\n")
            count += 1
    return count


if __name__ == "__main__":
    name, folder, out = sys.argv[1:]
    os.makedirs(out)
    tasks = [(name, path, f"{out}/{i}.jsonl") for i, path in enumerate(sorted(glob.glob(f"{folder}/*.warc.gz")))]
    start = time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        print("documents", sum(pool.imap_unordered(extract, tasks)))
    print(f"seconds {time.monotonic() - start:.3f}")
