"""The filter of Fixtures/programs/quality.py in datatrove's local executor: JSON lines in, JSON lines out, both zstd.

usage: filter_datatrove.py CORPUS OUTPUT WORKERS
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "operators"))

from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.filters.base_filter import BaseFilter  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402

NOT_HIRAGANA = re.compile("[^ぁ-ゖゝ-ゟ]+")


class Quality(BaseFilter):
    name = "quality"

    def filter(self, doc):
        characters = len(doc.text)
        if characters < 400:
            return False, "minimum-characters"
        if len(NOT_HIRAGANA.sub("", doc.text)) / characters < 0.15:
            return False, "minimum-hiragana-fraction"
        return True


if __name__ == "__main__":
    corpus, output, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
    files = sum(name.endswith(".jsonl.zst") for name in os.listdir(corpus))
    executor = LocalPipelineExecutor(
        pipeline=[
            JsonlReader(corpus, glob_pattern="*.jsonl.zst"),
            Quality(),
            JsonlWriter(output + "/kept", output_filename="${rank}.jsonl.zst", compression="zstd"),
        ],
        tasks=files,
        workers=min(workers, files),
        logging_dir=output + "/logs",
    )
    began = time.monotonic()
    executor.run()
    print(f"seconds {time.monotonic() - began}")
