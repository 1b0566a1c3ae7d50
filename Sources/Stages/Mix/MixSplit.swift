public import PipelineKit
import ShardKit

/// Splits documents into a training set and a held-out set, by a hash of each id. A document's side depends only on its
/// id and the seed, not on other documents, so a growing corpus keeps its held-out documents.
///
/// Split after deduplication; otherwise copies of held-out documents remain in the training set.
public struct MixSplit: PassingStage, SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Average fraction of documents that is held out.", in: 0...1) public var heldOutFraction = 0.01
    @Option("Seed of the selection.", in: 0...Int.max) public var seed = 0

    public init() {}
  }

  public static let name = "mix.split"
  public static let revision = 2
  public static let summary = "Splits documents into a training set and a held-out set, by their ids."
  static let documents = Input<Documents>("documents", "The documents to split.")
  static let train = Output<Documents>("train", "The documents to train on.")
  static let heldOut = Output<Documents>("heldout", "The held-out documents.")
  public static let inputs = [documents.port]
  public static let outputs = [train.port, heldOut.port]
  public static var passed: Input<Documents> { documents }

  private let seed: UInt64
  /// Ids with a hash below are held out.
  private let threshold: Double

  public init(options: Options) {
    seed = UInt64(options.seed)
    threshold = options.heldOutFraction * 0x1p64
  }

  public func tasks(in context: PlanningContext) -> [TaskPlan] {
    TaskPlan.perFile(context.files(Self.documents))
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    let train = try workspace.documents(to: Self.train)
    let heldOut = try workspace.documents(to: Self.heldOut)
    return DocumentPass { document in
      let hash = document.id.withUnsafeBytes { xxh64($0, seed: seed) }
      try (Double(hash) < threshold ? heldOut : train).write(document)
    }
  }
}
