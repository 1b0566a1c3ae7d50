import Glibc
import ShardKit

/// A run as a job of Slurm: the driver itself, which submits itself again before its time limit. Its jobs go on
/// meanwhile, and the next driver finds them.
public struct DetachedDriver {
  let profile: SiteProfile
  let folder: String
  let arguments: [String]
  let name: String
  let program: String

  /// - Parameters:
  ///   - store: the folder of the store.
  ///   - arguments: of the program, from `run` on.
  /// - Throws: `ShardError` if the store's folder cannot be made.
  public init(profile: SiteProfile, store: String, arguments: [String], name: String) throws {
    try FileSystem.makeDirectory(store)
    self.profile = profile
    folder = FileSystem.realPath(store) + "/driver"
    self.arguments = arguments
    self.name = name
    program = profile.program.isEmpty ? FileSystem.realPath("/proc/self/exe") : profile.program
  }

  /// The log of all drivers of a store.
  public static func log(store: String) -> String { "\(store)/driver/log" }

  var script: String { folder + "/script.sh" }

  var text: String {
    var lines = [
      "#!/bin/bash", "#SBATCH --job-name=\(shellQuoted("pipeline-run-\(name)"))",
      "#SBATCH --output=\(shellQuoted(folder.replacing("%", with: "%%") + "/log"))",
      "#SBATCH --open-mode=append", "#SBATCH --no-requeue", "#SBATCH --nodes=1", "#SBATCH --ntasks=1",
      "#SBATCH --cpus-per-task=1", "#SBATCH --mem=\(profile.driverMemory.bytes >> 20)M",
      "#SBATCH --time=\(profile.driverTime)", "#SBATCH --chdir=\(shellQuoted(FileSystem.realPath(".")))",
      "#SBATCH --signal=B:USR1@\(profile.warningSeconds)",
    ]
    if !profile.partition.isEmpty { lines.append("#SBATCH --partition=\(profile.partition)") }
    if !profile.account.isEmpty { lines.append("#SBATCH --account=\(profile.account)") }
    lines += profile.driverArguments.map { "#SBATCH \($0)" } + profile.setup
    lines += [
      ([program] + arguments).map(shellQuoted).joined(separator: " ") + " --on-interrupt leave </dev/null &",
      "driver=$!",
      "goes_on=false",
      "trap 'goes_on=true; kill -TERM $driver' USR1",
      "trap 'kill -TERM $driver' TERM INT",
      "wait $driver",
      "while kill -0 $driver 2>/dev/null; do wait $driver; done",
      "wait $driver; code=$?",
      "$goes_on && [ $code = 130 ] || exit $code",
      // The variables of this job are not the next one's options.
      "conf=${SLURM_CONF:-}",
      "unset ${!SLURM_*} ${!SBATCH_*} ${!SRUN_*} ${!PMI*}",
      "[ -z \"$conf\" ] || export SLURM_CONF=$conf",
      "for try in $(seq 60); do sbatch \(shellQuoted(script)) && exit 0; sleep 10; done",
      "echo 'error: the run could not submit itself again; continue it with `pipeline run`'",
      "exit $code",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Returns the scheduler's number of the job.
  /// - Throws: `ClusterError` if the scheduler refuses or does not answer; `ShardError` for the disk.
  public func submit() throws -> String {
    try FileSystem.makeDirectory(folder)
    // Its arguments may be secrets.
    chmod(folder, 0o700)
    try FileSystem.write(Array(text.utf8), to: script)
    let answer = try SlurmCluster.ask(["sbatch", "--parsable", script], more: profile.environment)
    return String(answer.prefix { $0.isNumber })
  }
}
