public import ShardKit

/// A stage whose first phase handles documents one after another, so that it can work in the pass of the stage before
/// it: on documents in memory, which are then neither written nor read in between.
///
/// Its first phase must plan one task per file of `passed`, and its later phases must not read these files again.
///
///     struct TextTruncate: PassingStage, SinglePhaseStage {
///       static let passed = documents
///       func pass(_ workspace: Workspace) throws -> DocumentPass {
///         let output = try workspace.documents(to: Self.shortened)
///         return DocumentPass { document in
///           document.text = cut(document.text)
///           try output.write(document)
///         }
///       }
///       …
///     }
public protocol PassingStage: Stage {
  /// The input whose documents it handles.
  static var passed: Input<Documents> { get }
  /// Begins a task of the first phase.
  /// - Throws: as `Stage.run(_:_:)` does.
  func pass(_ workspace: Workspace) throws -> DocumentPass
}

/// A task that takes documents one after another.
public struct DocumentPass {
  /// Handles a document, which it may change.
  let take: (inout Document) throws -> Void
  /// Called once, after the last document.
  let end: () throws -> Void

  public init(_ take: @escaping (inout Document) throws -> Void, end: @escaping () throws -> Void = {}) {
    self.take = take
    self.end = end
  }
}

extension PassingStage {
  /// Runs a task of the first phase by itself, over the documents of its files.
  /// - Throws: as `Stage.run(_:_:)` does.
  public func runPass(_ workspace: Workspace) throws {
    let pass = try pass(workspace)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) { try pass.take(&document) }
    try pass.end()
  }
}

extension PassingStage where Self: SinglePhaseStage {
  public func run(_ workspace: Workspace) throws { try runPass(workspace) }
}
