"""Reads a WARC file with warcio, checking its digests; prints type, target, status and payload of each record."""
import sys
from urllib.parse import urlsplit

from warcio.archiveiterator import ArchiveIterator

if len(sys.argv) > 1:
    problems = 0
    with open(sys.argv[1], "rb") as file:
        for record in ArchiveIterator(file, check_digests=True):
            payload = record.content_stream().read().decode()
            target = record.rec_headers.get_header("WARC-Target-URI")
            target = "http://server" + urlsplit(target).path if target else "-"
            status = record.http_headers.get_statuscode() if record.http_headers else "-"
            if record.rec_type == "request":
                status = record.http_headers.protocol
            if record.rec_type == "warcinfo":
                payload = "-"
            if record.rec_type == "metadata":
                payload = payload.split(":")[0]
            problems += len(record.digest_checker.problems)
            print(record.rec_type, target, status, payload, len(record.digest_checker.problems))
    print("all digests verified" if problems == 0 else f"{problems} problems")
