public import ShardKit

/// What belongs to a site and not to a pipeline: where jobs go, what they may use, and how they start. Never part of a
/// fingerprint.
public struct SiteProfile: StageOptions, Equatable {
  public init() {}

  @Option("Whether tasks run as jobs of Slurm or on hosts reached by ssh.")
  public var executor = ExecutorKind.slurm
  @Option("Partition of the jobs. Empty: the site's default.")
  public var partition = ""
  @Option("Account that the jobs are charged to. Empty: the site's default.")
  public var account = ""
  @Option("Further arguments of sbatch, such as \"--qos=normal\".")
  public var arguments: [String] = []
  @Option("Time limit of a job, in Slurm's notation. Jobs that are expected to take longer ask for more.")
  public var time = TimeLimit(seconds: 3600)
  @Option("The most time that a job asks for, even after another one reached its limit.")
  public var maximumTime = TimeLimit(seconds: 86_400)
  @Option("The least memory that a job asks for.")
  public var memory = ByteCount.mebibytes(512)
  @Option("The most memory that a job asks for, even after another one ran out of it.")
  public var maximumMemory = ByteCount.gibibytes(64)
  @Option(
    "The most processors that a job asks for on a node; tasks that could use more run with these.", in: 1...65_536)
  public var maximumCores = 65_536
  @Option("The most jobs that run at the same time, of those that are submitted together.", in: 1...1_000_000)
  public var maximumJobs = 500
  @Option(
    "The most jobs that wait or run at the same time; others are kept back. Less than the limits on submitted jobs.",
    in: 1...1_000_000)
  public var mostSubmitted = 1_000_000
  @Option("Tasks are grouped so that a job lasts about this many seconds.", in: 1...86_400)
  public var secondsPerJob = 300
  @Option("Seconds between two queries to the scheduler.", in: 1...3600)
  public var pollSeconds = 15
  @Option(
    "Seconds after the end of a job during which its files may still appear: network file systems have caches.",
    in: 0...3600)
  public var visibilitySeconds = 60
  @Option("Seconds between two signs of life of a job, which it writes into the store.", in: 1...300)
  public var heartbeatSeconds = 15
  @Option("How many seconds before its time limit a job is told to stop at a safe point.", in: 10...3600)
  public var warningSeconds = 180
  @Option("A task is given up once this many jobs have died while they ran it.", in: 1...100)
  public var mostDeaths = 3
  @Option("Path of the program on the nodes. Empty: the program that starts the run.")
  public var program = ""
  @Option(
    "The shell of the jobs' scripts: bash, with its options. \"/bin/bash -l\" reads the login files, as `module` may need."
  )
  public var shell = "/bin/bash"
  @Option(
    "Shell lines that are run before the program, such as \"module load cuda\". A job of which one fails ends; write "
      + "`|| true` behind one that may."
  )
  public var setup: [String] = []
  @Option("Environment variables of the jobs; with slurm, in addition to those of the shell that starts the run.")
  public var environment: [String: String] = [:]
  @Option("Words that are put before the program: [\"apptainer\", \"exec\", \"--nv\", \"/images/pipeline.sif\"].")
  public var launcher: [String] = []
  @Option(
    "Further arguments of the srun that starts the program, such as \"--container-image=/images/pipeline.sqsh\". With "
      + "them, a job of one node is a step, too.")
  public var stepArguments: [String] = []
  @Option(
    "A file that exists only inside the container. A job that does not see it ends: no task runs outside by accident."
  )
  public var marker = ""
  @Option("With --detach: time limit of the driver's job, which submits itself again shortly before.")
  public var driverTime = TimeLimit(seconds: 86_400)
  @Option("With --detach: further arguments of sbatch for the driver's job.")
  public var driverArguments: [String] = []
  @Option("With --detach: memory of the driver's job.")
  public var driverMemory = ByteCount.gibibytes(4)
  @Option("Stages or kinds whose tasks run in the driver and not in jobs, such as \"tokenizer.*\".")
  public var driver: [String] = []
  @Option("What jobs of a stage or kind ask for, by pattern: {\"model.*\": {\"partition\": \"gpu\", \"gpus\": 8}}.")
  public var resources: [String: SiteResources] = [:]
  @Option("With ssh: the hosts, and how many jobs each may run at once: {\"node01\": 16}.")
  public var hosts: [String: Int] = [:]
  @Option(
    "With ssh: a file that names a host per line instead, as PBS and Grid Engine write for an allocation; a host that "
      + "stands there several times may run as many jobs. \"$PBS_NODEFILE\" is the file that this variable names.")
  public var hostsFile = ""
  @Option("With ssh: the ssh command and its options.")
  public var ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
  @Option(
    "After an interruption, the jobs continue (\"leave\") or are cancelled (\"cancel\"); \"ask\" asks on the terminal.")
  public var onInterrupt = InterruptChoice.ask
}

public enum ExecutorKind: String, CaseIterable, OptionChoice { case slurm, ssh }

/// What happens to jobs when the run is interrupted.
public enum InterruptChoice: String, CaseIterable, OptionChoice { case ask, leave, cancel }

/// What the tasks of some stages ask for in place of the profile's.
public struct SiteResources: StageOptions, Equatable {
  public init() {}

  @Option("Partition of the jobs, in place of the profile's.") public var partition: String? = nil
  @Option("Further arguments of sbatch, after the profile's.") public var arguments: [String] = []
  @Option("Time limit of a job.") public var time: TimeLimit? = nil
  @Option("Memory on each node, in place of the tasks' estimate.") public var memory: ByteCount? = nil
  @Option("The most time that a job asks for, in place of the profile's.") public var maximumTime: TimeLimit? = nil
  @Option("The most memory that a job asks for, in place of the profile's.") public var maximumMemory: ByteCount? = nil
  @Option("Processors on each node.") public var cores: Int? = nil
  @Option("GPUs on each node.") public var gpus: Int? = nil
  @Option("Nodes of a job.") public var nodes: Int? = nil
  @Option("Tasks are grouped so that a job lasts about this many seconds; 0: one task per job.")
  public var secondsPerJob: Int? = nil
}

extension SiteResources: OptionValue {
  public static var typeName: String { "an object with \(fields.map(\.name).joined(separator: ", "))" }
  public static var schema: JSONValue { ["type": "object"] }

  /// Reads an object with these options.
  /// - Throws: `OptionProblem` with the first problem.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let members = json.members else { throw Self.mismatch(json) }
    var issues = OptionIssues(issues: []), notices: [OptionIssue] = []
    let fields = FieldReading(owner: "resources", fields: Self.fields).read(members, &issues, &notices)
    if let issue = issues.issues.first {
      throw OptionProblem(issue.option.map { "'\($0)': \(issue.message)" } ?? issue.message)
    }
    self = Self(fields: fields)
  }

  public var json: JSONValue { .object(fields.map { JSONMember($0.name, $0.value) }) }
}

/// A time limit as Slurm writes it: "90" and "90:00" are minutes, "1:30:00" and "1-12" have hours and days.
public struct TimeLimit: OptionValue, Comparable, CustomStringConvertible {
  public var seconds: Int

  /// The longest: a year.
  static let longest = 366 * 86_400

  public init(seconds: Int) { self.seconds = seconds }

  public static var typeName: String { "a time limit such as \"1:30:00\" or \"2-00:00:00\"" }
  public static var schema: JSONValue { ["type": "string"] }
  public static func < (a: TimeLimit, b: TimeLimit) -> Bool { a.seconds < b.seconds }

  /// Reads a time limit.
  /// - Throws: `OptionProblem` if it is something else.
  public init(json: JSONValue) throws(OptionProblem) {
    guard let text = json.string else { throw Self.mismatch(json) }
    guard let value = Self.parse(text) else { throw OptionProblem("'\(text)' is not \(Self.typeName)") }
    self = value
  }

  /// minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds
  static func parse(_ text: String) -> TimeLimit? {
    let halves = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let parts = halves.last!.split(separator: ":", omittingEmptySubsequences: false).map { number($0) }
    guard !parts.contains(nil), (1...3).contains(parts.count) else { return nil }
    let numbers = parts.compactMap { $0 }
    var seconds: Int
    if halves.count == 2 {
      guard let days = number(halves[0]) else { return nil }
      let whole = numbers + [Int](repeating: 0, count: 3 - numbers.count)
      seconds = days * 86_400 + whole[0] * 3600 + whole[1] * 60 + whole[2]
    } else {
      switch numbers.count {
      case 1: seconds = numbers[0] * 60
      case 2: seconds = numbers[0] * 60 + numbers[1]
      default: seconds = numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
      }
    }
    guard seconds > 0, seconds <= longest else { return nil }
    return TimeLimit(seconds: seconds)
  }

  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 6, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }

  public var json: JSONValue { .string(description) }

  /// `01:30:00`, or `2-01:30:00` from a day on.
  public var description: String {
    let (days, rest) = seconds.quotientAndRemainder(dividingBy: 86_400)
    let clock = "\(padded(rest / 3600, 2)):\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))"
    return days > 0 ? "\(days)-\(clock)" : clock
  }
}

extension SiteProfile {
  /// The resources of the most specific pattern that a stage's name or kind matches: one without `*`, otherwise the one
  /// with the most other characters; a name's before a kind's; of equal ones the first in alphabetical order.
  func resources(stage: String, use: String) -> SiteResources {
    func rank(_ pattern: String) -> (Int, Int, Int)? {
      let isName = Self.matches(stage, pattern)
      guard isName || Self.matches(use, pattern) else { return nil }
      let stars = pattern.utf8.count { $0 == UInt8(ascii: "*") }
      return (stars == 0 ? 1 : 0, pattern.utf8.count - stars, isName ? 1 : 0)
    }
    let ranked = resources.keys.sorted().compactMap { pattern in rank(pattern).map { (pattern, $0) } }
    // `max` would give the last of equal ones.
    let best = ranked.reduce(ranked.first) { best, next in best.map { next.1 > $0.1 ? next : $0 } }
    return best.flatMap { resources[$0.0] } ?? SiteResources()
  }

  /// The most that jobs of a stage ask for.
  func most(_ own: SiteResources) -> (time: TimeLimit, memory: ByteCount) {
    (own.maximumTime ?? maximumTime, own.maximumMemory ?? maximumMemory)
  }

  /// Whether tasks of a stage run in the driver.
  func keepsInDriver(stage: String, use: String) -> Bool {
    driver.contains { Self.matches(stage, $0) || Self.matches(use, $0) }
  }

  /// `*` stands for any characters.
  static func matches(_ name: String, _ pattern: String) -> Bool {
    let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
    guard parts.count > 1 else { return name == pattern }
    var rest = name[...]
    guard rest.hasPrefix(parts[0]) else { return false }
    rest = rest.dropFirst(parts[0].count)
    for part in parts[1..<(parts.count - 1)] where !part.isEmpty {
      guard let found = rest.firstRange(of: part) else { return false }
      rest = rest[found.upperBound...]
    }
    return rest.hasSuffix(parts[parts.count - 1])
  }
}
