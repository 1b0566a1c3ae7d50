public import PipelineKit
import ShardKit

/// What to do with an existing file that has different content.
public enum ExistingFiles: String, CaseIterable, OptionChoice { case replace, refuse }

/// How artifacts are uploaded, and what happens to existing files. Each stage defines the destination itself.
public struct UploadOptions: StageOptions {
  @Option(UploadLayout.documentation) var layout = UploadLayout.automatic
  @Option(
    "Names of files to upload last, in this order, after all others, so that no reader sees an incomplete data set.")
  var last = ["index.json"]
  @Option("Replaces an existing file that has different content, or refuses to. Equal content is never sent again.")
  var existing = ExistingFiles.replace
  @Option("Changes nothing and reports what would be sent.") var dryRun = false
  @Option("Any new value checks the destination again and sends what is missing.", formerly: "asOf")
  var snapshot = ""

  public init() {}
}

/// First all files except those that go last, then these.
public enum UploadPhase: String, StagePhase { case files, last }

/// The destination of each file, and the files that go last.
struct UploadPlan {
  struct Item: Equatable {
    var file: ArtifactFile
    /// Relative to the destination.
    var name: String
  }

  private(set) var first: [Item] = []
  private(set) var last: [Item] = []

  init(_ artifacts: [WiredArtifact], _ options: UploadOptions) throws {
    var stages: [ExactText: String] = [:]
    var ranked: [(rank: Int, item: Item)] = []
    for (artifact, folder) in zip(artifacts, options.layout.folders(for: artifacts)) {
      for file in artifact.files {
        let name = folder.isEmpty ? file.name : "\(folder)/\(file.name)"
        guard ArchivePath.isSafe(name), !ArchivePath.parts(name).contains(".") else {
          throw StageError(.input, file.name, "this name leads outside the destination")
        }
        if let other = stages.updateValue(artifact.stage, forKey: ExactText(name)) {
          throw StageError(
            .options, "layout", "'\(name)' would be written twice, by '\(other)' and by '\(artifact.stage)'",
            hint: "Use \"folders\", or upload them to different places.")
        }
        let item = Item(file: file, name: name)
        if let rank = Self.rank(name, options.last) { ranked.append((rank, item)) } else { first.append(item) }
      }
    }
    last = ranked.enumerated().sorted { a, b in
      (a.element.rank, a.offset) < (b.element.rank, b.offset)
    }.map(\.element.item)
  }

  /// A pattern is either a complete name relative to the destination or the end of one.
  private static func rank(_ name: String, _ last: [String]) -> Int? {
    last.firstIndex { name.isExactly($0) || name.endsExactly(in: "/" + $0) }
  }

  /// Small files are grouped into tasks of this size; a larger file is a separate task.
  private static let bytesPerTask: Int64 = 256 << 20

  /// - Parameters:
  ///   - records: the first phase's records of its files.
  ///   - place: the remaining part of their destination.
  func tasks(of phase: UploadPhase, records: [ArtifactFile], place: String) throws -> [TaskPlan] {
    switch phase {
    case .files:
      var start = 0
      return try TaskPlan.grouped(first.map(\.file), bytes: Self.bytesPerTask, memoryBytes: 32 << 20).map { task in
        let names = first[start..<start + task.files.count].map(\.name)
        start += task.files.count
        return try task.with(payload: UploadTask.Destination(place: place, names: names))
      }
    case .last:
      return [
        try TaskPlan(
          key: "last", inputs: [UploadTask.recordsRole: records, .main: last.map(\.file)],
          payload: UploadTask.Destination(place: place, names: last.map(\.name)))
      ]
    }
  }
}

/// The work of one upload task.
struct UploadTask {
  /// The destination of its files.
  struct Destination: Codable {
    var place: String
    /// Relative to the place, one name per file.
    var names: [String]
  }

  fileprivate static let recordsRole: TaskInputs.Role = "records"

  let items: [UploadPlan.Item]
  /// The first phase's records; empty in that phase.
  let records: [UploadRecord]

  init(_ workspace: Workspace) throws {
    records = try workspace.files(Self.recordsRole).flatMap { try UploadRecord.read($0.path) }
    let names = try workspace.payload(Destination.self).names
    items = zip(workspace.files(.main), names).map { UploadPlan.Item(file: $0, name: $1) }
  }
}
