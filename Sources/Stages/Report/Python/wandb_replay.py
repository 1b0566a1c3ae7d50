"""Replays the metrics of a finished training as one Weights & Biases run.

usage: wandb_replay.py PLAN.json    (written by pipeline's stage report.wandb)

The run's id is fixed, so replaying again adds nothing to a run that has all steps already. The last line printed is JSON:
what was done. Exit codes: 3: no package wandb; 4: wandb refused or failed.
"""
import os
import sys

import replayed_steps


def settings(wandb, plan):
    """Nothing of this machine and of this process belongs to the run: it was trained elsewhere, or earlier."""
    wanted = {
        "console": "off", "silent": True, "disable_git": True, "disable_code": True, "save_code": False,
        "x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True, "x_save_requirements": False,
        "init_timeout": float(os.environ.get("WANDB_INIT_TIMEOUT") or plan["initSeconds"]),
    }
    # Which of them there are depends on the version.
    known = getattr(wandb.Settings, "model_fields", None) or {}
    return wandb.Settings(**{name: value for name, value in wanted.items() if not known or name in known})


def replay(wandb, plan):
    run = wandb.init(
        project=plan["project"], entity=plan["entity"] or None, name=plan["name"], id=plan["id"],
        group=plan["group"] or None, notes=plan["notes"] or None, tags=plan["tags"] or None, config=plan["config"],
        job_type="pretrain", mode=plan["mode"], dir=plan["folder"], settings=settings(wandb, plan),
        resume="allow" if plan["mode"] == "online" else None)
    # Of a resumed run: the steps before it are there.
    first = run.step if getattr(run, "resumed", False) else 0
    logged, last = 0, None
    for step, moment, values in replayed_steps.rows(plan["points"]):
        last = step
        if step < first:
            continue
        if moment:
            values["_timestamp"] = moment
        run.log(values, step=step)
        logged += 1
    for name, value in plan["summary"].items():
        run.summary[name] = value
    url = run.url if plan["mode"] == "online" else None
    run.finish()
    return {"steps": logged, "lastStep": last, "url": url, "wandb": wandb.__version__}


def load(plan):
    # Variables of the user's other runs would make another run of it.
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        if name not in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "WANDB_INIT_TIMEOUT"):
            del os.environ[name]
    scratch = os.path.join(plan["folder"], "scratch")
    os.makedirs(scratch, exist_ok=True)
    os.environ.update({
        "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "WANDB_CACHE_DIR": scratch, "WANDB_DATA_DIR": scratch,
    })
    import wandb

    return wandb


if __name__ == "__main__":
    sys.exit(replayed_steps.run(load, replay))
