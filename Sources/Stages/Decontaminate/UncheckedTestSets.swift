public import PipelineKit
import ShardKit

/// A stage that scores a model on test sets.
protocol TestedOnSets {
  /// The options that name the sets' files.
  static var testOptions: [String] { get }
  /// Whether a file of these options is one to score on, rather than to train on.
  static func isTest(_ name: String) -> Bool
}

extension TestedOnSets {
  static func isTest(_ name: String) -> Bool { true }
}

extension EvaluateJGLUE: TestedOnSets {
  static let testOptions = ["folder"]
  static func isTest(_ name: String) -> Bool { ArchivePath.lastPart(of: name).hasPrefix("valid") }
}

extension EvaluateSTS: TestedOnSets { static let testOptions = ["test"] }
extension EvaluateRetrieval: TestedOnSets { static let testOptions = ["queries"] }
extension ModelFinetune: TestedOnSets { static let testOptions = ["test"] }

/// The test sets that a pipeline scores a model on, though the texts that the model was trained on were not searched for
/// their questions: for `pipeline plan`.
///
/// A training corpus is searched if every way of its documents, from where they are read to the training, leads through a
/// `decontaminate` stage that names the set's files. Tokens that the pipeline does not make itself are not judged.
public struct UncheckedTestSets {
  /// By node: nothing, or a sentence.
  public private(set) var remarks: [[String]]
  private let graph: Graph

  public init(_ graph: Graph) {
    self.graph = graph
    remarks = Array(repeating: [], count: graph.nodes.count)
    let sets = graph.nodes.map(Self.searchedFiles(graph.document.folder))
    for index in graph.nodes.indices { remarks[index] = unchecked(index, sets).map { [$0] } ?? [] }
  }

  private static func searchedFiles(_ folder: String) -> (Graph.Node) -> Set<String> {
    { node in
      guard node.configured.stage is Decontaminate else { return [] }
      return Set(node.configured.inputFiles.flatMap { (try? $0.files.resolve(base: folder)) ?? [] }.map(\.path))
    }
  }

  private func unchecked(_ index: Int, _ sets: [Set<String>]) -> String? {
    let node = graph.nodes[index]
    guard let kind = (node.configured.stage as? any TestedOnSets).map({ type(of: $0) }) else { return nil }
    let files = node.configured.inputFiles.filter { kind.testOptions.contains($0.option) }
      .flatMap { (try? $0.files.resolve(base: graph.document.folder)) ?? [] }.filter { kind.isTest($0.name) }
    let trainings = graph.ancestors(of: index).sorted().filter { graph.nodes[$0].configured.stage is ModelPretrain }
    for training in trainings {
      let missed = files.filter { file in
        var seen: Set<Int> = []
        return readsUnsearched(training, file.path, sets, &seen)
      }
      guard let first = missed.first else { continue }
      let more = missed.count > 1 ? " and \(missed.count - 1) more files" : ""
      return "the corpus of '\(graph.nodes[training].name)' is not searched for the questions of \(first.name)\(more): "
        + "add a 'decontaminate' stage with these files as sets"
    }
    return nil
  }

  /// Whether documents reach a node on a way that leads through no search for a file's questions.
  private func readsUnsearched(_ index: Int, _ path: String, _ sets: [Set<String>], _ seen: inout Set<Int>) -> Bool {
    guard !sets[index].contains(path), seen.insert(index).inserted else { return false }
    let texts = graph.nodes[index].edges.filter { edge in
      let port = graph.nodes[edge.source].description.outputs.first { $0.name == edge.output }
      return port?.kind == .documents || port?.kind == .mds
    }
    let isSource = texts.isEmpty && graph.nodes[index].description.outputs.contains { $0.kind == .documents }
    return isSource || texts.contains { readsUnsearched($0.source, path, sets, &seen) }
  }
}
