import Glibc
public import ShardKit

/// A run as a job of Slurm: the driver itself, which submits itself again before its time limit. Its jobs go on
/// meanwhile, and the next driver finds them.
public struct DetachedDriver {
  let profile: SiteProfile
  let folder: String
  let arguments: [String]
  let name: String
  let program: String
  /// A script for each submission: the one that runs submits its own again.
  let script: String
  private let store: String

  /// - Parameters:
  ///   - store: the folder of the store.
  ///   - arguments: of the program, from `run` on.
  /// - Throws: `ShardError` if the store's folder cannot be made.
  public init(profile: SiteProfile, store: String, arguments: [String], name: String) throws {
    try FileSystem.makeDirectory(store)
    self.profile = profile
    self.store = store
    folder = FileSystem.realPath(store) + "/driver"
    self.arguments = arguments
    self.name = name
    program = profile.program.isEmpty ? FileSystem.realPath("/proc/self/exe") : profile.program
    script = "\(folder)/script-\(String(UInt32.random(in: 0...UInt32.max), radix: 36)).sh"
  }

  /// The log of all drivers of a store.
  public static func log(store: String) -> String { "\(store)/driver/log" }

  /// The scheduler's number of the job that has the driver of a store; nil once that has come to its end.
  public static func job(store: String) -> String? {
    guard let text = try? FileSystem.read("\(store)/driver/job", limit: 4096) else { return nil }
    let number = String(decoding: text, as: UTF8.self).filter(\.isNumber)
    return number.isEmpty ? nil : number
  }

  /// Whether such a job waits or runs.
  /// - Throws: `ClusterError` if that cannot be found out here.
  public static func isAlive(job: String) throws(ClusterError) -> Bool {
    do {
      let state = try SlurmCluster.ask(["squeue", "--noheader", "--jobs=\(job)", "--format=%T"])
      return !state.allSatisfy(\.isWhitespace)
    } catch {
      // Anything else, such as a machine without Slurm, says nothing about the job.
      guard error.message.lowercased().contains("invalid job id") else { throw error }
      return false
    }
  }

  var text: String {
    var lines = [
      "#!\(profile.shell)", "#SBATCH --job-name=\(shellQuoted("pipeline-run-\(name)"))",
      "#SBATCH --output=\(shellQuoted(folder.replacing("%", with: "%%") + "/log"))",
      // What its jobs do is found again.
      "#SBATCH --open-mode=append", "#SBATCH --requeue", "#SBATCH --nodes=1", "#SBATCH --ntasks=1",
      "#SBATCH --cpus-per-task=1", "#SBATCH --mem=\(profile.driverMemory.bytes >> 20)M",
      "#SBATCH --time=\(profile.driverTime)", "#SBATCH --chdir=\(shellQuoted(FileSystem.realPath(".")))",
      "#SBATCH --signal=B:USR1@\(profile.warningSeconds)",
    ]
    if !profile.partition.isEmpty { lines.append("#SBATCH --partition=\(profile.partition)") }
    if !profile.account.isEmpty { lines.append("#SBATCH --account=\(profile.account)") }
    lines += profile.driverArguments.map { "#SBATCH \($0)" }
    lines += profile.environment.sorted { $0.key < $1.key }.map { "export \($0.key)=\(shellQuoted($0.value))" }
    return (lines + profile.setup + succession + work).joined(separator: "\n") + "\n"
  }

  /// Functions that submit the script again.
  private var succession: [String] {
    [
      "folder=\(shellQuoted(folder))",
      "own=$SLURM_JOB_ID",
      "echo \"$own\" >\"$folder/job\"",
      // One that was started again may have a successor already.
      "next=$(cat \"$folder/next.$own\" 2>/dev/null)",
      "goes_on=false",
      "submit() (",
      // The variables of this job are not the next one's options.
      "conf=${SLURM_CONF:-}",
      "unset ${!SLURM_*} ${!SBATCH_*} ${!SRUN_*} ${!PMI*}",
      "[ -z \"$conf\" ] || export SLURM_CONF=$conf",
      "sbatch --parsable \"$@\" \(shellQuoted(script)) | sed 's/;.*//'",
      ")",
      "succeed() {",
      "[ -n \"$next\" ] || next=$(submit \"$@\")",
      "[ -n \"$next\" ] || return 1",
      "echo \"$next\" >\"$folder/next.$own\"",
      "}",
    ]
  }

  /// The next job waits for the end of this one, so that it can be submitted before jobs are told anything.
  private var work: [String] {
    [
      // A signal that comes before the driver's number is known is passed on once it is.
      "driver= early=false",
      "end() { if [ -n \"$driver\" ]; then kill -TERM $driver; else early=true; fi; }",
      "trap 'goes_on=true; succeed --dependency=afterany:$own; end' USR1",
      "trap end TERM INT",
      ([program] + arguments).map(shellQuoted).joined(separator: " ") + " --on-interrupt leave </dev/null &",
      "driver=$!",
      "! $early || end",
      "wait $driver",
      "while kill -0 $driver 2>/dev/null; do wait $driver; done",
      "wait $driver; code=$?",
      // 143: it was told so early that it did not know the signal yet.
      "if ! $goes_on || { [ $code != 130 ] && [ $code != 143 ]; }; then",
      "[ -z \"$next\" ] || scancel \"$next\"",
      "rm -f \"$folder/job\" \"$folder/next.$own\"",
      "exit $code",
      "fi",
      "for try in $(seq 60); do",
      "if succeed; then",
      "echo \"Submitted batch job $next, in which the run goes on\"",
      "echo \"$next\" >\"$folder/job\"",
      "rm -f \"$folder/next.$own\"",
      "exit 0",
      "fi",
      "sleep 10",
      "done",
      "echo 'error: the run could not submit itself again; continue it with `pipeline run`'",
      "exit $code",
    ]
  }

  /// Returns the scheduler's number of the job.
  /// - Throws: `RunError` (`.locked`) if the store has a driver; `ClusterError` if the scheduler refuses or does not answer;
  ///   `ShardError` for the disk.
  public func submit() throws -> String {
    withExtendedLifetime(try StoreLock(root: store)) {}
    if let job = Self.job(store: store), try Self.isAlive(job: job) {
      throw RunError(
        .locked, "job \(job) drives the store \(store)",
        hint: "See `pipeline status`, or end it with `scancel \(job)`; the jobs of its tasks go on.")
    }
    try FileSystem.makeDirectory(folder)
    // Its arguments may be secrets.
    chmod(folder, 0o700)
    try FileSystem.write(Array(text.utf8), to: script)
    let answer = try SlurmCluster.ask(["sbatch", "--parsable", script])
    let number = String(answer.prefix { $0.isNumber })
    try FileSystem.write(Array("\(number)\n".utf8), to: folder + "/job")
    return number
  }
}
