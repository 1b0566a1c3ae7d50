"""Replays the metrics of a finished training as one MLflow run.

usage: mlflow_replay.py PLAN.json    (written by pipeline's stage report.mlflow)

The run is found by a tag that names the training, so replaying again adds only what it lacks. The last line printed is
JSON: what was done. Exit codes: 3: no package mlflow; 4: mlflow or its server refused or failed.
"""
import os
import re
import sys

import replayed_steps

TRAINING, LAST_STEP = "pipeline.training", "pipeline.lastStep"
BATCH_METRICS, BATCH_PARAMETERS, PARAMETER_CHARACTERS = 1000, 100, 500


def rows(plan):
    """Steps with their times in milliseconds; in order even where no times are known."""
    for step, moment, values in replayed_steps.rows(plan["points"]):
        yield step, int(moment * 1000) or step, values


def allowed(name):
    """MLflow takes letters, digits and a few signs."""
    return re.sub(r"[^\w\-. /:]", "_", name, flags=re.ASCII)[:250]


def experiment_id(client, plan):
    found = client.get_experiment_by_name(plan["experiment"])
    if found:
        return found.experiment_id
    location = {"artifact_location": plan["artifacts"]} if plan["artifacts"] else {}
    return client.create_experiment(plan["experiment"], **location)


def run_of(client, experiment, plan):
    """The run of this training: the one that is there, or a new one."""
    found = client.search_runs([experiment], f"tags.`{TRAINING}` = '{plan['identity']}'", max_results=1)
    if found:
        return found[0]
    began = next((moment for _, moment, _ in rows(plan)), 0)
    tags = {TRAINING: plan["identity"], **({"mlflow.note.content": plan["notes"]} if plan["notes"] else {})}
    tags.update(plan["tags"])
    return client.create_run(experiment, start_time=began, run_name=plan["name"], tags=tags)


def log_parameters(client, run, plan):
    from mlflow.entities import Param

    # A parameter cannot be changed, and what it is now may be of another machine.
    missing = [
        Param(allowed(name), str(value)[:PARAMETER_CHARACTERS])
        for name, value in plan["config"].items()
        if allowed(name) not in run.data.params
    ]
    for start in range(0, len(missing), BATCH_PARAMETERS):
        client.log_batch(run.info.run_id, params=missing[start : start + BATCH_PARAMETERS])


def log_steps(client, run, plan):
    """Steps in batches, each with the tag that says how far the run has come."""
    from mlflow.entities import Metric, RunTag

    done = int(run.data.tags.get(LAST_STEP, -1))
    batch, count, last, moment = [], 0, None, 0

    def send(step):
        if batch:
            client.log_batch(run.info.run_id, metrics=batch, tags=[RunTag(LAST_STEP, str(step))])
            batch.clear()

    for step, moment, values in rows(plan):
        if step > done:
            metrics = [Metric(allowed(name), value, moment, step) for name, value in values.items()]
            if len(batch) + len(metrics) > BATCH_METRICS:
                send(last)
            batch.extend(metrics)
            count += 1
        last = step
    send(last)
    return count, last, moment


def replay(mlflow, plan):
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=plan["tracking"])
    run = run_of(client, experiment_id(client, plan), plan)
    log_parameters(client, run, plan)
    count, last, moment = log_steps(client, run, plan)
    results = [
        Metric(allowed(name), value, moment, last or 0)
        for name, value in plan["summary"].items()
        if run.data.metrics.get(allowed(name)) != value
    ]
    for start in range(0, len(results), BATCH_METRICS):
        client.log_batch(run.info.run_id, metrics=results[start : start + BATCH_METRICS])
    if count or run.info.status != "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED", end_time=moment)
    return {
        "run": run.info.run_id, "experiment": run.info.experiment_id, "steps": count, "lastStep": last,
        "mlflow": mlflow.__version__,
    }


def load(plan):
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
    # Minutes of retries would hide a server that is not there.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    # Files that it writes unasked, such as a folder of artifacts, do not belong into the user's.
    os.chdir(plan["folder"])
    import mlflow

    if plan["tracking"].startswith("sqlite:"):
        import alembic  # noqa: F401  What mlflow needs for a database.
        import sqlalchemy  # noqa: F401
    return mlflow


if __name__ == "__main__":
    sys.exit(replayed_steps.run(load, replay))
