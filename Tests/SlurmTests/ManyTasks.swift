import Glibc
import ShardKit
import TestKit

/// A pipeline of many small tasks, one per file of documents, and what its runs leave.
struct ManyTasks {
  let folder: String
  let environment: [String: String]

  init(folder: String, files: Int = 12, environment: [String: String] = [:]) throws {
    self.folder = folder
    self.environment = environment
    for number in 0..<files {
      var lines: [UInt8] = []
      for line in 0..<5 {
        let text = "第\(number)の文書の\(line)番目の段落。川沿いの古い水車小屋では、今も毎朝パンが焼かれている。"
        Document(id: "f\(number)/\(line)", text: text, source: "test").append(to: &lines)
      }
      try write("texts/\(TaskNames.padded(number)).jsonl", lines)
    }
    try write(
      "many.json",
      """
      { "format": 1, "name": "many", "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": 1 } },
        "clean": { "use": "text.clean", "inputs": { "documents": "read" } },
        "shards": { "use": "mds.write", "inputs": { "documents": "clean" } } } }
      """)
  }

  /// - Parameter members: JSON members in addition to those that make tests quick.
  func write(profile members: String) throws {
    let more = members.isEmpty ? "" : ", " + members
    try write(
      "pipeline-profile.json",
      """
      { "format": 1, "profiles": { "test": {
        "secondsPerJob": 1, "pollSeconds": 1, "visibilitySeconds": 2, "memory": "300MiB", "maximumMemory": "2GiB",
        "warningSeconds": 20\(more) } } }
      """)
  }

  private func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  private func write(_ name: String, _ bytes: [UInt8]) throws {
    let path = "\(folder)/\(name)"
    try FileSystem.makeDirectory(ArchivePath.folder(of: path))
    try FileSystem.write(bytes, to: path)
  }

  /// Starts `pipeline` in the folder.
  func start(_ arguments: [String], environment: [String: String] = [:]) throws -> ChildProcess {
    try ChildProcess(
      ["-C", folder, ChildProcess.pipeline] + arguments, program: "/usr/bin/env",
      environment: self.environment.merging(environment) { $1 })
  }

  /// Starts a run of the pipeline on a cluster.
  func startRun(
    _ store: String = "store", executor: String = "slurm", more: [String] = [], environment: [String: String] = [:]
  ) throws -> ChildProcess {
    try start(
      ["run", "many.json", "--store", store, "--executor", executor, "--json"] + more, environment: environment)
  }

  /// Runs it in the driver's own process.
  func runLocally(_ store: String = "local") async throws -> ChildProcess.Result {
    try await start(["run", "many.json", "--store", store, "--json"]).ended()
  }

  // MARK: What is there

  /// Digest of every file below a store's artifacts.
  func artifacts(_ store: String) throws -> [String: String] {
    var found: [String: String] = [:]
    for name in try FileSystem.walk("\(folder)/\(store)/artifacts") {
      found[name] = try Digester.digest(file: "\(folder)/\(store)/artifacts/\(name)").hex
    }
    return found
  }

  /// How often each task has begun, by `STAGE/PHASE-KEY`, from the tasks' logs.
  func begun(_ store: String) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    let root = "\(folder)/\(store)/logs"
    guard FileSystem.isDirectory(root) else { return counts }
    for name in try FileSystem.walk(root) {
      let parts = name.split(separator: "/")
      // What a job printed outside of tasks.
      if parts[2].hasPrefix("job-") { continue }
      let task = parts[2].split(separator: ".").dropLast(2).joined(separator: ".")
      let text = String(decoding: try FileSystem.read("\(root)/\(name)"), as: UTF8.self)
      counts["\(parts[1])/\(task)", default: 0] += text.split(separator: "\n").count { $0.contains("  began on ") }
    }
    return counts
  }

  /// The processes that have begun a task of this key, by the heartbeats of unfinished jobs.
  func workers(_ store: String, of key: String) throws -> [pid_t] {
    let root = "\(folder)/\(store)/jobs"
    guard FileSystem.isDirectory(root) else { return [] }
    return ((try? FileSystem.walk(root)) ?? []).filter { $0.hasSuffix(".beat") }.compactMap { name -> pid_t? in
      guard let text = try? FileSystem.read("\(root)/\(name)"), let beat = try? JSONValue.parse(text).value,
        beat["key"]?.string == key, let process = beat["process"]?.integer
      else { return nil }
      return kill(pid_t(process), 0) == 0 ? pid_t(process) : nil
    }
  }

  /// The tasks whose manifests are on disk, as in `begun`.
  func finished(_ store: String) throws -> Set<String> {
    let root = "\(folder)/\(store)/artifacts"
    guard FileSystem.isDirectory(root) else { return [] }
    return Set(
      try FileSystem.walk(root).filter { $0.contains("/tasks/") && $0.hasSuffix(".json") }.map { path in
        let parts = path.split(separator: "/")
        return "\(parts[0])/\(parts.last!.dropLast(5))"
      })
  }
}

/// Waiting without a thread: these tests mostly wait, and others have work for the processors.
extension ChildProcess {
  private static let pause = Duration.milliseconds(50)

  func ended() async throws -> Result {
    while isRunning { try await Task.sleep(for: Self.pause) }
    return try wait()
  }

  /// Waits until a condition is true while it runs. Throws if it ends before, or after an hour.
  func reaches(_ what: String, _ isReached: () throws -> Bool) async throws {
    for _ in 0..<72_000 {
      let runs = isRunning
      if try isReached() { return }
      guard runs else {
        let end = try wait()
        throw ShardError(.io, what, "did not occur before the end, \(end.status): \(end.story)")
      }
      try await Task.sleep(for: Self.pause)
    }
    signal(SIGKILL)
    throw ShardError(.io, what, "did not occur within minutes: \(try wait().story)")
  }

  /// Waits until it stops at a `FaultPoint` with this gate file, runs the body and opens the gate.
  func atGate<T>(_ gate: String, _ body: () throws -> T) async throws -> T {
    try await reaches("the gate \(gate)") { FileSystem.exists(gate) }
    defer { try? FileSystem.remove(gate) }
    return try body()
  }

  /// Waits for the end of a run whose jobs stop at a gate, each at its own moment.
  func finish(opening gate: String) async throws -> Result {
    for _ in 0..<72_000 where isRunning {
      try? FileSystem.remove(gate)
      try await Task.sleep(for: Self.pause)
    }
    if isRunning { signal(SIGKILL) }
    return try await ended()
  }

  /// Kills it after a time unless it ends before.
  func killedLater(microseconds: UInt32) async throws -> Result {
    try await Task.sleep(for: .microseconds(Int(microseconds)))
    signal(SIGKILL)
    return try await ended()
  }
}

/// Names of files that sort by number.
private enum TaskNames {
  static func padded(_ number: Int) -> String { ShardKit.padded(number, 4) }
}

/// The messages of events of one kind.
func messages(_ output: String, of kind: String) throws -> [String] {
  try output.split(separator: "\n").compactMap { line in
    let event = try JSONValue.parse(String(line)).value
    return event["event"]?.string == kind ? event["message"]?.string : nil
  }
}

extension ChildProcess.Result {
  /// The lines about failures and jobs, for a test that fails.
  var story: String {
    output.split(separator: "\n").filter { $0.contains("ailed\"") || $0.contains("\"notice\"") }.joined(separator: "\n")
      + errors
  }
}
