import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// When what a program has made is up to date, and when it is not.
@Suite(.needs(CommandWorkbench.hasPython, "needs Python")) struct ProgramFreshnessTests {
  private static let words = """
    import sys
    from pipeline_stage import Drop, documents

    words = open(sys.argv[1].removeprefix("--words=")).read().split()

    @documents
    def stage(document):
        return Drop("word") if document.text in words else None
    """

  /// Files that the command names by absolute paths count by what is in them.
  @Test func filesOutsideOfThePipelineAreSeen() throws {
    let pipeline = try ProgramPipeline(
      ["command": .strings([CommandWorkbench.python, "FOLDER/words.py", "--words=FOLDER/words.txt"])],
      files: ["words.py": Self.words, "words.txt": "b"], texts: [["a", "b"]])
    #expect(try pipeline.run() == 1 && pipeline.manifest()?.ledger.dropped["word"]?.documents == 1)
    #expect(try pipeline.verdict() == .fresh)
    try pipeline.write("words.txt", "c")
    #expect(try pipeline.verdict() == .run(["input file changed: words.txt (option 'command')"]))
    #expect(try pipeline.run() == 1 && pipeline.manifest()?.ledger.droppedDocuments == 0)
    try pipeline.write("words.py", Self.words + "\n")
    #expect(try pipeline.verdict() == .run(["input file changed: words.py (option 'command')"]))
  }

  /// What belongs to the system, and what is no file, is not read.
  @Test func theSystemsFilesAreNot() throws {
    let (file, folder) = (packagePath("Package.swift"), packagePath("Sources"))
    let others = ["/dev/null", "/proc/version", "/none", "name=\(file)", "{output.files}"]
    let configured = try StageDescription(CommandFiles.self).configured([
      "command": .strings(["/bin/sh", file, folder, "--list=\(packagePath("README.md"))", file] + others)
    ])
    #expect(
      configured.inputFiles.filter { !$0.files.isEmpty }.map(\.files.paths) == [[file, packagePath("README.md")]])
  }

  private static let needy = """
    import time
    from pipeline_stage import documents

    @documents
    def stage(document):
        if document.text == "large":
            room = bytearray(b"x") * (256 << 20)
            time.sleep(5)
    """

  /// A limit that has cost documents counts once it is another one: the task that lost them runs again, and no other.
  @Test func lostDocumentsComeBackWithAnotherLimit() throws {
    let pipeline = try ProgramPipeline(
      ["command": .strings([CommandWorkbench.python, "needy.py"]), "files": "needy.py", "memory": "96MiB"],
      files: ["needy.py": Self.needy], texts: [["a", "large"], ["c"]])
    #expect(try pipeline.run() == 2 && pipeline.manifest()?.ledger.dropped["command-died"]?.documents == 1)
    pipeline.set("batchTimeoutSeconds", 400)
    #expect(try pipeline.verdict() == .fresh)
    pipeline.set("memory", "2GiB")
    let why =
      "option 'memory' changed: 100663296 → 2147483648; documents were lost with the former value ('command-died')"
    #expect(try pipeline.verdict() == .run([why]))
    #expect(try pipeline.run() == 1)
    let manifest = try #require(try pipeline.manifest())
    #expect(manifest.ledger.droppedDocuments == 0 && manifest.ledger.output.documents == 3 && manifest.tasks == 2)
    #expect(!manifest.files.contains { $0.port == "drops" } && manifest.json["limits"] == nil)
    let store = try pipeline.store()
    let tasks = try StageExplanation(stage: "own", graph: pipeline.graph(), store: store).tasks
    #expect(tasks.map(\.reasons) == [[why], ["an earlier run did it with the same options and inputs"]])
    let folder = store.artifacts.directory(of: manifest)
    #expect(try FileSystem.walk(folder).filter { $0.hasPrefix("drops") }.isEmpty)
    pipeline.set("memory", "1GiB")
    #expect(try pipeline.verdict() == .fresh)
  }

  /// What others have lost to a smaller limit is not taken over from them.
  @Test func lostDocumentsAreNotFetched() throws {
    func pipeline(_ memory: String) throws -> ProgramPipeline {
      try ProgramPipeline(
        ["command": .strings([CommandWorkbench.python, "needy.py"]), "files": "needy.py", "memory": .string(memory)],
        files: ["needy.py": Self.needy], texts: [["a", "large"], ["c"]])
    }
    let theirs = try pipeline("96MiB")
    #expect(try theirs.run() == 2)
    let locking = try ArtifactLocking(graph: theirs.graph(), store: theirs.store())
    let (manifests, remote) = (try locking.manifests(), FolderRemote(theirs.folder + "/remote"))
    for manifest in manifests { _ = try locking.publish(manifest, to: remote) }
    let lock = LockedArtifacts(lock: ArtifactLocking.lock(manifests, pipeline: "own", remote: nil), remote: remote)
    let same = try pipeline("96MiB")
    #expect(try same.run(locked: lock) == 0 && same.manifest() == theirs.manifest())
    let larger = try pipeline("2GiB")
    #expect(try larger.run(locked: lock) == 2 && larger.manifest()?.ledger.droppedDocuments == 0)
    #expect(larger.notices.count == 1 && larger.notices[0].hasPrefix("'own' is computed, though the lock file names"))
  }

  /// The same for a server that answers too late or not at all.
  @Test func unansweredDocumentsAreAskedAgainWithAnotherLimit() throws {
    let bench = try InferWorkbench(
      rules: [InferWorkbench.rule("bad", ["status": 500, "body": "broken"], ["status": 500, "body": "broken"], [:])],
      options: ["attempts": 1, "maximumUnansweredFraction": 1])
    let pipeline = try ProgramPipeline(use: "infer.endpoint", bench.options, texts: [["good", "bad"], ["fine"]])
    #expect(try pipeline.run() == 4 && pipeline.manifest()?.ledger.dropped["no-answer"]?.documents == 1)
    #expect(try pipeline.verdict() == .fresh)
    pipeline.set("attempts", 2)
    #expect(
      try pipeline.verdict()
        == .run(["option 'attempts' changed: 1 → 2; documents were lost with the former value ('no-answer')"]))
    #expect(try pipeline.run() == 2 && pipeline.manifest()?.ledger.output.documents == 3)
    #expect(try pipeline.verdict() == .fresh)
  }

  private static let echoing = """
    import os
    from pipeline_stage import documents

    @documents
    def stage(document):
        os.write(1, ("login: " + os.environ["OWN_LOGIN"][:5]).encode())
        os.write(1, (os.environ["OWN_LOGIN"][5:] + ", place: " + os.environ["OWN_PLACE"] + "\\n").encode())
        return str(len(os.environ["OWN_LOGIN"]))
    """

  /// Values of variables count, and cannot be guessed from what is shared; secrets count for nothing.
  @Test func variablesCountAndSecretsDoNot() throws {
    TestEnvironment.set(["OWN_PLACE": "here", "OWN_LOGIN": "sesame-4711"])
    func pipeline() throws -> ProgramPipeline {
      try ProgramPipeline(
        [
          "command": .strings([CommandWorkbench.python, "echoing.py"]), "files": "echoing.py",
          "variables": .strings(["OWN_PLACE"]), "secrets": .strings(["OWN_LOGIN"]),
        ], files: ["echoing.py": Self.echoing], texts: [["a"]])
    }
    let (first, second) = (try pipeline(), try pipeline())
    #expect(try first.run() == 1 && second.run() == 1)
    func recorded(_ pipeline: ProgramPipeline) throws -> String {
      try #require(pipeline.manifest()?.identity.options["variables"]?["OWN_PLACE"]?.string)
    }
    #expect(try recorded(first).hasPrefix("digest ") && recorded(first) != recorded(second))
    for name in try FileSystem.walk(first.folder + "/.pipeline") {
      let bytes = try FileSystem.read("\(first.folder)/.pipeline/\(name)")
      #expect(!bytes.contains("sesame-4711".utf8), "\(name)")
    }
    let log = try #require(FileSystem.walk(first.folder + "/.pipeline").first { $0.hasSuffix(".log") })
    #expect(try FileSystem.read("\(first.folder)/.pipeline/\(log)") == Array("login: ***, place: here\n".utf8))
    TestEnvironment.set(["OWN_LOGIN": "another"])
    #expect(try first.verdict() == .fresh)
    TestEnvironment.set(["OWN_PLACE": "there"])
    guard case .run(let reasons) = try first.verdict() else { throw StageError(.check, "verdict", "is fresh") }
    #expect(reasons.count == 1 && reasons[0].hasPrefix("option 'variables' changed: "))
  }

  /// Libraries put addresses with their keys into what they raise.
  @Test func secretsInErrorsAreMasked() throws {
    TestEnvironment.set(["OWN_KEY": "sesame-4712"])
    let script = """
      import os
      from pipeline_stage import Drop, documents

      @documents
      def stage(document):
          if document.text == "a":
              raise ValueError("401 for https://host/?key=" + os.environ["OWN_KEY"])
          return Drop("refused", detail="key " + os.environ["OWN_KEY"])
      """
    let pipeline = try ProgramPipeline(
      [
        "command": .strings([CommandWorkbench.python, "failing.py"]), "files": "failing.py",
        "secrets": .strings(["OWN_KEY"]), "maximumDied": 5,
      ], files: ["failing.py": script], texts: [["a", "b"]])
    #expect(try pipeline.run() == 1)
    let warning = try #require(pipeline.manifest()?.warnings["command-failed"])
    #expect(warning.example.contains("https://host/?key=***"))
    for name in try FileSystem.walk(pipeline.folder + "/.pipeline") {
      let source = try? openSource("\(pipeline.folder)/.pipeline/\(name)")
      let bytes = try source?.readAll(limit: 1 << 20) ?? []
      #expect(!bytes.contains("sesame-4712".utf8), "\(name)")
    }
  }

  @Test func secretsAmongVariablesAreRefused() {
    TestEnvironment.set(["OWN_DATABASE": "postgres://me:sesame@host/corpus"])
    for name in ["HF_TOKEN", "API_KEY", "db_password", "SECRET", "AWS_SECRET_ACCESS_KEY", "OWN_DATABASE"] {
      let error = #expect(throws: StageError.self) {
        try StageDescription(CommandDocuments.self).configured([
          "command": .strings(["x"]), "variables": .strings([name]),
        ])
      }
      #expect(error?.message.contains("'\(name)' is a secret") ?? false)
      #expect(!"\(String(describing: error))".contains("sesame"))
    }
    TestEnvironment.set(["MAX_TOKENS": "512", "SORT_KEY": "id"])
    for name in ["TOKENIZERS_PARALLELISM", "KEYBOARD", "MONKEYS", "MAX_TOKENS", "SORT_KEY"] {
      #expect(throws: Never.self) {
        try StageDescription(CommandDocuments.self).configured([
          "command": .strings(["x"]), "variables": .strings([name]),
        ])
      }
    }
  }
}
