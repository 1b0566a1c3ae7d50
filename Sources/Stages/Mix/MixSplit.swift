public import PipelineKit
import ShardKit

/// Parts documents into a training set and one that is held out, by a hash of each id: a document's side depends on its
/// id and the seed alone, never on its neighbors, so a grown corpus keeps its held-out documents.
///
/// Split after deduplication, or copies of held-out documents stay in the training set.
public struct MixSplit: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("The share of documents that is held out, on average.", in: 0...1) public var heldOutFraction = 0.01
    @Option("Another seed holds out other documents.", in: 0...Int.max) public var seed = 0

    public init() {}
  }

  public static let name = "mix.split"
  public static let revision = 1
  public static let summary = "Parts documents into a training set and a held-out set, by their ids."
  static let documents = Input<Documents>("documents", "The documents to part.")
  static let train = Output<Documents>("train", "The documents to train on.")
  static let heldOut = Output<Documents>("heldout", "The documents kept out of training.")
  public static let inputs = [documents.port]
  public static let outputs = [train.port, heldOut.port]

  private let seed: UInt64
  /// Ids whose hash lies below are held out.
  private let threshold: Double

  public init(options: Options) {
    seed = UInt64(options.seed)
    threshold = options.heldOutFraction * 0x1p64
  }

  public func tasks(in context: PlanningContext) -> [TaskPlan] {
    TaskPlan.grouped(context.files(Self.documents), bytes: 64 << 20)
  }

  public func run(_ workspace: Workspace) throws {
    let stream = workspace.documents()
    let train = try workspace.documents(to: Self.train)
    let heldOut = try workspace.documents(to: Self.heldOut)
    var document = Document()
    while try stream.next(&document) {
      let hash = document.id.withUnsafeBytes { xxh64($0, seed: seed) }
      try (Double(hash) < threshold ? heldOut : train).write(document)
    }
  }
}
