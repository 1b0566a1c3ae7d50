import Glibc
import ShardKit
import Stages
import TestKit
import Testing

@testable import PipelineKit

/// How large files become tasks.
@Suite struct PartTasksTests {
  private let folder = temporaryDirectory()

  private func tasks<S: Stage>(
    _ type: S.Type, _ phase: String, _ options: JSONValue, _ context: NodeContext
  ) throws -> [TaskPlan] {
    try StageDescription(type).configured(options).stage(of: phase).tasks(ofPhase: phase, in: context)
  }

  private func lines(_ count: Int) -> [UInt8] {
    (0..<count).flatMap { Array(#"{"id":"\#($0)","text":"text \#($0)"}"#.utf8) + [10] }
  }

  /// Progress and the time that is left go by what tasks read: together, the file once.
  @Test func partsOfAFileCountAsTheFileOnce() throws {
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(lines(500), to: folder + "/a.jsonl")
    let bytes = FileSystem.status(folder + "/a.jsonl")!.bytes
    let options: JSONValue = ["files": "a.jsonl", "rangeBytes": 1000, "bytesPerTask": 1]
    let harness = try StageHarness(DocumentsRead.self, options: options, base: folder).run()
    var context = NodeContext(inputs: [:], base: folder)
    context.outputs["parts"] = harness.files("parts")
    let read = try tasks(DocumentsRead.self, "run", options, context)
    #expect(read.count > 10 && read.reduce(0) { $0 + $1.contentBytes } == bytes)
    let ranges: JSONValue = ["files": "a.jsonl", "rangeBytes": 1000, "document": "line"]
    let text = try tasks(TextRead.self, "run", ranges, context)
    #expect(text.count > 10 && text.reduce(0) { $0 + $1.contentBytes } == bytes)
  }

  /// The option is named, before anything is read or planned.
  @Test func partsThatAreTooSmallAreRefused() throws {
    defer { try? FileSystem.removeTree(folder) }
    // With a hole: a terabyte that takes no room.
    try FileSystem.write(lines(3), to: folder + "/a.jsonl")
    #expect(truncate(folder + "/a.jsonl", 1 << 40) == 0)
    let context = NodeContext(inputs: [:], base: folder) { $0.map { _ in Digester.digest([]) } }
    func expectRefusal<S: Stage>(_ type: S.Type, _ phase: String) throws {
      let error = #expect(throws: StageError.self) {
        try tasks(type, phase, ["files": "a.jsonl", "rangeBytes": 1000], context)
      }
      #expect(error?.code == .options && error?.subject == "rangeBytes")
      #expect(error?.hint == "Give at least 2199023 bytes, which make half a million parts.")
      #expect(try tasks(type, phase, ["files": "a.jsonl", "rangeBytes": 1_073_741_824], context).count > 0)
    }
    try expectRefusal(DocumentsRead.self, "parts")
    try expectRefusal(CC100Read.self, "run")
  }
}
