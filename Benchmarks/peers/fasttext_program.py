"""fastText's own program on lines of text, one process per processor; writing the lines is not measured, nor is what the same
processes take for files without lines, which is reading the model.

usage: fasttext_program.py predict CORPUS OUTPUT WORKERS MODEL
       fasttext_program.py train POSITIVE NEGATIVE MODEL      100 numbers per word and pair of words, as DCLM's classifier
"""
import os
import subprocess
import sys
import time

from documents import documents


def line(document):
    return " ".join(document["text"].split()) + "\n"


def predict(corpus, output, workers, model):
    os.makedirs(output)
    names = [f"{output}/{place}.txt" for place in range(workers)]
    files = [open(name, "w") for name in names]
    sizes = [0] * workers
    for document in documents(corpus):
        place = sizes.index(min(sizes))
        sizes[place] += files[place].write(line(document))
    for file in files:
        file.close()
    empty = [name + ".empty" for name in names]
    for name in empty:
        open(name, "w").close()
    # The first time, the model may not be in the page cache.
    reading = min(timed(model, empty) for _ in range(2))
    print(f"seconds {max(1e-3, timed(model, names) - reading)}")


def timed(model, names):
    """The seconds that one process per file takes."""
    began = time.monotonic()
    running = [
        subprocess.Popen(["fasttext", "predict-prob", model, name], stdout=open(name + ".measures", "w"))
        for name in names]
    if any([process.wait() for process in running]):
        sys.exit("fasttext failed")
    return time.monotonic() - began


def train(positive, negative, model):
    lines = model + ".txt"
    with open(lines, "w") as out:
        for label, folder in [("good", positive), ("bad", negative)]:
            for document in documents(folder):
                out.write(f"__label__{label} {line(document)}")
    subprocess.run(
        ["fasttext", "supervised", "-input", lines, "-output", model.removesuffix(".bin"), "-wordNgrams", "2", "-dim", "100",
         "-bucket", "2000000", "-epoch", "2", "-thread", "1"],
        check=True)


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train(*sys.argv[2:5])
    else:
        predict(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
