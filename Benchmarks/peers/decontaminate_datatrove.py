"""datatrove's search for n-grams of test questions: JSON lines in, JSON lines out, both zstd.

usage: decontaminate_datatrove.py CORPUS QUESTIONS OUTPUT WORKERS

The index is made by datatrove's own functions, as its indexer does, which needs lighteval. Words are cut by its tokenizer for
English, that is at white space and punctuation: its Japanese one is several times slower.
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(sys.prefix, "operators"))

import numpy as np  # noqa: E402
from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402
from datatrove.utils.hashing import HashConfig  # noqa: E402
from datatrove.utils.text import ngrams, simplify_text  # noqa: E402

if __name__ == "__main__":
    corpus, questions, output, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    files = sum(name.endswith(".jsonl.zst") for name in os.listdir(corpus))
    began = time.monotonic()
    config = NGramsDecontConfig(n_grams=13, hash_config=HashConfig(hash_fc="sha1"))
    search = NGramsDecontFilter(output + "/index", config=config)
    hashes = set()
    with open(questions) as lines:
        for line in lines:
            words = search.tokenizer.word_tokenize(simplify_text(json.loads(line)["question"], config.norm_config))
            hashes.update(search.hash_func(" ".join(gram)) for gram in ngrams(words, config.n_grams))
    os.makedirs(output + "/index", exist_ok=True)
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(output + "/index/questions.index.hashes")
    executor = LocalPipelineExecutor(
        pipeline=[
            JsonlReader(corpus, glob_pattern="*.jsonl.zst"),
            search,
            JsonlWriter(output + "/kept", output_filename="${rank}.jsonl.zst", compression="zstd"),
        ],
        tasks=files,
        workers=min(workers, files),
        logging_dir=output + "/logs",
    )
    executor.run()
    print(f"seconds {time.monotonic() - began}")
