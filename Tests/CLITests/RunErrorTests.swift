import Glibc
import ShardKit
import TestKit
import Testing

/// What can go wrong around a run, each with its sentence and exit code, and no damage done.
@Suite struct RunErrorTests {
  @Test func aMissingInputFile() throws {
    let bench = try Workbench(Workbench.document(files: "nowhere"))
    let outcome = try bench.run("run", "corpus.json")
    #expect(outcome.status == 1)
    #expect(
      bench.errors(outcome) == [
        "stage 'read': nowhere: there is no such file or folder. Paths are relative to the pipeline file; the resolved "
          + "path is FOLDER/nowhere."
      ])
    #expect(outcome.out.contains("failed after "))
    let plan = try bench.run("plan", "corpus.json")
    #expect(plan.status == 0)
    #expect(plan.out.contains("read    impossible  nowhere: there is no such file or folder."))
    let status = try bench.run("status", "corpus.json")
    #expect(status.out.contains("read    failed"))
  }

  @Test func malformedInput() throws {
    let bench = try Workbench()
    try bench.write("texts/0.jsonl", "this is no JSON\nnor is this\n")
    let outcome = try bench.run("run", "corpus.json")
    #expect(outcome.status == 1)
    #expect(bench.errors(outcome).count == 1)
    #expect(bench.errors(outcome)[0].hasPrefix("stage 'read', task run/"))
    let status = try bench.run("status", "corpus.json")
    #expect(status.out.contains("read    failed"))
  }

  /// However many lines come after it.
  @Test func aFailureIsSaidOnce() throws {
    let readers = (0..<5).map { ", \"more\($0)\": { \"use\": \"mds.write\", \"inputs\": { \"documents\": \"read\" } }" }
    let bench = try Workbench(Workbench.document(extra: readers.joined()))
    try bench.write("texts/0.jsonl", "this is no JSON\n")
    let outcome = try bench.run("run", "corpus.json")
    #expect(outcome.status == 1 && bench.errors(outcome).count == 1)
    #expect(outcome.err.contains("more4   not run: 'read' did not finish"))
  }

  @Test func wrongStageNames() throws {
    let bench = try Workbench()
    for (arguments, sentence) in [
      (["run", "corpus.json", "--from", "claen"], "no stage is named 'claen'. Did you mean 'clean'?"),
      (["explain", "corpus.json", "shard"], "no stage is named 'shard'. Did you mean 'shards'?"),
      (["artifact", "claen"], "no stage is named 'claen'. Did you mean 'clean'?"),
      (["artifact", "clean.dokuments"], "'clean' has no output 'dokuments'. Did you mean 'documents'?"),
      (["lineage", "corpus.json", "reed"], "no stage is named 'reed'. Did you mean 'read'?"),
      (["stages", "text.claen"], "no stage kind is named 'text.claen'. Did you mean 'text.clean'?"),
    ] {
      let outcome = try bench.run(arguments)
      #expect(bench.errors(outcome) == [sentence])
      #expect(outcome.status == 2)
      #expect(outcome.out.isEmpty)
    }
  }

  @Test func anUpstreamThatIsNotUpToDate() throws {
    let bench = try Workbench()
    let outcome = try bench.run("run", "corpus.json", "--from", "shards")
    #expect(
      bench.errors(outcome) == [
        "the stage 'read' is needed but not selected, and it is not up to date: it has not run before. Run without "
          + "--from and --only, or also select 'read'."
      ])
    #expect(outcome.status == 2)
  }

  @Test func badArguments() throws {
    let bench = try Workbench()
    for (arguments, words) in [
      (["run", "corpus.json", "--jobs", "0"], "--jobs must be between 1 and 1024, not 0."),
      (["run", "corpus.json", "--memory", "much"], "--memory must be a size such as 8GiB, not 'much'."),
      (["prune", "corpus.json", "--keep", "0"], "--keep must be 1 or more, not 0."),
      (["trace", "corpus.json"], "Missing expected argument '<id>'."),
      (["run", "corpus.json", "--forse"], "Unknown option '--forse'. Did you mean '--force'?"),
    ] {
      let outcome = try bench.run(arguments)
      #expect(outcome.err.hasPrefix("Error: \(words)\n"), "\(outcome.err)")
      #expect(outcome.status == 2)
    }
  }

  // MARK: The store

  @Test func aLockedStore() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let descriptor = open(bench.folder + "/.pipeline/lock", O_RDWR)
    defer { close(descriptor) }
    #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    pwrite(descriptor, "process 1 on elsewhere\n", 23, 0)
    for command in ["run", "verify"] {
      let outcome = try bench.run(command, "corpus.json")
      #expect(outcome.status == 1)
      #expect(
        bench.errors(outcome).first?.hasPrefix("the store FOLDER/.pipeline is in use by process 1 on elsewhere") == true
      )
      #expect(
        bench.errors(outcome).first?.hasSuffix("Wait for it or stop it, or name another store with --store.") == true)
    }
    #expect(try bench.run("status", "corpus.json").status == 0, "looking is allowed")
  }

  @Test func aStoreOfANewerVersion() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let sql =
      "import sqlite3; c = sqlite3.connect('.pipeline/pipeline.sqlite'); "
      + "c.execute(\"INSERT INTO grdb_migrations VALUES ('99 from the future')\"); c.commit()"
    #expect(try bench.shell("python3 -c \"\(sql.replacing("\"", with: "\\\""))\"").status == 0)
    let outcome = try bench.run("run", "corpus.json")
    #expect(
      bench.errors(outcome) == [
        "the store FOLDER/.pipeline was written by a newer version of pipeline. Update pipeline, or "
          + "name another store with --store."
      ])
    #expect(outcome.status == 1)
  }

  @Test func aDamagedDatabaseIsPutAsideAndItsWorkAdopted() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    try bench.write(".pipeline/pipeline.sqlite", String(repeating: "no database ", count: 500))
    for name in ["wal", "shm"] { try FileSystem.remove("\(bench.folder)/.pipeline/pipeline.sqlite-\(name)") }
    let look = try bench.run("status", "corpus.json")
    #expect(
      bench.errors(look) == [
        "FOLDER/.pipeline/pipeline.sqlite is not a pipeline database, or it is damaged (file is not a database). "
          + "The next `pipeline run` moves it away and restores finished artifacts from their manifests."
      ])
    #expect(look.status == 1)
    let outcome = try bench.run("run", "corpus.json")
    #expect(outcome.status == 0 && outcome.out.hasPrefix("nothing to do: 3 stages up to date"))
    #expect(outcome.err.contains("was moved to") && outcome.err.contains("pipeline.sqlite.damaged-1"))
    #expect(FileSystem.exists(bench.folder + "/.pipeline/pipeline.sqlite.damaged-1"))
  }

  @Test func aStoreThatCannotBeMade() throws {
    let bench = try Workbench()
    try bench.write("taken", "a file, not a folder")
    let outcome = try bench.run("run", "corpus.json", "--store", "taken/store")
    #expect(outcome.status == 1)
    #expect(bench.errors(outcome) == ["taken/store: cannot be created as a folder: Not a directory."])
  }

  /// Root writes into any folder, so this needs a file system that refuses: /proc.
  @Test func aFolderThatCannotBeWritten() throws {
    let bench = try Workbench()
    let outcome = try bench.run("run", "corpus.json", "--store", "/proc/self/store")
    #expect(outcome.status == 1)
    #expect(bench.errors(outcome).first?.hasPrefix("/proc/self/store: cannot be created as a folder: ") == true)
  }

  @Test func aFullDisk() throws {
    let bench = try Workbench()
    guard try bench.shell("mkdir small && mount -t tmpfs -o size=256k none small").status == 0 else { return }
    defer { _ = try? bench.shell("umount small") }
    try bench.write(file: 2, (0..<4000).map { "雪が降る前の晩、山の家では保存食の瓶を数える。番号は\($0 &* 2_654_435_761)です。" })
    let outcome = try bench.run("run", "corpus.json", "--store", "small/store")
    #expect(outcome.status == 1)
    #expect(
      bench.errors(outcome).contains {
        $0.contains(
          "its disk is full. Free some space (`pipeline prune`) and run again; finished work is kept.")
      })
  }

  @Test func aDeletedArtifactIsMadeAgainAlone() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let folder = try bench.run("artifact", "clean").out.dropLast()
    let file = try #require(try FileSystem.list(String(folder)).first)
    try FileSystem.remove("\(folder)/\(file)")
    let artifact = try bench.run("artifact", "clean")
    #expect(artifact.status == 1)
    #expect(
      bench.errors(artifact) == [
        "the newest output of 'clean' is damaged: its file documents/\(file) is missing. Run again: only the missing "
          + "parts are recomputed."
      ])
    let plan = try bench.run("plan", "corpus.json")
    #expect(plan.out.contains("clean   run      its file documents/\(file) is missing"))
    let outcome = try bench.run("run", "corpus.json")
    #expect(outcome.status == 0)
    #expect(outcome.out.contains("read    fresh"))
    #expect(outcome.out.contains("shards  fresh"), "the same bytes came out")
  }

  @Test func noStoreToVerify() throws {
    let bench = try Workbench()
    let outcome = try bench.run("verify", "corpus.json")
    #expect(
      bench.errors(outcome) == [
        "there is no store at FOLDER/.pipeline. Run the pipeline first, or give its folder with --store."
      ])
    #expect(outcome.status == 2)
  }
}
