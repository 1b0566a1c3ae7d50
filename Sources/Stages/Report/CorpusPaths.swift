import PipelineKit

/// The ways of documents through a pipeline, from their sources to a corpus.
///
/// Only documents are followed: what made a classifier, an index or a tokenizer did nothing to the corpus.
struct CorpusPaths: Codable, Equatable {
  struct Stage: Codable, Equatable {
    var name: String
    /// The stages whose documents it reads; none for a source.
    var reads: [String]
  }

  /// The stages that wrote the corpus.
  private(set) var ends: [String] = []
  /// All on a way, sources first.
  private(set) var stages: [Stage] = []
  /// Stages whose measures those on a way read.
  private(set) var scorers: [String] = []

  init() {}

  /// - Parameter accounts: sources first.
  init(to ends: [String], _ accounts: [StageAccount]) {
    self.ends = ends
    var reads: [String: [String]] = [:]
    for account in accounts {
      reads[account.stage] = account.wires.filter { wire in
        switch wire.kind {
        case .documents, .mds: true
        // Such as of Parquet: they hold documents if they were made of documents.
        case .files: reads[wire.stage]?.isEmpty == false
        default: false
        }
      }.map(\.stage)
    }
    let way = Self.reached(from: ends) { reads[$0] ?? [] }
    stages = accounts.filter { way.contains($0.stage) }.map { Stage(name: $0.stage, reads: reads[$0.stage] ?? []) }
    let signals = Dictionary(
      accounts.map { account in (account.stage, account.wires.filter { $0.kind == .signals }.map(\.stage)) },
      uniquingKeysWith: { $1 })
    let measuring = Self.reached(from: way.flatMap { signals[$0] ?? [] }) { signals[$0] ?? [] }
    scorers = accounts.map(\.stage).filter(measuring.contains)
  }

  private static func reached(from starts: [String], _ next: (String) -> [String]) -> Set<String> {
    var seen = Set(starts)
    var pending = starts
    while let stage = pending.popLast() {
      for other in next(stage) where seen.insert(other).inserted { pending.append(other) }
    }
    return seen
  }

  func contains(_ stage: String) -> Bool { stages.contains { $0.name == stage } }

  var sources: [String] { stages.filter(\.reads.isEmpty).map(\.name) }

  /// The sources of documents that reach the corpus on a way that leads through none of these stages.
  func sources(bypassing passed: Set<String>) -> [String] {
    let reads = Dictionary(stages.map { ($0.name, $0.reads) }, uniquingKeysWith: { $1 })
    let way = Self.reached(from: ends.filter { !passed.contains($0) }) { stage in
      (reads[stage] ?? []).filter { !passed.contains($0) }
    }
    return sources.filter(way.contains)
  }
}
