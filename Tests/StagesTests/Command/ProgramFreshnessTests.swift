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
      [CommandWorkbench.python, "FOLDER/words.py", "--words=FOLDER/words.txt"],
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
}
