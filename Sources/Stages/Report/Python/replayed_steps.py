"""What the scripts that replay a training have in common: its steps, and how they end."""
import json
import os
import sys


def rows(path):
    """Steps of a metrics.jsonl, each later than the one before, as (step, seconds since 1970 or 0, values).

    Nulls are numbers that were not finite.
    """
    last = -1
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # A line that a kill cut short.
            step = row.pop("step", None) if isinstance(row, dict) else None
            if not isinstance(step, int) or step <= last:
                continue
            last = step
            moment = row.pop("time", 0)
            yield step, moment, {name: float("nan") if value is None else value for name, value in row.items()}


def run(load, replay):
    """Reads the plan that the first argument names, and prints what `replay(load(plan), plan)` returns, as JSON.

    Returns the exit code. 3: `load` could not import the tracker's package; 4: the package failed, or its server.
    """
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    # A module of the package's name next to the script or in the current folder cannot stand in for it.
    sys.path[:] = [place for place in sys.path if place not in ("", os.path.dirname(os.path.abspath(__file__)))]
    try:
        package = load(plan)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    try:
        result = replay(package, plan)
    except Exception as error:  # pylint: disable=broad-except
        print(f"error: {' '.join(str(error).split())[:400] or type(error).__name__}", file=sys.stderr)
        return 4
    print(json.dumps(result))
    return 0
