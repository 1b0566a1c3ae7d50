import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// Signals sent to a real child, in the middle of real work.
@Suite(.serialized) struct InterruptionTests {
  /// A stage of one task for each file.
  private static func bench(files: Int, linesPerFile: (Int) -> Int) throws -> Workbench {
    let sources = (0..<files).map {
      #""read\#($0)": { "use": "documents.read", "options": { "files": "texts/\#($0).jsonl" } }"#
    }
    let document = #"{ "format": 1, "name": "corpus", "stages": { \#(sources.joined(separator: ",\n")) } }"#
    let bench = try Workbench(document, texts: [])
    let text = String(repeating: "雪が降る前の晩、山の家では保存食の瓶を数える。", count: 40)
    for file in 0..<files {
      let lines = (0..<linesPerFile(file)).map { #"{"id":"\#(file)/\#($0)","text":"\#(text)","source":"test"}"# }
      try bench.write("texts/\(file).jsonl", lines.joined(separator: "\n"))
    }
    return bench
  }

  /// Starts a run and sends Ctrl-C, each time when it has heard the one before, while it stands at a fault point.
  private static func interrupted(
    _ bench: Workbench, at point: String, times: Int
  ) throws -> (status: Int32, events: [JSONValue]) {
    let gate = bench.folder + "/gate"
    let child = try bench.start(
      [Workbench.program, "run", "corpus.json", "--json", "--jobs", "1"],
      environment: ["PIPELINE_FAULT": "\(point):\(gate)"])
    try child.atGate(gate) {
      for number in 1...times {
        child.signal(SIGINT)
        try child.works(until: "interruption \(number)") {
          try child.outputSoFar().split(separator: "\n").count { $0.contains(#""event":"interrupted""#) } == number
        }
      }
    }
    let result = try child.wait()
    return (result.status, try result.output.split(separator: "\n").map { try JSONValue.parse(String($0)).value })
  }

  /// A fault ends a process that has memory as faults do, whatever limit it has. The process waits for the store.
  @Test(arguments: [SIGSEGV, SIGABRT, SIGILL, SIGTRAP])
  func aFaultIsNoWantOfMemory(_ number: Int32) throws {
    let bench = try Workbench()
    try FileSystem.makeDirectory(bench.folder + "/.pipeline")
    let lock = open(bench.folder + "/.pipeline/lock.opening", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    defer { close(lock) }
    #expect(flock(lock, LOCK_EX) == 0)
    let child = try bench.start([
      "/bin/bash", "-c", "ulimit -c 0; ulimit -v 60000000; exec \(Workbench.program) run corpus.json",
    ])
    // It waits for the lock, long after it has set its handlers.
    let path = FileSystem.realPath(bench.folder + "/.pipeline/lock.opening")
    try child.works(until: "the lock") {
      (3..<64).contains { FileSystem.realPath("/proc/\(child.identifier)/fd/\($0)") == path }
    }
    child.signal(number)
    let ended = try child.wait()
    #expect(ended.status == 128 + number && !ended.errors.contains("address-space limit"), "\(ended)")
  }

  private static func tasks(_ events: [JSONValue]) -> Int { events.count { $0["event"]?.string == "task" } }

  // A task looks whether it is to stop when it begins, every 256 lines and at its end.

  @Test func onceLetsTheRunningTasksFinish() throws {
    let bench = try Self.bench(files: 12) { _ in 600 }
    let (status, events) = try Self.interrupted(bench, at: "task.checked:6", times: 1)
    #expect(status == 130)
    #expect(Self.tasks(events) == 2, "the second task was running")
    #expect(events.last?["event"]?.string == "ended")
    #expect(events.last?["outcome"]?.string == "interrupted")
    #expect(events.contains { $0["event"]?.string == "interrupted" && $0["now"]?.bool == false })
    #expect(events.allSatisfy { $0["time"]?.integer != nil })
    #expect(try bench.run("status", "corpus.json").out.contains("interrupted after "))
    let resumed = try bench.run("run", "corpus.json", "--json")
    #expect(resumed.status == 0)
    let again = try resumed.out.split(separator: "\n").map { try JSONValue.parse(String($0)).value }
    #expect(Self.tasks(again) == 12 - Self.tasks(events), "what was finished is not done again")
    #expect(try bench.run("run", "corpus.json").out.hasPrefix("nothing to do: 12 stages up to date"))
  }

  @Test func twiceStopsAtOnce() throws {
    let bench = try Self.bench(files: 2) { $0 == 0 ? 1 : 2000 }
    let (status, events) = try Self.interrupted(bench, at: "task.checked:6", times: 2)
    #expect(status == 130)
    #expect(events.last?["outcome"]?.string == "interrupted")
    #expect(events.contains { $0["event"]?.string == "interrupted" && $0["now"]?.bool == true })
    #expect(Self.tasks(events) == 1, "the long task did not finish")
    #expect(try bench.run("run", "corpus.json").status == 0)
    #expect(try bench.run("verify").status == 0)
  }
}
