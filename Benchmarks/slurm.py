"""Many tiny tasks on a real Slurm: pipeline beside datatrove's executor and Snakemake's plugin, on the same Slurm.

usage: sudo python3 Benchmarks/slurm.py [--tasks 10000] [--peer-tasks 200] [--python PYTHON]

Needs root (Slurm's daemons), a release build, and for the peers a PYTHON with datatrove, snakemake and
snakemake-executor-plugin-slurm. Every task reads a file with one document and writes it out. Printed for each: seconds from the start
to the first task, in all, milliseconds per task and processor, jobs, and the calls that Slurm's controller answered (sdiag).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SLURM = HERE.parent / "Tests/Slurm/slurm"
NODES, CORES = 3, 2


def ask(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def make_files(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        document = {"id": f"{number}", "text": f"第{number}の文書。川沿いの古い水車小屋では、今も毎朝パンが焼かれている。" * 3}
        (folder / f"{number:05}.jsonl").write_text(json.dumps(document, ensure_ascii=False) + "\n")


def calls():
    """Calls that the controller has answered since the last reset, and the jobs that it has started."""
    text = ask("sdiag")
    by_type = text.split("Remote Procedure Call statistics by message type", 1)[1].split("by user", 1)[0]
    counts = {name: int(count) for name, count in re.findall(r"(REQUEST_\w+)\s*\(\s*\d+\)\s*count:(\d+)", by_type)}
    # What the nodes themselves report is the same for all.
    own = {"REQUEST_COMPLETE_BATCH_SCRIPT", "REQUEST_STEP_COMPLETE", "REQUEST_COMPLETE_PROLOG", "MESSAGE_EPILOG_COMPLETE"}
    started = int(re.search(r"Jobs started:\s*(\d+)", text).group(1))
    return sum(count for name, count in counts.items() if name not in own), started


def measured(name, tasks, run, outputs):
    subprocess.run(["sdiag", "--reset"], check=True, capture_output=True)
    began = time.time()
    process = run()
    first = None
    while process.poll() is None:
        if first is None and any(outputs()):
            first = time.time() - began
        time.sleep(0.05)
    # datatrove returns when its jobs are submitted.
    while len(list(outputs())) < tasks:
        if first is None and any(outputs()):
            first = time.time() - began
        if time.time() - began > 3600 or process.returncode:
            sys.exit(f"{name}: {len(list(outputs()))} of {tasks} outputs; exit code {process.returncode}")
        time.sleep(0.05)
    seconds = time.time() - began
    requests, started = calls()
    per_task = seconds * NODES * CORES * 1000 / tasks
    print(f"{name:34} {tasks:6} {first:8.1f} s {seconds:9.1f} s {per_task:10.1f} ms {started:6} {requests:8} {requests / tasks:9.3f}",
          flush=True)


def run_pipeline(work, tasks, profile, label):
    folder = work / label.replace(" ", "-")
    make_files(folder / "texts", tasks)
    stages = {"read": {"use": "documents.read", "options": {"files": "texts", "bytesPerTask": 1}}}
    (folder / "many.json").write_text(json.dumps({"format": 1, "name": "many", "stages": stages}))
    (folder / "pipeline-profile.json").write_text(json.dumps({"format": 1, "profiles": {"default": profile}}))
    program = HERE.parent / ".build/release/pipeline"
    log = open(folder / "log", "w")
    manifests = lambda: folder.glob(".pipeline/artifacts/read/*/tasks/*.json")
    measured(f"pipeline, {label}", tasks, lambda: subprocess.Popen(
        [program, "run", "many.json", "--executor", "slurm"], cwd=folder, stdout=log, stderr=log), manifests)


def run_datatrove(work, tasks, python, tasks_per_job):
    folder = work / f"datatrove-{tasks_per_job}"
    make_files(folder / "texts", tasks)
    script = folder / "run.py"
    script.write_text(f"""
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
SlurmPipelineExecutor(
    pipeline=[JsonlReader({str(folder / 'texts')!r}), JsonlWriter({str(folder / 'out')!r})],
    tasks={tasks}, time="01:00:00", partition="main", logging_dir={str(folder / 'logs')!r}, mem_per_cpu_gb=1,
    cpus_per_task=1, randomize_start_duration=0, tasks_per_job={tasks_per_job}, max_array_size=1001,
    venv_path={str(pathlib.Path(python).parent / 'activate')!r}, job_name="datatrove", requeue=False,
    srun_args={{"mpi": "none"}},
).run()
""")
    log = open(folder / "log", "w")
    measured(f"datatrove, {tasks_per_job} per job", tasks, lambda: subprocess.Popen([python, script], stdout=log, stderr=log),
             lambda: folder.glob("logs/completions/*"))


def run_snakemake(work, tasks, python, label, *more):
    folder = work / label.replace(" ", "-")
    make_files(folder / "texts", tasks)
    (folder / "Snakefile").write_text(f"""
rule all:
    input: expand("out/{{n}}.jsonl", n=[f"{{i:05}}" for i in range({tasks})])
rule copy:
    input: "texts/{{n}}.jsonl"
    output: "out/{{n}}.jsonl"
    resources: mem_mb=500, runtime=60, slurm_partition="main"
    shell: "cp {{input}} {{output}}"
""")
    log = open(folder / "log", "w")
    program = pathlib.Path(python).parent / "snakemake"
    path = f"{program.parent}:{os.environ['PATH']}"
    measured(label, tasks, lambda: subprocess.Popen(
        [program, "--executor", "slurm", "--jobs", "500", "--latency-wait", "5", "--quiet", "progress",
         "--slurm-no-account", "--slurm-status-command", "squeue", *more], cwd=folder, stdout=log,
        stderr=log, env=os.environ | {"PATH": path}), lambda: folder.glob("out/*"))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tasks", type=int, default=10_000)
    options.add_argument("--peer-tasks", type=int, default=200)
    options.add_argument("--python")
    options.add_argument("--only", default="")
    options = options.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="pipeline-slurm-"))
    slurm = work / "slurm"
    subprocess.run([SLURM, "start", slurm, str(NODES), str(CORES), "8000", str(os.getpid())], check=True, capture_output=True)
    os.environ["SLURM_CONF"] = str(slurm / "slurm.conf")
    # Snakemake's jobs call srun without that variable.
    usual = pathlib.Path("/etc/slurm/slurm.conf")
    usual.parent.mkdir(exist_ok=True)
    usual.symlink_to(slurm / "slurm.conf")
    print(f"{'':34} {'tasks':>6} {'first':>10} {'in all':>11} {'per task':>13} {'jobs':>6} {'calls':>8} {'per task':>9}")
    small = {"memory": "300MiB", "visibilitySeconds": 2}
    try:
        if options.only in ("", "pipeline"):
            run_pipeline(work, options.tasks, small, "as it comes")
            run_pipeline(work, options.tasks, small | {"secondsPerJob": 20}, "100 per job")
            run_pipeline(work, options.peer_tasks, small | {"resources": {"*": {"secondsPerJob": 0}}}, "1 per job")
        if options.python and options.only in ("", "datatrove"):
            run_datatrove(work, options.peer_tasks, options.python, 1)
            run_datatrove(work, options.peer_tasks, options.python, 20)
        if options.python and options.only in ("", "snakemake"):
            run_snakemake(work, options.peer_tasks, options.python, "snakemake, 1 per job")
            run_snakemake(work, options.peer_tasks, options.python, "snakemake, arrays", "--slurm-array-jobs", "all")
    finally:
        usual.unlink()
        subprocess.run([SLURM, "stop", slurm])
    shutil.rmtree(work)


main()
