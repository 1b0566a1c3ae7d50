import ShardKit
import TestKit
import Testing

@testable import TrainerCore

/// The rows of each task as GLUE released them, with sentences of our own.
enum GLUEForm {
  static let parses = "( ( The ship ) ( left . ) )\t( It left . )\t(ROOT (S x))\t(ROOT (S y))"

  /// Columns, and a row for two labels or scores.
  static func table(_ task: GLUETask, _ count: Int, isTraining: Bool = true) -> String {
    let rows = (0..<count).map { i in
      let a = "The \"ship\" left port \(i % 4) .", b = i % 2 == 0 ? "It left ." : "It \"stayed ."
      let label = labels(task)[i % 2]
      switch task {
      case .cola: return "ab0\(i % 9)\t\(label)\t\(i % 2 == 0 ? "*" : "")\t\(a)"
      case .sst2: return "\(a) \t\(label)"
      case .mrpc: return "\(label)\t\(100 + i)\t\(200 + i)\t\(a)\t\(b)"
      case .stsb: return "\(i)\tmain-captions\tMSRvid\t2012test\t\(i)\tnone\tnone\t\(a)\t\(b)\t\(label)"
      case .qqp: return "\(i)\t\(i)\t\(i + 1)\t\(a)\t\(b)\t\(label)"
      case .mnli:
        let rest = isTraining ? label : "\(label)\tneutral\t\(label)\tneutral\t\(label)\t\(label)"
        return "\(i)\t\(i)\t\(i)e\tfiction\t\(parses)\t\(a)\t\(b)\t\(isTraining ? "\(label)\t" : "")\(rest)"
      case .qnli, .rte: return "\(i)\t\(a)\t\(b)\t\(label)"
      }
    }
    return (header(task, isTraining).map { [$0] } ?? []).joined() + (header(task, isTraining) == nil ? "" : "\n")
      + rows.joined(separator: "\n") + "\n"
  }

  private static func labels(_ task: GLUETask) -> [String] {
    switch task {
    case .mnli: ["entailment", "contradiction"]
    case .qnli, .rte: ["entailment", "not_entailment"]
    case .stsb: ["5.000", "0.6"]
    default: ["0", "1"]
    }
  }

  private static func header(_ task: GLUETask, _ isTraining: Bool) -> String? {
    switch task {
    case .cola: return nil
    case .sst2: return "sentence\tlabel"
    case .mrpc: return "\u{FEFF}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
    case .stsb: return "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"
    case .qqp: return "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
    case .mnli:
      return "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        + "sentence2_parse\tsentence1\tsentence2\tlabel1\t"
        + (isTraining ? "gold_label" : "label2\tlabel3\tlabel4\tlabel5\tgold_label")
    case .qnli: return "index\tquestion\tsentence\tlabel"
    case .rte: return "index\tsentence1\tsentence2\tlabel"
    }
  }
}

@Suite struct GLUEReaderTests {
  private func read(
    _ task: GLUETask, _ text: String, pairs: String? = nil, _ part: GLUEReader.Part = .training
  ) throws -> (examples: [GLUEExample], leftOut: Int) {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(text.utf8), to: folder + "/data.tsv")
    if let pairs { try FileSystem.write(Array(pairs.utf8), to: folder + "/dev_ids.tsv") }
    var reader = try GLUEReader(task, developmentPairs: pairs == nil ? nil : folder + "/dev_ids.tsv")
    var examples: [GLUEExample] = []
    try reader.forEach(folder + "/data.tsv", part) { examples.append($0) }
    return (examples, reader.leftOut)
  }

  @Test(arguments: GLUETask.allCases) func everyTasksReleasedFormIsRead(_ task: GLUETask) throws {
    for isTraining in [true, false] {
      let (examples, leftOut) = try read(task, GLUEForm.table(task, 4, isTraining: isTraining))
      #expect(examples.count == 4 && leftOut == 0)
      #expect(examples[1].text.hasPrefix("The \"ship\" left port 1 ."))
      #expect(examples.allSatisfy { ($0.pair == nil) == [.cola, .sst2].contains(task) })
      if let pair = examples[1].pair { #expect(pair == "It \"stayed .") }
      #expect(examples.allSatisfy { task.task.targets($0.label) != nil })
      let known: [[Double]] =
        switch task {
        case .stsb: [[5], [0.6]]
        case .mnli: [[0], [2]]
        default: [[0], [1]]
        }
      #expect(examples.prefix(2).map { task.task.targets($0.label)! } == known)
    }
  }

  @Test func mrpcIsSplitByItsAuthorsIDs() throws {
    let text = GLUEForm.table(.mrpc, 4).replacing("\n", with: "\r\n")
    let pairs = "101\t201\r\n102\t202\r\n"
    #expect(
      try read(.mrpc, text, pairs: pairs).examples.map(\.text) == ["0", "3"].map { "The \"ship\" left port \($0) ." })
    #expect(try read(.mrpc, text, pairs: pairs, .development).examples.count == 2)
  }

  /// QQP has some rows that were broken in two.
  @Test func brokenRowsAreLeftOut() throws {
    let broken = GLUEForm.table(.qqp, 200) + "7\t1\t2\tHow\n"
    let (examples, leftOut) = try read(.qqp, broken)
    #expect(examples.count == 200 && leftOut == 1)
    let error = #expect(throws: ShardError.self) { try read(.qqp, GLUEForm.table(.qqp, 20) + "7\t1\t2\tHow\n") }
    #expect(error?.message.hasPrefix("1 of 21 rows lack columns") == true)
    let none = #expect(throws: ShardError.self) { try read(.rte, "index\tsentence1\tsentence2\n0\ta\tb\n") }
    #expect(none?.message == "has no column 'label'")
  }

  /// MosaicBERT gives decay as a part of the weights at the peak rate.
  @Test func settingsAreMosaicBERTs() {
    let decay: [GLUETask: Double] = [
      .mnli: 5e-6, .qnli: 1e-6, .qqp: 3e-6, .sst2: 3e-6, .rte: 1e-5, .mrpc: 8e-6, .cola: 5e-6, .stsb: 3e-6,
    ]
    for task in GLUETask.allCases { #expect(abs(task.learningRate * task.weightDecay - decay[task]!) < 1e-12) }
    #expect(abs(PublishedGLUE.all[0].mean - 0.8428) < 1e-4)
  }
}
