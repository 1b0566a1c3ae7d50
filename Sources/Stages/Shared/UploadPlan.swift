import PipelineKit
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
  @Option("Another word here looks again at what is there, and sends what is missing.") var asOf = ""

  public init() {}
}

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
        if Self.rank(name, options.last) == nil { first.append(item) } else { last.append(item) }
      }
    }
    last = last.enumerated().sorted { a, b in
      (Self.rank(a.element.name, options.last)!, a.offset) < (
        Self.rank(b.element.name, options.last)!, b.offset
      )
    }.map(\.element)
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
  func tasks(phase: String, records: [ArtifactFile], place: String) -> [TaskPlan] {
    if phase == UploadTask.lastPhase {
      return [
        TaskPlan(
          key: "last", files: records + last.map(\.file), note: UploadTask.note(place, last.map(\.name)),
          memoryBytes: 64 << 20)
      ]
    }
    var start = 0
    return TaskPlan.grouped(first.map(\.file), bytes: Self.bytesPerTask).map { task in
      let names = first[start..<start + task.files.count].map(\.name)
      start += task.files.count
      return TaskPlan(
        key: task.key, files: task.files, note: UploadTask.note(place, names), memoryBytes: 32 << 20)
    }
  }
}

/// What a task of an upload has before it.
struct UploadTask {
  static let phases = ["files", lastPhase]
  static let lastPhase = "last"

  let items: [UploadPlan.Item]
  /// Of the first phase; empty in it.
  let records: [UploadRecord]

  init(_ workspace: Workspace, _ output: Output<Counts>) throws {
    let recorded = workspace.files(output)
    records = try recorded.flatMap { try UploadRecord.read($0.path) }
    let names = try JSONValue.parse(workspace.task.note).value["names"]?.array?.compactMap(\.string) ?? []
    items = zip(workspace.task.files.dropFirst(recorded.count), names).map { UploadPlan.Item(file: $0, name: $1) }
  }

  static func note(_ place: String, _ names: [String]) -> String {
    (["place": .string(place), "names": .strings(names)] as JSONValue).text()
  }
}
