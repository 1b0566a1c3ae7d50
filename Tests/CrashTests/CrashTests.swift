import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// The demo pipeline, killed and resumed: its artifacts must be those of a run that nobody disturbed. Its training has
/// crash tests of its own.
@Suite(.serialized) final class CrashTests {
  private let document: String

  init() throws { document = try Self.corpusWithoutTraining() }
  deinit { try? FileSystem.remove(document) }

  /// Beside the original, so that its paths hold.
  private static func corpusWithoutTraining() throws -> String {
    let original = try FileSystem.read(packagePath("Pipelines/corpus.json"))
    var members = try #require(try JSONValue.parse(original).value.members)
    let place = try #require(members.firstIndex { $0.key == "stages" })
    let training: Set = ["pretrain", "perplexity", "converted", "model"]
    let kept = try #require(members[place].value.members).filter { !training.contains($0.key) }
    members[place] = JSONMember("stages", .object(kept))
    let parameters = try #require(members.firstIndex { $0.key == "parameters" })
    let used = try #require(members[parameters].value.members).filter { $0.key != "steps" }
    members[parameters] = JSONMember("parameters", .object(used))
    // What is done in one pass must be taken over whole, or not at all.
    members.append(JSONMember("passes", true))
    let path = packagePath("Pipelines/.crash-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).json")
    try FileSystem.write(Array(JSONValue.object(members).prettyText().utf8), to: path)
    return path
  }

  private func run(
    _ store: String, document: String? = nil, jobs: Int = 2, environment: [String: String] = [:]
  ) throws -> ChildProcess {
    try ChildProcess(
      ["run", document ?? self.document, "--store", store, "--jobs", "\(jobs)", "--json"], environment: environment)
  }

  /// Digest of every file below the artifacts, with what passes leave beside them; of a pass's record, without its time.
  private func artifacts(_ store: String) throws -> [String: String] {
    var out: [String: String] = [:]
    for name in try FileSystem.walk(store + "/artifacts", hidden: true) {
      let path = "\(store)/artifacts/\(name)"
      guard name.hasSuffix("/record.json") else {
        out[name] = try Digester.digest(file: path).hex
        continue
      }
      let record = try #require(try JSONValue.parse(FileSystem.read(path)).value.members)
      #expect(record.contains { $0.key == "milliseconds" }, "\(name)")
      out[name] = JSONValue.object(record.filter { $0.key != "milliseconds" }).text()
    }
    return out
  }

  /// `stage/phase/key` of every task whose manifest is on disk.
  private func finishedTasks(_ store: String) throws -> Set<String> {
    guard FileSystem.isDirectory(store + "/artifacts") else { return [] }
    return Set(
      try FileSystem.walk(store + "/artifacts").filter { $0.contains("/tasks/") && $0.hasSuffix(".json") }
        .map { path in
          let parts = path.split(separator: "/")
          return "\(parts[0])/\(parts.last!.dropLast(5))"
        })
  }

  /// `stage/phase-key` of the tasks that a run says it finished.
  private func ranTasks(_ output: String) throws -> Set<String> {
    var out: Set<String> = []
    for line in output.split(separator: "\n") {
      let event = try JSONValue.parse(String(line)).value
      guard event["event"]?.string == "task" else { continue }
      let parts = ["phase", "task"].map { event[$0]?.string ?? "?" }
      out.insert("\(event["stage"]?.string ?? "?")/\(parts.joined(separator: "-"))")
    }
    return out
  }

  @Test func everyNamedFaultPointLeavesNothingHalfDone() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let whole = try run(folder + "/whole").wait()
    #expect(whole.status == 0)
    let expected = try artifacts(folder + "/whole")
    #expect(expected.count > 20, "the demo writes many files")
    #expect(expected.keys.contains { $0.hasSuffix("/record.json") }, "some of its stages work in one pass")
    #expect(try ranTasks(whole.output) == finishedTasks(folder + "/whole"), "events and manifests name the same tasks")
    for point in FaultPoint.names {
      for occurrence in [1, 5] {
        let store = "\(folder)/\(point)-\(occurrence)"
        let broken = try run(store, environment: ["PIPELINE_FAULT": "\(point):\(occurrence)"]).wait()
        #expect(broken.status == 128 + SIGKILL, "\(point):\(occurrence) was not reached")
        let finished = try finishedTasks(store)
        let resumed = try run(store).wait()
        #expect(resumed.status == 0, "\(point):\(occurrence): \(resumed.errors)")
        #expect(try ranTasks(resumed.output).isDisjoint(with: finished), "\(point): finished tasks ran again")
        #expect(try artifacts(store) == expected, "\(point):\(occurrence)")
        try FileSystem.removeTree(store)
      }
    }
  }

  @Test func thirtyKillsAtRandomMomentsLeaveTheSameArtifacts() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let began = monotonicNanoseconds()
    #expect(try run(folder + "/whole").wait().status == 0)
    let microseconds = (monotonicNanoseconds() - began) / 1000
    let expected = try artifacts(folder + "/whole")
    var random = SystemRandomNumberGenerator()
    var kills = 0
    var store = 0
    while kills < 30 {
      store += 1
      let path = "\(folder)/\(store)"
      // Several kills a store, each at a random moment, until one comes too late.
      while kills < 30 {
        let delay = UInt32.random(in: 0...UInt32(max(1, microseconds)), using: &random)
        let before = try finishedTasks(path)
        let result = try run(path).killed(afterMicroseconds: delay)
        #expect(result.status == 128 + SIGKILL || result.status == 0, "\(result.errors)")
        #expect(try ranTasks(wholeLines(result.output)).isDisjoint(with: before), "finished tasks ran again")
        if result.status == 0 { break }
        kills += 1
      }
      let last = try run(path).wait()
      #expect(last.status == 0, "after \(kills) kills: \(last.errors)")
      #expect(try artifacts(path) == expected, "after \(kills) kills")
      try FileSystem.removeTree(path)
    }
  }

  // MARK: Parts of a file

  /// A file of lines and one of frames, in which lines end anywhere, and a pipeline that reads both in parts.
  private func writeParts(_ folder: String) throws -> String {
    try FileSystem.makeDirectory(folder + "/texts")
    var random = SplitMix(seed: 17)
    var plain: [UInt8] = [], frames: [UInt8] = []
    for number in 0..<9000 {
      let text = String(repeating: "川が流れる。", count: Int(random.next() % 12))
      // Some lines are no documents.
      plain += Array((number % 500 == 7 ? "{" : #"{"id":"\#(number)","text":"\#(text)"}"#).utf8) + [10]
    }
    for start in stride(from: 0, to: plain.count, by: 25_000) {
      let sink = ZstdSink(try FileSink(folder + "/frame"))
      try sink.write(Array(plain[start..<min(start + 25_000, plain.count)]))
      try sink.commit()
      frames += try FileSystem.read(folder + "/frame")
    }
    try FileSystem.write(plain, to: folder + "/texts/a.jsonl")
    try FileSystem.write(frames, to: folder + "/texts/b.jsonl.zst")
    let read: JSONValue = [
      "use": "documents.read", "options": ["files": "texts", "bytesPerTask": 1, "rangeBytes": 40_000],
    ]
    let document: JSONValue = ["format": 1, "name": "parts", "stages": ["read": read]]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/parts.json")
    return folder + "/parts.json"
  }

  /// Killed in the middle of a part, a run goes on with that part.
  @Test func partsThatWereFinishedAreNotReadAgain() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let document = try writeParts(folder)
    let whole = try run(folder + "/whole", document: document, jobs: 1).wait()
    #expect(whole.status == 0, "\(whole.errors)")
    let all = try finishedTasks(folder + "/whole")
    #expect(all.filter { $0.hasPrefix("read/run-") }.count > 25, "\(all.count)")
    let store = folder + "/killed"
    func kill(at fault: String) throws -> ChildProcess.Result {
      let broken = try run(store, document: document, jobs: 1, environment: ["PIPELINE_FAULT": fault]).wait()
      #expect(broken.status == 128 + SIGKILL, "\(broken.errors)")
      return broken
    }
    // Both files are divided.
    _ = try kill(at: "task.committed:2")
    #expect(try finishedTasks(store) == ["read/parts-00000", "read/parts-00001"])
    // A part is checked when it begins, at each 256th line, and at its end.
    for number in 0..<5 {
      let before = try finishedTasks(store)
      let broken = try kill(at: "task.checked:\(5 + 3 * number + number % 3)")
      #expect(try ranTasks(wholeLines(broken.output)).isDisjoint(with: before), "finished parts were read again")
      let node = "\(store)/artifacts/read/\(try #require(FileSystem.list(store + "/artifacts/read").first))"
      #expect(try FileSystem.list(node + "/.staging").count == 1, "one part was begun and not finished")
    }
    let finished = try finishedTasks(store)
    #expect(finished.count > 10 && finished.count < all.count, "\(finished.count)")
    let resumed = try run(store, document: document, jobs: 1).wait()
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try ranTasks(resumed.output) == all.subtracting(finished))
    #expect(try artifacts(store) == artifacts(folder + "/whole"))
  }

  /// Without a last line that the kill cut off.
  private func wholeLines(_ output: String) -> String {
    guard let newline = output.utf8.lastIndex(of: 10) else { return "" }
    return String(output[...newline])
  }
}
