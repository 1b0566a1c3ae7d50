import PipelineKit
import ShardKit
import TestKit
import Testing

/// Shortens long documents: the example of Documentation/guides/writing-a-stage.md.
struct TextTruncate: SinglePhaseStage {
  static let name = "text.truncate"
  static let revision = 1
  static let summary = "Shortens long documents, at the end of a sentence where there is one."
  static let documents = Input<Documents>("documents", "The documents to shorten.")
  static let shortened = Output<Documents>("documents", "The documents, none longer than the limit.")
  static let inputs = [documents.port]
  static let outputs = [shortened.port]

  struct Options: StageOptions {
    @Option("Longer documents are cut to this size.", in: 1...1_000_000_000) var maximumBytes = 100_000
    @Option("Documents with less text after the cut are dropped.", in: 0...1_000_000_000) var minimumBytes = 1
  }

  private let options: Options
  init(options: Options) { self.options = options }

  /// One option's range is declared with it; what two of them must be together is checked here.
  func validate() throws {
    guard options.minimumBytes > options.maximumBytes else { return }
    throw StageError(
      .options, "minimumBytes", "it is above maximumBytes (\(options.maximumBytes)), so every document would be dropped"
    )
  }

  /// One task per file: the files are shortened in parallel, and a run that was stopped repeats none that is done.
  func tasks(in context: PlanningContext) -> [TaskPlan] { TaskPlan.perFile(context.files(Self.documents)) }

  func run(_ workspace: Workspace) throws {
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.shortened)
    var document = Document()
    var cut = 0
    while try stream.next(&document) {
      if document.text.count > options.maximumBytes {
        document.text.removeSubrange(Self.end(of: document.text, within: options.maximumBytes)...)
        cut += 1
      }
      if document.text.count < options.minimumBytes {
        try workspace.drop(
          document,
          DropReason("too-short", value: Double(document.text.count), threshold: Double(options.minimumBytes)))
      } else {
        try output.write(document)
      }
    }
    workspace.metric("documents-cut", Double(cut))
  }

  /// Where a text is cut: behind the last 。 that fits, else before the character that does not.
  static func end(of text: [UInt8], within limit: Int) -> Int {
    let stop = Array("。".utf8)
    var end = limit
    while end >= stop.count {
      if text[(end - stop.count)..<end].elementsEqual(stop) { return end }
      end -= 1
    }
    end = limit
    // The bytes of a character after its first one are 10xxxxxx.
    while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
    return end
  }
}

@Suite struct ExampleStageTests {
  @Test func longDocumentsEndWithASentence() throws {
    let harness = try StageHarness(TextTruncate.self, options: ["maximumBytes": 40, "minimumBytes": 10])
    try harness.add(documents: [
      [
        Document(id: "long", text: "川沿いの水車小屋。今も毎朝パンが焼かれている。"),
        Document(id: "no sentence", text: "山の家では保存食の瓶を数えると決めている"),
      ],
      [Document(id: "short", text: "梅。"), Document(id: "fits", text: "駅前の図書室。")],
    ])
    try harness.run()
    #expect(try harness.documents().map(\.textString) == ["川沿いの水車小屋。", "山の家では保存食の瓶を数え", "駅前の図書室。"])
    #expect(try harness.drops() == [.init(id: "short", reason: "too-short", value: 6, threshold: 10)])
    #expect(harness.metrics["documents-cut"] == 2)
    // What came in equals what went out and what was dropped; in a run the executor checks it.
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func optionsThatContradictEachOtherAreRefused() {
    #expect(throws: StageError.self) { try StageHarness(TextTruncate.self, options: ["minimumBytes": 200_000]) }
  }
}
