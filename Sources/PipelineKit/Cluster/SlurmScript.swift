import ShardKit

/// The script of a batch: an array of jobs, each of which runs the tasks of one group.
struct SlurmScript {
  let profile: SiteProfile
  let batch: JobBatch
  let folder: BatchFolder

  var text: String {
    (["#!\(profile.shell)"] + directives.map { "#SBATCH \($0)" } + body).joined(separator: "\n") + "\n"
  }

  /// What belongs to the stage in place of the site's defaults.
  private var own: SiteResources { profile.resources(stage: batch.stage, use: batch.use) }

  private var directives: [String] {
    let request = batch.request
    var lines = [
      "--job-name=\(batch.jobName)", "--array=0-\(batch.groups.count - 1)%\(batch.mostRunning)",
      "--output=\(shellQuoted(folder.path.replacing("%", with: "%%") + "/%a.out"))", "--open-mode=append",
      "--no-requeue",
      "--chdir=\(shellQuoted(batch.folder))", "--time=\(TimeLimit(seconds: request.seconds))",
      "--mem=\((request.memoryBytes + (1 << 20) - 1) >> 20)M", "--cpus-per-task=\(request.cores)",
      "--nodes=\(request.nodes)",
      "--ntasks-per-node=1",
      // Steps are told themselves; else the shell, which passes it on.
      "--signal=\(isStep ? "" : "B:")USR1@\(profile.warningSeconds)",
    ]
    let partition = own.partition ?? profile.partition
    if !partition.isEmpty { lines.append("--partition=\(partition)") }
    if !profile.account.isEmpty { lines.append("--account=\(profile.account)") }
    if request.gpus > 0 { lines.append("--gres=gpu:\(request.gpus)") }
    if !batch.excluded.isEmpty { lines.append("--exclude=\(batch.excluded.sorted().joined(separator: ","))") }
    return lines + profile.arguments + own.arguments
  }

  private var body: [String] {
    // With it, the tasks of the step know that they work together.
    let together = batch.request.nodes > 1 ? ["export PIPELINE_LAUNCHER=slurm"] : []
    // sbatch's own environment may not come through (`--export=NONE`). The folder is readable by this user alone.
    let variables = profile.environment.sorted { $0.key < $1.key }.map { "export \($0.key)=\(shellQuoted($0.value))" }
    return [Self.noOthers] + together + variables
      + JobScript(profile: profile, batch: batch, folder: folder).lines(
        group: "$SLURM_ARRAY_TASK_ID", job: "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}", launcher: stepLauncher)
  }

  /// Of the shell that started the run, these say nothing about this job.
  private static let noOthers =
    "unset WORLD_SIZE RANK LOCAL_RANK LOCAL_WORLD_SIZE NODE_RANK GROUP_RANK MASTER_ADDR MASTER_PORT TORCHELASTIC_RUN_ID"

  private var isStep: Bool { batch.request.nodes > 1 || !profile.stepArguments.isEmpty }

  /// A step of one process on each node.
  private var stepLauncher: [String] {
    guard isStep else { return [] }
    // HyperPod replaces a broken node and starts the step again.
    let resume = FileSystem.isDirectory("/opt/sagemaker_cluster") ? ["--auto-resume=1"] : []
    return [
      "srun", "--ntasks-per-node=1", "--kill-on-bad-exit=0", "--wait=\(Self.waitSeconds)", "--mpi=none",
      "--cpus-per-task=\(batch.request.cores)",
    ] + resume + profile.stepArguments
  }

  /// After the first process of a step has ended, the others have as long: to publish a model, not to hang.
  private static let waitSeconds = 1800
}

/// The part of a job's script that every kind of cluster has: prepares the machine, starts the worker, passes signals on
/// and writes down how it ended.
public struct JobScript {
  let profile: SiteProfile
  let batch: JobBatch
  let folder: BatchFolder

  /// The exit code of a worker whose work another job does, so that its end is not the end of the group.
  public static let anothersCode: Int32 = 76

  /// The exit code of a job whose preparation failed.
  public static let setupCode: Int32 = 77
  /// What such a job prints, followed by the command.
  static let setupFailure = "setup failed: "

  /// The profile's lines, of which none may fail; what fails within a file that one of them reads is that file's matter.
  private var setup: [String] {
    guard !profile.setup.isEmpty else { return [] }
    let end = "$folder/groups/$group.end"
    return [
      "setup_failed() {",
      "echo \"\(Self.setupFailure)'$1' (exit code $2)\" >&2",
      "[ -e \"$folder/groups/$group.claim\" ] || { echo \(Self.setupCode) >\"\(end).new\"; mv \"\(end).new\" \"\(end)\"; }",
      "exit \(Self.setupCode)",
      "}",
      // The command may be one within a function: the line says more.
      "trap 'code=$?; [ ${#BASH_SOURCE[@]} -gt 1 ] || { line=$(sed -n ${LINENO}p \"$0\"); "
        + "setup_failed \"${line:-$BASH_COMMAND}\" $code; }' ERR",
    ] + profile.setup + ["trap - ERR"]
  }

  /// - Parameters:
  ///   - group: the group's number, as the shell finds it.
  ///   - job: the job's number, as the shell finds it.
  ///   - launcher: words that start one process on each node.
  func lines(group: String, job: String, launcher: [String] = []) -> [String] {
    let program = profile.program.isEmpty ? batch.program.path : profile.program
    let words = (launcher + profile.launcher + [program]).map(shellQuoted).joined(separator: " ")
    let marker = profile.marker.isEmpty ? "" : " --marker \(shellQuoted(profile.marker))"
    return ["folder=\(shellQuoted(folder.path))", "group=\(group)"] + setup + [
      // If a signal comes before the worker is started, it is not started. The setup may have started processes, too.
      "before=$!",
      "pass_on() { [ \"$!\" != \"$before\" ] || exit 130; kill -$1 $!; }",
      "trap 'pass_on USR1' USR1",
      "trap 'pass_on TERM' TERM INT",
      "\(words) worker task \"$folder\" --group \"$group\" --job \"\(job)\"\(marker) </dev/null &",
      "worker=$!",
      // A signal ends `wait`, but not the worker.
      "wait $worker",
      "while kill -0 $worker 2>/dev/null; do wait $worker; done",
      "wait $worker; code=$?",
      "[ $code = \(Self.anothersCode) ] && exit 0",
      // Of a group that another job has claimed, this one's end says nothing.
      "claim=\"$folder/groups/$group.claim\"",
      "[ ! -e \"$claim\" ] || [ \"$(cat \"$claim\")\" = \"\(job)\" ] || exit $code",
      "echo $code >\"$folder/groups/$group.end.new\" && mv \"$folder/groups/$group.end.new\" \"$folder/groups/$group.end\"",
      "exit $code",
    ]
  }
}

/// A word that a shell reads as it stands.
func shellQuoted(_ text: String) -> String {
  let plain = text.utf8.allSatisfy {
    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "-_./=:@%+,".utf8.contains($0)
  }
  return plain && !text.isEmpty ? text : "'\(text.replacing("'", with: "'\\''"))'"
}
