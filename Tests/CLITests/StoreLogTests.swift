import ShardKit
import TestKit
import Testing

/// The log of a store's database, which commands leave beside it.
@Suite struct StoreLogTests {
  private let local = ["PIPELINE_SHARED_STORE": "0"]

  private func headline(_ bench: Workbench) throws -> String {
    let status = try bench.run("status", "corpus.json", environment: local)
    #expect(status.status == 0, "\(status.err)")
    return String(status.out.prefix { $0 != "\n" })
  }

  @Test func whatARunDidIsInTheDatabaseWithoutTheLog() throws {
    let bench = try Workbench()
    #expect(try bench.run("run", "corpus.json", environment: local).status == 0)
    for suffix in ["-wal", "-shm"] {
      let path = bench.folder + "/.pipeline/pipeline.sqlite" + suffix
      #expect(FileSystem.exists(path))
      try FileSystem.remove(path)
    }
    let line = try headline(bench)
    #expect(line.hasPrefix("run 1 began") && line.contains(": done after"), "\(line)")
  }

  /// A log keeps its size until it is emptied. A run that does nothing adds to it, and does not wait for the disk.
  @Test func aRunThatDidSomethingLeavesAShortLog() throws {
    let bench = try Workbench()
    func log(_ arguments: String...) throws -> Int64 {
      #expect(try bench.run(["run", "corpus.json"] + arguments, environment: local).status == 0)
      return FileSystem.status(bench.folder + "/.pipeline/pipeline.sqlite-wal")?.bytes ?? 0
    }
    // Its head and a page or two.
    let short: ClosedRange<Int64> = 1...3 * 4200
    let after = try log()
    #expect(short.contains(after), "\(after)")
    let unchanged = try log()
    #expect(unchanged > after)
    #expect(try log() > unchanged)
    #expect(try short.contains(log("--force")))
  }

  @Test func theLogGoesOn() throws {
    let bench = try Workbench()
    for number in 1...4 {
      #expect(try bench.run("run", "corpus.json", environment: local).status == 0)
      let line = try headline(bench)
      #expect(line.hasPrefix("run \(number) began") && line.contains(": done after"), "\(line)")
    }
  }
}
