import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit

/// Runs programs of `Fixtures/programs` through `command.documents`.
enum CommandWorkbench {
  static let programs = packagePath("Fixtures/programs")
  static let python = PeerScript.interpreter
  static let hasPython = ChildProcess.exists(python) && ChildProcess.succeeds([python, "-c", "import json"])
  static let hasNumPy = hasPython && ChildProcess.succeeds([python, "-c", "import numpy"])
  static let hasCompiler = ChildProcess.succeeds(["cc", "--version"])

  /// Texts of several lengths and scripts, some of which both thresholds of quality.py and quality.c drop.
  static let documents: [[Document]] = [
    (0..<40).map { number in
      let text = number % 3 == 0 ? "水車小屋" : "川沿いの古い水車小屋では、\"今も\"毎朝パンが焼かれている。\n\u{1}"
      return Document(
        id: "a/\(number)\"\\", text: String(repeating: text, count: 1 + number * 3), source: "made",
        metadata: number % 2 == 0 ? ["score": .number(0.5), "url": .string("https://example.org/\(number)")] : nil)
    },
    (0..<7).map { Document(id: "b/\($0)", text: String(repeating: "𠮷野家でたべる。", count: 20 + $0 * 60)) },
    [],
  ]

  static func harness(
    _ command: [String], files: [String] = [], _ more: [JSONMember] = [], documents: [[Document]] = documents
  ) throws -> StageHarness {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline])
    let options: [JSONMember] = [
      JSONMember("command", .strings(command)), JSONMember("files", .strings(files)), JSONMember("batch", 8),
    ]
    let harness = try StageHarness(
      CommandDocuments.self, options: .object(options.filter { own in !more.contains { $0.key == own.key } } + more),
      base: programs)
    try harness.add(documents: documents)
    return harness
  }

  static func misbehaving(
    _ fault: String, _ more: [JSONMember] = [], documents: [[Document]] = marked
  ) throws -> StageHarness {
    try harness([python, "misbehaving.py", fault], files: ["misbehaving.py"], more, documents: documents)
  }

  /// Two documents at which programs die, among others.
  static let marked: [[Document]] = [
    (0..<20).map { Document(id: "\($0)", text: $0 == 5 || $0 == 17 ? "here!" : "fine") }
  ]

  /// quality.c, compiled.
  static let compiled: String = {
    let path = temporaryDirectory() + "/quality"
    _ = ChildProcess.succeeds(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, programs + "/quality.c"])
    return path
  }()

  /// Processes that have a word in their arguments.
  static func processes(with word: String) throws -> Int {
    try FileSystem.list("/proc").count { name in
      guard Int(name) != nil, let words = try? FileSystem.read("/proc/\(name)/cmdline", limit: 1 << 20) else {
        return false
      }
      return words.split(separator: 0).contains { $0.elementsEqual(word.utf8) }
    }
  }
}

extension ChildProcess {
  static func succeeds(_ words: [String]) -> Bool {
    (try? ChildCommand(words[0], Array(words.dropFirst()), timeoutSeconds: 60).run().status) == 0
  }

  static func exists(_ program: String) -> Bool { !program.contains("/") || FileSystem.exists(program) }
}
