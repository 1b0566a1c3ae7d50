#!/usr/bin/env bash
# Prepares a node of a cluster: the libraries of the program's bundle, the program, limits for EFA, metrics of the GPUs.
# Runs as root on Ubuntu, once per node, by ParallelCluster (OnNodeConfigured) or HyperPod (on-create.sh).
#
# usage: node-setup.sh PROJECT BUCKET
#   PROJECT   the project's name, the dimension Cluster of its metrics
#   BUCKET    the bucket with bundle.tar.gz (see Documentation/guides/aws.md)
set -euo pipefail

say() { printf 'node-setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 2 ] || fail "usage: node-setup.sh PROJECT BUCKET"
[ "$(id -u)" -eq 0 ] || fail "must run as root"
project=$1 bucket=$2

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

# The use and temperature of all GPUs of a cluster as two metrics, for the alarms of alarms.yaml.
send_gpu_metrics() {
  command -v nvidia-smi >/dev/null || return 0
  local control=/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl
  if [ ! -x "$control" ]; then
    local package
    package=$(mktemp --suffix=.deb)
    again curl -fsSL -o "$package" \
      "https://amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/$(dpkg --print-architecture)/latest/amazon-cloudwatch-agent.deb"
    dpkg -i "$package"
    rm -f "$package"
  fi
  cat >/opt/aws/amazon-cloudwatch-agent/etc/gpu.json <<JSON
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
  # Added to the configuration that ParallelCluster gives the agent for its logs.
  "$control" -a append-config -m ec2 -s -c file:/opt/aws/amazon-cloudwatch-agent/etc/gpu.json
}

install_packages
install_program
raise_limits
send_gpu_metrics
say "done"
