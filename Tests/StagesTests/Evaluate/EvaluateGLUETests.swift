import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

@Suite struct GLUEFilesTests {
  private func file(_ name: String) -> ArtifactFile {
    ArtifactFile(path: "/" + name, name: name, bytes: 1, digest: Digester.digest([]))
  }

  @Test func filesAreFoundAsReleasedAndAsTheHubHasThem() throws {
    let files = GLUEFiles(
      [
        "CoLA/train.tsv", "CoLA/dev.tsv", "CoLA/test.tsv", "CoLA/original/raw/in_domain_train.tsv", "MNLI/train.tsv",
        "MNLI/dev_matched.tsv", "MNLI/dev_mismatched.tsv", "MRPC/msr_paraphrase_train.txt", "MRPC/dev_ids.tsv",
        "MRPC/msr_paraphrase_test.txt", "glue/stsb/train-00000-of-00001.parquet",
        "glue/stsb/validation-00000-of-00001.parquet", "RTE/dev.tsv",
      ].map(file))
    let chosen = try files.chosen([])
    #expect(chosen.map(\.0) == [.mnli, .cola, .stsb, .mrpc] && chosen.map(\.1.count) == [3, 2, 2, 2])
    #expect { try files.chosen([.rte]) } throws: { "\($0)".contains("has no RTE/train.tsv with RTE/dev.tsv") }
    #expect(throws: StageError.self) { try GLUEFiles([]).chosen([]) }
  }

  /// GLUE's script leaves the authors' files, which hold the development set too, beside `train.tsv` and `dev.tsv`.
  @Test func mrpcIsReadOnceFromTheFolderThatGLUEsScriptLeaves() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let rows = GLUEForm.table(.mrpc, 6).split(separator: "\n").enumerated().map { number, row in
      String(row).replacing("ship", with: "ship \(number)") + "\n"
    }
    let tables = [
      ("msr_paraphrase_train.txt", rows.joined()), ("msr_paraphrase_test.txt", rows.joined()),
      ("dev_ids.tsv", "101\t201\n102\t202\n"), ("train.tsv", rows[0] + rows[1] + rows[4...].joined()),
      ("dev.tsv", rows[0] + rows[2] + rows[3]), ("test.tsv", "index\t#1 ID\n"),
    ]
    try FileSystem.makeDirectory(folder + "/MRPC")
    for (name, text) in tables { try FileSystem.write(Array(text.utf8), to: "\(folder)/MRPC/\(name)") }
    func files(_ names: some Sequence<String>) -> [ArtifactFile] {
      names.map {
        ArtifactFile(path: "\(folder)/MRPC/\($0)", name: "MRPC/\($0)", bytes: 1, digest: Digester.digest([]))
      }
    }
    let authors = ["msr_paraphrase_train.txt", "dev_ids.tsv", "train.tsv"]
    for names in [tables.map(\.0), authors, ["train.tsv", "dev.tsv"]] {
      let chosen = try GLUEFiles(files(names)).chosen([.mrpc])
      let examples = try GLUEExamples(.mrpc, chosen[0].1, folder: folder, maximum: 0)
      let training = try FileSystem.read(examples.training).split(separator: 0x0A)
      let development = try examples.development.flatMap { try FileSystem.read($0.path).split(separator: 0x0A) }
      #expect(training.count == 4 && development.count == 2 && examples.development.map(\.name) == ["dev"])
      #expect(Set(training).isDisjoint(with: development))
    }
  }

  @Test(arguments: [
    ["RTE/train.tsv", "RTE/dev.tsv", "RTE/train-00000-of-00001.parquet", "RTE/validation-00000-of-00001.parquet"],
    ["RTE/train.tsv", "RTE/train.tsv.gz", "RTE/dev.tsv"], ["RTE/train.tsv", "RTE/dev.tsv", "copy/rte/dev.tsv"],
    ["RTE/train-00000-of-00001.parquet", "RTE/train-00000-of-00002.parquet", "RTE/dev.tsv"],
    ["RTE/train-00000-of-00001-0123abcd.parquet", "RTE/train-00000-of-00001-4567cdef.parquet", "RTE/dev.tsv"],
    [
      "RTE/train-00000-of-00002.parquet", "RTE/train-00001-of-00002.parquet", "RTE/train-0-of-00002.parquet",
      "RTE/dev.tsv",
    ],
  ])
  func aSetInTwoFormsIsRefused(_ names: [String]) throws {
    let files = GLUEFiles((names + ["CoLA/train.tsv", "CoLA/dev.tsv"]).map(file))
    #expect { try files.chosen([]) } throws: { "\($0)".contains("two forms or versions of one set") }
    #expect(try files.chosen([.cola]).count == 1)
  }

  @Test func partsOfATableAreOneSet() throws {
    let digests = ["0123456789abcdef", "fedcba9876543210"]
    let names =
      digests.enumerated().flatMap {
        ["mnli/train-0000\($0)-of-00002-\($1).parquet", "rte/train-0000\($0)-of-00002.parquet"]
      }
      + ["mnli/validation_matched.parquet", "mnli/validation_mismatched.parquet", "rte/dev.tsv.gz"]
    #expect(try GLUEFiles(names.map(file)).chosen([]).map(\.1.count) == [4, 3])
  }

  private func scores(_ task: GLUETask, _ seed: Int, _ sets: [String: [String: Double]]) -> GLUEScores {
    GLUEScores(
      run: GLUERun(task: task, seed: seed, follows: task == .rte ? 1 : nil),
      sets: sets.sorted { $0.key < $1.key }.map { set in
        GLUEScores.Measured(set.key, set.value.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
      })
  }

  @Test func aTasksScoreIsTheMeanOfItsMetrics() {
    let table = GLUETable(
      model: "<Own>",
      [
        scores(.mnli, 1, ["matched": ["accuracy": 0.8], "mismatched": ["accuracy": 0.9]]),
        scores(.mrpc, 2, ["dev": ["accuracy": 0.7, "f1": 0.9, "matthews": 0]]),
        scores(.mrpc, 1, ["dev": ["accuracy": 0.8, "f1": 1]]), scores(.rte, 1, ["dev": ["accuracy": 0.5]]),
      ])
    #expect(table.figures.map(\.name) == ["MNLI", "MRPC", "RTE", "mean"])
    #expect(abs(table.figures[0].value - 0.85) < 1e-12 && abs(table.figures[1].value - 0.85) < 1e-12)
    let text = table.markdown
    #expect(text.contains("| MosaicBERT base | 84.95 | 90.03 | 81.36 |"))
    #expect(text.contains("| **<Own>** | 85.00 | 85.00 ± 7.07 | 50.00 |"))
    #expect(text.contains("- MNLI: accuracy, over matched and mismatched; 1 seed\n"))
    #expect(text.contains("- RTE: accuracy; 1 seed, beginning with MNLI's model\n"))
    let picture = table.picture.markup
    #expect(picture.contains("&lt;Own&gt;") && !picture.contains("<Own>") && !picture.contains("nan"))
  }

  @Test(arguments: [("seeds", JSONValue.list([])), ("seeds", .list([1, 1])), ("tasks", .strings(["rte", "rte"]))])
  func listsThatCannotWorkAreRefused(_ option: String, _ value: JSONValue) {
    #expect(throws: (any Error).self) {
      try StageHarness(EvaluateGLUE.self, options: .object([JSONMember("folder", "/"), JSONMember(option, value)]))
    }
  }
}

/// Through worker processes of the program that was built.
@Suite(.serialized, .needs(testEngine != nil, "needs Scripts/engine"))
struct EvaluateGLUETests {
  @Test func everyRunAndTheReport() throws {
    TestEnvironment.set(["PIPELINE_WORKER": ChildProcess.pipeline, "PIPELINE_ENGINE": testEngine!.path])
    let model = try TinyModel(.mosaicBERT)
    for task in [GLUETask.mnli, .cola, .stsb, .rte] {
      let folder = "\(model.folder)/glue/\(task.title)"
      try FileSystem.makeDirectory(folder)
      func write(_ name: String, _ count: Int) throws {
        try FileSystem.write(
          Array(GLUEForm.table(task, count, isTraining: name == "train").utf8), to: "\(folder)/\(name).tsv")
      }
      try write("train", 20)
      for name in task == .mnli ? ["dev_matched", "dev_mismatched"] : ["dev"] { try write(name, 8) }
    }
    let harness = try StageHarness(
      EvaluateGLUE.self,
      options: [
        "folder": .string(model.folder + "/glue"), "seeds": .list([1, 2]), "epochs": 1, "maximumLength": 40,
        "model": "Tiny", "device": "cpu",
      ])
    harness.add(files: try model.checkpoint, to: "checkpoint")
    harness.add(files: try model.tokenizerFiles, to: "tokenizer")
    try harness.run()
    #expect(harness.files("scores").count == 7 && harness.files("models").count == 3)
    let json = try JSONValue.parse(try FileSystem.read(try #require(harness.files("metrics").first).path)).value
    #expect(json["tasks"]?["mnli"]?["runs"]?.array?.count == 1)
    let sets = json["tasks"]?["mnli"]?["runs"]?.array?[0]["sets"]
    #expect(sets?["matched"]?["accuracy"]?.double != nil && sets?["mismatched"]?["accuracy"]?.double != nil)
    #expect(json["tasks"]?["rte"]?["runs"]?.array?.map { $0["followsMNLI"]?.bool } == [true, true])
    #expect(json["tasks"]?["cola"]?["runs"]?.array?.map { $0["followsMNLI"]?.bool } == [false, false])
    #expect(harness.files("report").map(\.name).sorted() == ["glue.md", "glue.svg"])
    #expect(harness.metrics["STS-B"] != nil)
  }
}
