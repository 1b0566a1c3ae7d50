#!/usr/bin/env bash
# The lifecycle script of a HyperPod cluster: runs as root on each node when it is created or replaced.
#
# HyperPod itself configures Slurm and mounts the file system (cluster.json). What remains is what node-setup.sh does on
# every node. A lifecycle script that fails keeps its node from joining, so what it needs is checked with a message.
set -euo pipefail

# HyperPod copies the folder of this script to the node.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
settings=$here/settings
if [ ! -r "$settings" ]; then
  echo "on-create: $settings is missing. Run 'upload', which writes it, and create the node again." >&2
  exit 1
fi

# Two lines: the project's name and the bucket of programs.
{ read -r project; read -r bucket; } <"$settings"

bash "$here/node-setup.sh" "$project" "$bucket"
