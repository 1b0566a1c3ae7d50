import Glibc
import ShardKit
import TestKit
import Testing

/// The log of a store's database, which commands leave beside it.
@Suite struct StoreLogTests {
  private static let hasPython = system("python3 -c 'import sqlite3' >/dev/null 2>&1") == 0
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

  /// Reads the database from before a run until the run is done and a while longer.
  private static let reader = """
    import os, sqlite3, subprocess, sys, time
    path = ".pipeline/pipeline.sqlite"
    held, seen = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    held.execute("begin")
    held.execute("select count(*) from runs").fetchall()
    run = subprocess.Popen([sys.argv[1], "run", "corpus.json", "--force"], stdout=subprocess.DEVNULL)
    while seen.execute("select state from runs order by id desc limit 1").fetchone()[0] != "done" or \\
        seen.execute("select count(*) from runs").fetchone()[0] < 2:
      time.sleep(0.01)
    time.sleep(3)
    held.execute("commit")
    run.wait()
    # The last connection that is closed removes the log.
    print(os.path.getsize(path + "-wal"))
    sys.exit(run.returncode)
    """

  /// It does not wait for the reader, whose end would let it empty the log.
  @Test(.needs(hasPython, "needs python3 with sqlite3")) func aReaderOfTheDatabaseHoldsUpNoRun() throws {
    let bench = try Workbench()
    try #require(try bench.run("run", "corpus.json", environment: local).status == 0)
    try bench.write("reader.py", Self.reader)
    let outcome = try bench.shell("PIPELINE_SHARED_STORE=0 python3 reader.py \(Workbench.program)")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try #require(Int(outcome.out.dropLast())) > 3 * 4200, "\(outcome.out)")
    let line = try headline(bench)
    #expect(line.hasPrefix("run 2 began") && line.contains(": done after"), "\(line)")
  }
}
