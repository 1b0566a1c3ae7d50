"""Prints in which order MosaicML Streaming takes samples, one line of JSON a case.

  python3 mosaicml_order.py 'JSON'          orders and partitions, from its functions
  python3 mosaicml_order.py FOLDER 'JSON'   the column `n` of a data set as its StreamingDataset gives it out

The first form's JSON is a list of cases: shards, algorithm (null: no shuffle), canonical, nodes, ranks, workers, batch,
block, seed, epoch, skip, initial. A line: the order of the epoch, and the samples of each place of the partition.
The second form's: algorithm, canonical, seed, batch, state (a state dict or null).
"""
import json
import sys
import warnings

import mosaicml_streaming


def order(case):
    import numpy as np
    from streaming.base.partition import get_partitions
    from streaming.base.shuffle import get_shuffle

    shards = np.array(case["shards"], np.int64)
    ids = get_partitions("relaxed", int(shards.sum()), case["canonical"], case["nodes"], case["ranks"],
                         case["workers"], case["batch"], case["skip"], case["initial"])
    shuffle = np.arange(shards.sum())
    if case["algorithm"]:
        shuffle = get_shuffle(case["algorithm"], shards, case["canonical"], case["seed"], case["epoch"], case["block"])
    taken = np.where(ids != -1, shuffle[ids], -1)
    return {"order": shuffle.tolist(), "shape": ids.shape, "taken": taken.flatten().tolist()}


def main():
    if len(sys.argv) == 1:
        mosaicml_streaming.imported()
        return
    dataset_type = mosaicml_streaming.import_streaming()
    warnings.simplefilter("ignore")
    if len(sys.argv) == 2:
        for case in json.loads(sys.argv[1]):
            try:
                print(json.dumps(order(case)))
            except ValueError:
                print("null")  # a spread that it refuses
    if len(sys.argv) == 3:
        case = json.loads(sys.argv[2])
        dataset = dataset_type(local=sys.argv[1], shuffle=True, shuffle_algo=case["algorithm"], batch_size=case["batch"],
                               num_canonical_nodes=case["canonical"], shuffle_seed=case["seed"])
        if case["state"]:
            dataset.load_state_dict(case["state"])
        for _ in range(2):
            print(json.dumps([int(sample["n"]) for sample in dataset]))


if __name__ == "__main__":
    main()
