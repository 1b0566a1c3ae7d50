#!/usr/bin/env python3
"""Prints the runs of an MLflow database as JSON, read with mlflow; without arguments, only imports it."""
import json
import sys

import alembic  # noqa: F401
import sqlalchemy  # noqa: F401
from mlflow.tracking import MlflowClient


def read(uri):
    client = MlflowClient(tracking_uri=uri)
    experiments = client.search_experiments()
    names = {experiment.experiment_id: experiment.name for experiment in experiments}
    for run in client.search_runs(list(names)):
        history = {
            key: [[point.step, point.timestamp, str(point.value)] for point in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        }
        yield {
            "id": run.info.run_id, "experiment": names[run.info.experiment_id], "name": run.info.run_name,
            "status": run.info.status, "start": run.info.start_time, "end": run.info.end_time,
            "artifacts": run.info.artifact_uri, "tags": run.data.tags, "params": run.data.params, "history": history,
        }


for uri in sys.argv[1:]:
    print(json.dumps(list(read(uri))))
