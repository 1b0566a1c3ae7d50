import PipelineKit
import ShardKit

/// Cleans the text of each document; an empty result is a drop.
public struct TextClean: Stage {
  public struct Options: StageOptions {
    public var minimumBytes = 1
    public init() {}
    public static let fields = [
      OptionField("minimumBytes", \Self.minimumBytes, "Documents with less text are dropped.", in: 1...1_000_000)
    ]
  }

  public static let name = "text.clean"
  public static let revision = 1
  public static let summary = "Cleans the text of each document."
  static let documents = Input<Documents>("documents", "The documents to clean.")
  static let cleaned = Output<Documents>("documents", "The documents with clean text.")
  public static let inputs = [documents.port]
  public static let outputs = [cleaned.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(phase: String, in context: PlanningContext) -> [TaskPlan] {
    .init(TaskPlan.perFile(context.files(Self.documents)))
  }

  public func run(_ workspace: Workspace) throws {
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.cleaned)
    var document = Document()
    while try stream.next(&document) {
      if document.text.count < options.minimumBytes {
        try workspace.drop(
          document, reason: "too-short", value: Double(document.text.count), threshold: Double(options.minimumBytes))
      } else {
        try output.write(document)
      }
    }
  }
}
