public import PipelineKit
import ShardKit

/// What becomes of a file that is there with another content.
public enum ExistingFiles: String, CaseIterable, OptionChoice { case replace, refuse }

/// How artifacts are put somewhere else, and what stands there already. Where that is, each stage says itself.
public struct UploadOptions: StageOptions {
  @Option(UploadLayout.documentation) var layout = UploadLayout.automatic
  @Option(
    "Names of files that go last, in this order, when all others are there, so that no reader sees half a data set.")
  var last = ["index.json"]
  @Option("Replaces a file that is there with another content, or refuses to. The same content is never sent again.")
  var existing = ExistingFiles.replace
  @Option("Changes nothing, and reports what would be sent.") var dryRun = false
  @Option("Another word here looks again at what is there, and sends what is missing.", formerly: "asOf") var snapshot =
    ""

  public init() {}
}

/// First all files but those that go last, then these.
public enum UploadPhase: String, StagePhase { case files, last }

/// What goes where, and what goes last.
struct UploadPlan {
  struct Item: Equatable {
    var file: ArtifactFile
    /// Below the destination.
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
          throw StageError(.input, file.name, "its name would lead out of the destination")
        }
        if let other = stages.updateValue(artifact.stage, forKey: ExactText(name)) {
          throw StageError(
            .options, "layout", "'\(name)' would be written twice, by '\(other)' and by '\(artifact.stage)'",
            hint: "Use \"folders\", or upload them to places of their own.")
        }
        let item = Item(file: file, name: name)
        if let rank = Self.rank(name, options.last) { ranked.append((rank, item)) } else { first.append(item) }
      }
    }
    last = ranked.enumerated().sorted { a, b in
      (a.element.rank, a.offset) < (b.element.rank, b.offset)
    }.map(\.element.item)
  }

  /// A pattern is a whole name below the destination or its last part.
  private static func rank(_ name: String, _ last: [String]) -> Int? {
    last.firstIndex { name.isExactly($0) || name.endsExactly(in: "/" + $0) }
  }

  /// Many small files make few tasks; a large one is a task of its own.
  private static let bytesPerTask: Int64 = 256 << 20

  /// - Parameters:
  ///   - records: what the first phase wrote of its files.
  ///   - place: what else decides where they go.
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

/// What a task of an upload has before it.
struct UploadTask {
  /// Where its files go.
  struct Destination: Codable {
    var place: String
    /// Below the place, one a file.
    var names: [String]
  }

  fileprivate static let recordsRole: TaskInputs.Role = "records"

  let items: [UploadPlan.Item]
  /// Of the first phase; empty in it.
  let records: [UploadRecord]

  init(_ workspace: Workspace) throws {
    records = try workspace.files(Self.recordsRole).flatMap { try UploadRecord.read($0.path) }
    let names = try workspace.payload(Destination.self).names
    items = zip(workspace.files(.main), names).map { UploadPlan.Item(file: $0, name: $1) }
  }
}
