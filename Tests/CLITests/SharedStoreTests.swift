import Glibc
import ShardKit
import TestKit
import Testing

/// Stores on a file system that several machines share, where a write-ahead log cannot be used.
@Suite struct SharedStoreTests {
  /// The version of the format that a database's header names: 1 with a rollback journal, 2 with a write-ahead log.
  private func version(_ bench: Workbench) throws -> [UInt8] {
    Array(try FileSystem.read(bench.folder + "/.pipeline/pipeline.sqlite")[18...19])
  }

  private func left(_ bench: Workbench) throws -> [String] {
    try FileSystem.list(bench.folder + "/.pipeline").filter { $0.hasPrefix("pipeline.sqlite") }
  }

  private let shared = ["PIPELINE_SHARED_STORE": "1"]
  private let local = ["PIPELINE_SHARED_STORE": "0"]

  @Test func aSharedStoreHasNoWriteAheadLog() throws {
    let bench = try Workbench()
    #expect(try bench.run("run", "corpus.json", environment: shared).status == 0)
    #expect(try version(bench) == [1, 1])
    #expect(try left(bench) == ["pipeline.sqlite"])
    let again = try bench.run("run", "corpus.json", "--json", environment: shared)
    #expect(again.status == 0)
    #expect(!again.out.contains("\"event\":\"task\""), "\(again.out)")
    let status = try bench.run("status", "corpus.json", environment: shared)
    #expect(status.status == 0, "\(status.err)")
    // The lease of the run has been given back.
    #expect(!FileSystem.exists(bench.folder + "/.pipeline/lock.lease"))
  }

  @Test func aStoreThatMovesKeepsItsRecords() throws {
    let bench = try Workbench()
    #expect(try bench.run("run", "corpus.json", environment: local).status == 0)
    #expect(try version(bench) == [2, 2])
    for (environment, format) in [(shared, [1, 1]), (local, [2, 2])] as [([String: String], [UInt8])] {
      let again = try bench.run("run", "corpus.json", "--json", environment: environment)
      #expect(again.status == 0, "\(again.err)")
      #expect(!again.out.contains("\"event\":\"task\""), "\(again.out)")
      #expect(try version(bench) == format)
    }
  }

  @Test func aSecondRunOfASharedStoreIsRefused() throws {
    let bench = try Workbench()
    let gate = bench.folder + "/gate"
    let environment = shared.merging(["PIPELINE_FAULT": "task.started:1:\(gate)"]) { $1 }
    let first = try bench.start(
      [Workbench.program, "run", "corpus.json"], environment: environment)
    defer { try? FileSystem.remove(gate) }
    try first.works(until: "the gate") { FileSystem.exists(gate) }
    #expect(FileSystem.exists(bench.folder + "/.pipeline/lock.lease"))
    let second = try bench.run("run", "corpus.json", environment: shared)
    #expect(second.status != 0)
    #expect(bench.errors(second).first?.contains("is in use by process \(first.identifier)") == true, "\(second.err)")
    // Reading is allowed meanwhile.
    #expect(try bench.run("status", "corpus.json", environment: shared).status == 0)
    try FileSystem.remove(gate)
    #expect(try first.wait().status == 0)
  }
}
