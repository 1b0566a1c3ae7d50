import ShardKit

/// Reads what `squeue` and `sacct` print.
enum SlurmQueue {
  /// Lines of `%F|%K|%T|%N|%r`: job, index in its array, state, nodes, reason.
  static func states(_ text: String, of jobs: Set<String>) throws(ClusterError) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5, jobs.contains(fields[0]) else { continue }
      let state = state(fields[2], node: fields[3], reason: fields[4])
      for index in try indices(fields[1]) { states[fields[0], default: [:]][index] = state }
    }
    return states
  }

  /// Lines of `JobID|State|NodeList`, with JobID as `17_3`, or `17_[4-9%2]` for what waits.
  static func accounted(_ text: String) throws(ClusterError) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard fields.count >= 3 else { continue }
      let parts = fields[0].split(separator: "_", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      let word = String(fields[1].prefix { $0 != " " })
      for index in try indices(parts[1].filter { $0 != "[" && $0 != "]" }) {
        states[parts[0], default: [:]][index] = state(word, node: fields[2], reason: "")
      }
    }
    return states
  }

  /// `MaxArraySize` and `max_array_tasks` of the configuration, the lesser.
  static func mostGroups(_ configuration: String) -> Int {
    func number(_ key: String, among parts: [Substring]) -> Int? {
      let found = parts.map { $0.split(separator: "=", maxSplits: 1) }.first { $0.first.map(trimmed) == key }
      return found?.last.flatMap { Int(trimmed($0)) }
    }
    let lines = configuration.split(separator: "\n")
    let parameters = lines.first { $0.hasPrefix("SchedulerParameters") }?.drop { $0 != "=" }.dropFirst() ?? ""
    let known = [
      number("MaxArraySize", among: lines), number("max_array_tasks", among: parameters.split(separator: ",")),
    ]
    return known.compactMap { $0 }.filter { $0 > 0 }.min() ?? 1001
  }

  private static func trimmed(_ text: Substring) -> String { text.filter { !$0.isWhitespace } }

  /// Of lines of node and state, the nodes whose state says that no job can run there: down, drained, failing or
  /// not responding (`*`).
  static func broken(_ text: String) -> [String] {
    let words = ["down", "drain", "drng", "fail", "boot", "unk", "inval", "maint", "no_respond"]
    let found = text.split(separator: "\n").compactMap { line -> String? in
      let parts = line.split(separator: " ")
      guard parts.count == 2 else { return nil }
      return words.contains(where: parts[1].hasPrefix) || parts[1].contains("*") ? String(parts[0]) : nil
    }
    return Set(found).sorted()
  }

  /// `5`, `0-3,7`, `4-9:2%10`; none for a job that is no array.
  /// - Throws: `ClusterError` (`.silent`) for anything else: of jobs that are left out, nothing would be known.
  static func indices(_ text: String) throws(ClusterError) -> [Int] {
    guard text != "N/A" else { return [] }
    var found: [Int] = []
    for range in text.prefix(while: { $0 != "%" }).split(separator: ",", omittingEmptySubsequences: false) {
      let stepped = range.split(separator: ":", omittingEmptySubsequences: false)
      let ends = stepped[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard stepped.count <= 2, ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last,
        last - first < 10_000_000, let step = stepped.count > 1 ? Int(stepped[1]) : 1, step > 0
      else { throw ClusterError(.silent, "squeue", "lists the jobs of an array in an unknown form: '\(text)'") }
      found += stride(from: first, through: last, by: step)
    }
    return found
  }

  private static func state(_ word: String, node: String, reason: String) -> JobState {
    switch word {
    case "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "SUSPENDED":
      return .waiting(reason: reason)
    case "COMPLETING": return .completing(node: node)
    case "RUNNING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING":
      return .running(node: node)
    case "COMPLETED": return .ended(.completed, node: node)
    case "OUT_OF_MEMORY": return .ended(.outOfMemory, node: node)
    case "TIMEOUT", "DEADLINE": return .ended(.timeLimit, node: node)
    case "NODE_FAIL", "BOOT_FAIL": return .ended(.nodeFailure, node: node)
    case "PREEMPTED", "REVOKED": return .ended(.preempted, node: node)
    case "CANCELLED": return .ended(.cancelled, node: node)
    case "FAILED": return .ended(.failed, node: node)
    // A state of a newer Slurm: it is not known to have ended.
    default: return .running(node: node)
    }
  }
}
