#!/usr/bin/env bash
# Prepares a node of a cluster: the libraries of the program's bundle, the program, limits for EFA, folders, metrics.
# Runs as root on Ubuntu, once per node, by ParallelCluster (OnNodeConfigured) or HyperPod (on-create.sh).
#
# usage: node-setup.sh PROJECT BUCKET
#   PROJECT   the project's name, the dimension Cluster of its metrics
#   BUCKET    the bucket with bundle.tar.gz (see Documentation/guides/aws.md)
set -euo pipefail

say() { printf 'node-setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Many nodes start at a time, so mirrors and S3 may refuse some: each step is tried again for two minutes.
again() {
  local pause
  for pause in 5 10 20 40 40 0; do
    "$@" && return
    say "'$*' failed; trying again in $pause s"
    sleep "$pause"
  done
  fail "'$*' failed six times"
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  again apt-get update -q
  # g++ and Python build the training engine against this machine's torch.
  again apt-get install -q -y --no-install-recommends g++ python3-venv mecab-ipadic-utf8 ca-certificates curl unzip
}

install_program() {
  local folder=/opt/pipeline archive
  archive=$(mktemp)
  again aws s3 cp --only-show-errors "s3://$bucket/bundle.tar.gz" "$archive"
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  tar -xzf "$archive" -C "$folder.new"
  rm -f "$archive"
  [ -x "$folder.new/pipeline" ] || fail "bundle.tar.gz in $bucket has no 'pipeline' at its root"
  # The same program at the same path on every node: a job that started with the old one keeps its open files.
  rm -rf "$folder"
  mv "$folder.new" "$folder"
  ln -sf "$folder/pipeline" /usr/local/bin/pipeline
}

# EFA registers memory with the network card, which counts as locked memory.
raise_limits() {
  printf '%s\n' '* soft memlock unlimited' '* hard memlock unlimited' '* soft nofile 65536' '* hard nofile 65536' \
    >/etc/security/limits.d/90-pipeline.conf
}

shared=/fsx

# Folders that FSx makes from a bucket belong to root, and HyperPod mounts the file system as root's too. Everybody may write
# where work goes, as in /tmp; nobody but root below sources. A folder that was given to somebody stays as it is.
open_folders() {
  local folder
  if ! mountpoint -q "$shared"; then
    say "$shared is not mounted, so no folders were made in it"
    return 0
  fi
  for folder in "$shared/runs" "$shared/data/corpus" "$shared/data/models" "$shared/data/runs"; do
    if [ -d "$folder" ] && [ "$(stat -c %u:%a "$folder")" != 0:755 ]; then continue; fi
    install -d -m 1777 "$folder" || say "$folder was not made; make it as root: install -d -m 1777 $folder"
  done
}

# MARK: Metrics

agent=/opt/aws/amazon-cloudwatch-agent
lines=/var/log/pipeline

# A node whose metrics fail works as well as any other: nothing here may keep it from joining.
send_metrics() {
  install_agent || { say "no metrics: the CloudWatch agent was not installed"; return 0; }
  send_metric_lines || say "lines of --metrics-emf are not sent: the agent did not take their configuration"
  send_gpu_metrics || say "no metrics of the GPUs: the agent did not take their configuration"
}

install_agent() {
  [ ! -x "$agent/bin/amazon-cloudwatch-agent-ctl" ] || return 0
  local package
  package=$(mktemp --suffix=.deb)
  curl -fsSL --retry 5 -o "$package" \
    "https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/$(dpkg --print-architecture)/latest/amazon-cloudwatch-agent.deb" \
    && dpkg -i "$package"
  local status=$?
  rm -f "$package"
  return $status
}

# usage: configure_agent NAME <JSON   adds a configuration to the one that ParallelCluster or HyperPod gives the agent
configure_agent() {
  cat >"$agent/etc/$1" && "$agent/bin/amazon-cloudwatch-agent-ctl" -a append-config -m ec2 -s -c "file:$agent/etc/$1"
}

# Lines of the embedded metric format, which CloudWatch Logs turns into metrics.
send_metric_lines() {
  install -d -m 1777 "$lines" && rotate_lines >/etc/logrotate.d/pipeline && lines_configuration | configure_agent lines.json
}

# A run opens its file again when the old one was moved away.
rotate_lines() {
  printf '%s\n' "$lines/*.emf {" '  su root root' '  size 50M' '  rotate 2' '  missingok' '  notifempty' '  nocreate' '}'
}

lines_configuration() {
  cat <<JSON
{
  "logs": {
    "logs_collected": {
      "files": {
        "collect_list": [
          {
            "file_path": "$lines/*.emf", "publish_multi_logs": true, "log_group_name": "/pipeline/$project",
            "log_stream_name": "{instance_id}", "retention_in_days": 30
          }
        ]
      }
    }
  }
}
JSON
}

# The use and temperature of all GPUs of a cluster as metrics, for the alarms of alarms.yaml.
send_gpu_metrics() {
  # Images for clusters have the driver on every kind of node.
  case "$(nvidia-smi -L 2>/dev/null || true)" in 'GPU '*) ;; *) return 0 ;; esac
  # The agent merges what is collected alone: two values of any other key of "metrics" end it, or move another's metrics.
  if [ -n "$(other_metrics)" ]; then
    say "no metrics of the GPUs: the agent's configuration has metrics of its own, which would change"
    return 0
  fi
  gpu_configuration | configure_agent gpu.json
}

# Files other than ours that configure metrics.
other_metrics() {
  grep -lsr '"metrics"[[:space:]]*:' "$agent/etc" | grep -v '/\(file_\)\?gpu\.json$' || true
}

gpu_configuration() {
  cat <<JSON
{
  "metrics": {
    "namespace": "Pipeline",
    "aggregation_dimensions": [["Cluster"]],
    "metrics_collected": {
      "nvidia_gpu": {
        "measurement": [
          { "name": "utilization_gpu", "unit": "Percent" }, { "name": "temperature_gpu", "unit": "None" },
          { "name": "memory_used", "unit": "Megabytes" }
        ],
        "append_dimensions": { "Cluster": "$project" },
        "metrics_collection_interval": 60
      }
    }
  }
}
JSON
}

main() {
  [ $# -eq 2 ] || fail "usage: node-setup.sh PROJECT BUCKET"
  [ "$(id -u)" -eq 0 ] || fail "must run as root"
  project=$1 bucket=$2
  install_packages
  install_program
  raise_limits
  open_folders
  send_metrics
  say "done"
}

# Sourced by tests, it does nothing.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
