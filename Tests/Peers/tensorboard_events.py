"""What TensorBoard reads from a folder of event files.

  python3 tensorboard_events.py FOLDER    a line for each point of each scalar: tag, step, value

Needs: pip install tensorboard.
"""
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

if __name__ == "__main__" and len(sys.argv) > 1:
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    for tag in sorted(events.Tags()["scalars"]):
        for point in events.Scalars(tag):
            print(tag, point.step, point.value)
